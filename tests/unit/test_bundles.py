"""Notices that wait for others, and notices that are not told too often: what waits, what never does, what is joined."""

from typing import Any

import pytest

from service.channels.medium import Rendered
from service.channels.registry import medium_of
from service.workflows.packs import PackError
from tests.support.life import Life, after, begun, happened
from tests.support.packs import errand

ASKED = "asked: {channels: [sms, email]}"
BUNDLED = "asked: {channels: [sms, email], bundle: {within: 4m, by: person}}"


def test_what_bundles_waits_so_long_and_names_whose_it_may_leave_with() -> None:
    life = begun(errand((ASKED, BUNDLED)))
    waiting = [n for n in life.messages.values() if n.notice == "asked"]
    assert {(n.state, n.not_before, n.bundle) for n in waiting} == {("pending", after(4), "bundle errand/")}
    life.travel_to(after(4))
    assert {n.sent_at for n in life.messages.values() if n.notice == "asked"} == {after(4)}


def test_a_message_that_would_not_live_so_long_does_not_wait() -> None:
    rule = BUNDLED.replace("}}", "}, valid_for: 3m}")
    life = begun(errand((ASKED, rule)))
    assert {n.sent_at for n in life.messages.values() if n.notice == "asked"} == {after(0)}


def test_what_an_agent_sends_does_not_wait() -> None:
    sorry = "sorry: {channels: [email, sms], manual: {en: Say sorry}, in: [going, held], asks"
    pack = errand((sorry, sorry.replace("manual", "bundle: {within: 4m, by: person}, manual")))
    life = begun(pack)
    life.take(happened("going"))
    life.send("sorry", until=after(60).isoformat())
    life.settle()
    assert {n.state for n in life.messages.values() if n.notice == "sorry"} == {"sent"}


def moves(rule: str, *minutes: float) -> Life:
    moved = "on_change: {path: [attributes.visit, eta], in: [asked, going]}}"
    life = begun(errand((moved, f"on_change: {{path: eta}}, {rule}}}")))
    for n in minutes:
        life.travel_to(after(n))
        life.take(happened(at=n, eta=after(100 + n).isoformat()))
    return life


def test_a_notice_is_not_told_more_often_than_it_may_be() -> None:
    life = moves("throttle: {most: 2, within: 10m}", 1, 2, 3, 10.5, 11.5, 13)
    assert [p.at for p in life.notices.values() if p.name == "moved"] == [after(m) for m in (1, 2, 11.5, 13)]
    why = [e.detail["why"] for e in life.entries if e.kind == "notice_skipped" and e.detail["notice"] == "moved"]
    assert why == ["it was told as often as it may be within its time"] * 2


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("secret: pin,", "secret: pin, bundle: {within: 1m},", "code: a code never waits for anything; drop 'bundle'"),
        ("soon: {channels: [sms], quiet: wait}", "soon: {channels: [sms], mandatory: true, throttle: {within: 1m}}",
         "soon: what is mandatory never waits"),
        (ASKED, BUNDLED.replace("4m", "5m"), "answered: asked waits for others until this promise is broken"),
        (ASKED, BUNDLED.replace("person", "order"), "Input should be 'person'"),
    ],
)  # fmt: skip
def test_check_says_what_must_not_wait(old: str, new: str, why: str) -> None:
    with pytest.raises(PackError) as refused:
        errand((old, new))
    assert any(why in p.message for p in refused.value.problems), refused.value


def test_each_channel_joins_in_its_own_way() -> None:
    one: dict[str, Any] = {"text": "One.", "title": "First", "html": "<html><body><p>One.</p></body></html>"}
    two: dict[str, Any] = {"text": "Two.", "title": "Second", "html": '<html><body class="x"><p>Two.</p></body></html>'}
    parts = [Rendered(**one), Rendered(**two)]
    assert medium_of("sms").joined(parts).text == "One.\n\nTwo."
    push = medium_of("push").joined(parts)
    assert (push.title, push.text) == ("First", "One.\n\nSecond\nTwo.")
    mail = medium_of("email").joined(parts)
    assert (mail.title, mail.text) == ("First · Second", "One.\n\n---\n\nTwo.")
    assert mail.html.startswith("<html><body><p>One.</p><hr")
    assert mail.html.endswith("<p>Two.</p></body></html>")
