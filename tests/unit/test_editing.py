"""Words as they are tried: every place that a notice has, mistakes at their texts, and bounds of time and size."""

import time

import pytest

from service.editing import trying
from service.editing.places import places_of, shown_places, worded_notices
from service.editing.trying import MOST_LETTERS, Reading, problems_in, seen
from service.prices import read
from service.workflows.bounds import within_time
from service.workflows.pack_bundles import bundle, unbundle
from service.workflows.pack_text import version_of
from service.workflows.packs import Pack, with_texts
from service.workflows.templates import UNRENDERABLE
from tests.support.packs import device_pickup

SMS = "en/order_created.sms.j2"
HINDI = "hi/order_created.sms.j2"
PRICES = read("{currency: USD, sms: {IN: 0.5}}", {"sms": None}, "prices")


@pytest.fixture(scope="module")
def pack() -> Pack:
    return device_pickup()


def test_a_notice_has_a_place_for_each_language_and_channel(pack: Pack) -> None:
    places = {p.file: p for p in places_of(pack.workflow, "order_created")}
    assert {SMS, HINDI, "en/order_created.email.j2", "hi/order_created.push.j2"} <= places.keys()
    assert (places[HINDI].channel, places[HINDI].locale, places[HINDI].brand) == ("sms", "hi", "")
    assert [p.file for p in shown_places(pack, "order_created")] == [p for p in places if "brands/" not in p]
    names = {n.name for n in worded_notices(pack.workflow)}
    assert "order_created" in names
    assert not {n.name for n in pack.workflow.notices.values() if n.free_text} & names


def test_other_texts_make_another_version_and_the_same_ones_the_same(pack: Pack) -> None:
    folder = pack.templates.folder
    changed = with_texts(pack, {SMS: "{{ brand }}: hello {{ link }}\n"})
    assert changed.workflow.version != pack.workflow.version
    assert changed.templates.text_of(SMS) == "{{ brand }}: hello {{ link }}\n"
    assert pack.templates.text_of(SMS) != changed.templates.text_of(SMS)
    again = with_texts(changed, {SMS: pack.templates.text_of(SMS)})
    assert again.workflow.version == pack.workflow.version == version_of(folder)
    gone = with_texts(pack, {HINDI: None})
    assert gone.templates.text_of(HINDI) is None
    # What is kept of it is what it says.
    kept = unbundle(bundle(changed), changed.workflow.version)
    assert kept.templates.text_of(SMS) == changed.templates.text_of(SMS)
    assert version_of(kept.templates.folder) == changed.workflow.version


def test_mistakes_are_told_at_their_text_and_line(pack: Pack) -> None:
    texts = {SMS: "{{ brand }}: hello\n{{ brnd }}\n", HINDI: "{% if %}", "en/order_created.push.j2": "only a title"}
    found = problems_in(pack, "order_created", texts)
    assert found.keys() == texts.keys()
    assert (found[SMS][0].line, "undefined variable 'brnd'" in found[SMS][0].problem) == (2, True)
    assert "is empty" in found["en/order_created.push.j2"][0].problem
    assert problems_in(pack, "order_created", {}) == {}
    # One that is taken away is missing in every language that it spoke for.
    both = problems_in(pack, "order_created", {SMS: None, HINDI: None})
    assert "has no sms template" in both[""][0].problem


def test_what_reaches_beyond_its_text_is_refused(pack: Pack) -> None:
    for text in (
        "{{ ''.__class__.__mro__ }}",
        "{% include '/etc/passwd' %}",
        "{% include '../workflow.yaml' %}",
        "{{ lipsum.__globals__ }}",
        "{% import 'os' as os %}{{ os }}",
    ):
        assert problems_in(pack, "order_created", {SMS: text})[SMS], text


def test_size_and_time_are_bounded(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "longer than" in problems_in(pack, "order_created", {SMS: "x" * (MOST_LETTERS + 1)})[SMS][0].problem
    grow = (
        "{% set a = ['x'] %}" + "{% set a = a + a %}" * 17 + "{% set b = a | sort | map('upper') | list | sort %}" * 180
    )
    # The bound is CPU, which the test takes whole.
    monkeypatch.setattr(trying, "WITHIN_S", 0.5)
    began = time.thread_time()
    assert problems_in(pack, "order_created", {SMS: grow[:MOST_LETTERS]})[SMS]
    assert 0.5 < time.thread_time() - began < trying.WITHIN_S + 1
    with within_time(0), pytest.raises(UNRENDERABLE, match="too long"):
        pack.templates.render(
            "en", "order_created", "sms", {"brand": "x", "order": {"id": "1"}, "link": "l", "locale": "en"}
        )


def test_a_text_is_shown_with_its_segments_and_what_it_costs(pack: Pack) -> None:
    places = shown_places(pack, "order_created")
    looks = seen(pack, "order_created", places, Reading("Cedar", PRICES))
    assert looks[SMS].text.startswith("Cedar: ")
    assert (looks[SMS].segments, looks[SMS].each) == (1, "0.50 USD")
    assert looks["en/order_created.email.j2"].title
    long = with_texts(pack, {SMS: "{{ brand }} ąć " + "x" * 80})
    assert (twice := seen(long, "order_created", places, Reading("Cedar", PRICES))[SMS]).segments == 2
    assert twice.each == "1.00 USD"
    assert "GSM-7 has no" in twice.remark
