"""Packs: the shipped ones are right, and every kind of mistake is found with its file and line."""

import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from service.channels.sms.segments import measure
from service.workflows import packs
from service.workflows.durations import parse_duration
from service.workflows.lint_templates import samples
from tests.support.packs import all_packs, device_pickup
from tests.support.world import ROOT

LIFECYCLE = {
    "created": ("order_created", ["sms", "whatsapp", "push", "email"]),
    "pending_vendor_assignment": ("order_created", []),
    "assigned": ("vendor_assigned", ["sms", "whatsapp", "push"]),
    "vendor_accepted": ("vendor_assigned", []),
    "vendor_en_route": ("vendor_en_route", ["sms", "whatsapp", "push"]),
    "at_location": ("vendor_arrived", ["sms", "whatsapp", "push"]),
    "inspection_started": ("inspection_in_progress", []),
    "inspection_completed": ("final_price_ready", ["sms", "whatsapp", "push", "email"]),
    "payment_initiated": ("payment_otp_sent", ["sms", "whatsapp", "push"]),
    "payment_successful": ("order_completed", ["sms", "whatsapp", "push", "email"]),
    "completed": ("order_completed", []),
    "customer_rejected": ("order_failed", ["sms", "whatsapp", "push", "email"]),
    "vendor_failed": ("order_failed", ["sms", "whatsapp", "push", "email"]),
    "unable_to_reach": ("order_failed", ["sms", "whatsapp", "push", "email"]),
}


def test_shipped_packs_have_no_problems() -> None:
    assert packs.inspect(ROOT / "templates")[1] == []


def test_device_pickup_is_the_table() -> None:
    w = device_pickup().workflow
    found = {n: (s.stage, [c for t in s.notices for c in w.notices[t].channels]) for n, s in w.statuses.items()}
    assert found == LIFECYCLE


@pytest.mark.parametrize("pack", [p.workflow.name for p in all_packs()])
def test_every_template_fits_its_medium(pack: str) -> None:
    p = all_packs().get(pack)
    for notice in (n for n in p.workflow.notices.values() if not n.free_text):
        for locale in p.workflow.locales:
            for label, values in samples(p.workflow, notice, locale):
                if "sms" in notice.channels:
                    text = p.templates.render(locale, notice.name, "sms", values).text
                    taken = measure(text)
                    # One segment where the alphabet allows; other scripts have 70 characters a segment.
                    assert taken.count <= (1 if taken.encoding == "GSM-7" else 2), (notice.name, locale, label, taken)
                    # The order's tracking page, or the page of whoever handles it.
                    assert re.search(r"https://track\.example/[at]/x", text)
                if "email" in notice.channels:
                    mail = p.templates.render(locale, notice.name, "email", values)
                    assert "<style" not in mail.html
                    assert 'style="' in mail.html
                    assert "https://track.example/t/" in mail.html
                    assert "https://track.example/t/" in mail.text
                    assert "<" not in mail.text


def test_personal_text_cannot_become_markup_or_template() -> None:
    p = device_pickup()
    notice = p.workflow.notices["order_created"]
    (_, values), *_ = samples(p.workflow, notice, "en")
    evil = {**values, "name": "<script>alert(1)</script>{{ 7*7 }}", "order": {"id": "{{ brand.__class__ }}"}}
    mail = p.templates.render("en", "order_created", "email", evil)
    assert "<script>" not in mail.html
    assert "49" not in mail.html
    assert "{{ brand.__class__ }}" in mail.text
    assert "\n" not in p.templates.render("en", "order_created", "email", {**evil, "brand": "a\r\nBcc: x"}).title


@pytest.mark.parametrize(
    ("text", "encoding", "units", "count"),
    [
        ("a" * 160, "GSM-7", 160, 1), ("a" * 161, "GSM-7", 161, 2), ("€" * 80, "GSM-7", 160, 1),
        ("अ" * 70, "UCS-2", 70, 1), ("अ" * 71, "UCS-2", 71, 2), ("😀" * 35, "UCS-2", 70, 1), ("", "GSM-7", 0, 1),
    ],
)  # fmt: skip
def test_segments(text: str, encoding: str, units: int, count: int) -> None:
    assert measure(text) == (encoding, units, count)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("5m", 300), ("24h", 86400), ("3 days", 259200), ("1h 30m", 5400), ("2 weeks", 1209600)],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "5x", "-5m", "five minutes"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


Edit = Callable[[Path], None]


def copied(folder: Path, pack: str) -> Path:
    """A folder with a copy of this pack, and of what all packs share."""
    for part in ("_layouts", pack):
        shutil.copytree(ROOT / "templates" / part, folder / part)
    return folder


def in_yaml(old: str, new: str) -> Edit:
    def edit(pack: Path) -> None:
        file = pack / "workflow.yaml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    return edit


def in_template(name: str, text: str) -> Edit:
    def edit(pack: Path) -> None:
        (pack / name).write_text(text)

    return edit


def without(name: str) -> Edit:
    return lambda pack: (pack / name).unlink()


@pytest.mark.parametrize(
    ("edit", "file", "words"),
    [
        (in_yaml("notify: vendor_assigned}", "notify: vendor_asigned}"), "workflow.yaml:", "did you mean 'vendor_assigned'"),
        (in_yaml("{stage: vendor_arrived,", "{stage: arrived,"), "workflow.yaml:", "unknown stage 'arrived'"),
        (in_yaml("  completed: {stage: order_completed, final: true}", "  completed: {stage: order_completed}"),
         "workflow.yaml:", ""),
        (in_yaml("    - inspection_started\n", ""), "workflow.yaml:", "inspection_started: unreachable"),
        (in_yaml("from_any: [customer_rejected, ", "from_any: ["), "workflow.yaml:", "customer_rejected: unreachable"),
        (in_yaml("{team: vendor_ops, severity: high, title: {en: Partner cannot", "{team: vendorops, severity: high, title: {en: Partner cannot"),
         "workflow.yaml:", "unknown team 'vendorops'; did you mean 'vendor_ops'"),
        (in_yaml("    in: [assigned, vendor_accepted, vendor_en_route]\n", "    in: [asigned]\n"), "workflow.yaml:", "unknown status 'asigned'"),
        (in_yaml("  vendor_arrived: {channels", "  vendor_arrived: {asks: {x: text}, channels"), "workflow.yaml:", "'asks' is for notices that agents send"),
        (in_yaml("  vendor_arrived: {channels", "  vendor_arrived: {in: at_location, channels"), "workflow.yaml:", "'in' is for notices that agents send"),
        (in_yaml("notify: vendor_arrived}", "notify: [vendor_arrived, traffic_delay]}"), "workflow.yaml:", "status at_location sends it, too"),
        (in_yaml("default: eta, ahead", "default: etta, ahead"), "workflow.yaml:", "no order has 'etta'"),
        (in_yaml("type: datetime, title: {en: New time", "type: number, title: {en: New time"), "workflow.yaml:", "only a date can lie ahead"),
        (in_template("en/traffic_delay.sms.j2", "Late: {{ asked.newtime | time }}"), "traffic_delay.sms.j2:1", "newtime"),
        (in_template("en/vendor_arrived.sms.j2", "Late: {{ asked.new_time | time }}"), "vendor_arrived.sms.j2:1", "new_time"),
        (in_yaml("within: 5m", "within: 5 parsecs"), "workflow.yaml:", "is not a duration"),
        (in_yaml("adopts: true", "adoptes: true"), "workflow.yaml:", "adoptes: unknown key"),
        (in_yaml("timezone: Asia/Kolkata     #", "timezone: Asia/Calcuta     #"), "workflow.yaml:", "unknown time zone"),
        (in_yaml("workflow: device_pickup", "workflow: [device_pickup"), "workflow.yaml:", "not YAML"),
        (in_yaml("adopts: true", "adopts: true\nadopts: false"), "workflow.yaml:", "'adopts' appears twice"),
        (without("en/vendor_assigned.sms.j2"), "workflow.yaml:", "notice 'vendor_assigned' has no sms template in 'en'"),
        (in_yaml("fallback: {whatsapp: sms}", "fallback: {whatsapp: sms, sms: email}"),  # a stand-in's stand-in
         "workflow.yaml:", "notice 'rating_request' has no email template in 'en'"),
        (without("hi/order_failed.email.j2"), "workflow.yaml:", "notice 'order_failed' has no email template in 'hi'"),
        (in_template("en/order_created.sms.j2", "Hi\n{{ custmer }}"), "order_created.sms.j2:2:", "undefined variable 'custmer'"),
        (in_template("en/order_created.sms.j2", "{{ order.total }}"), "order_created.sms.j2:1:", "no attribute 'total'"),
        (in_template("en/order_created.sms.j2", "Hi {{ eta | time }}"), "order_created.sms.j2:1:", "only what every order has"),
        (in_template("en/order_created.sms.j2", "{% if %}"), "order_created.sms.j2:1:", "template:"),
        (in_template("en/order_created.sms.j2", "{{ secrets.otp }}"), "order_created.sms.j2:1:", "carries none"),
        (in_template("en/payment_otp_sent.sms.j2", "a\n{{ secrets.pin }}"), "payment_otp_sent.sms.j2:2:", "carries 'otp'"),
        (in_template("en/order_created.sms.j2", "x" * 460), "order_created.sms.j2:1:", "takes 4 SMS segments"),
        (in_template("en/order_created.push.j2", "Only a title"), "order_created.push.j2:1:", "is empty"),
    ],
)  # fmt: skip
def test_mistakes_are_found_where_they_stand(edit: Edit, file: str, words: str, tmp_path: Path) -> None:
    pack = copied(tmp_path, "device_pickup") / "device_pickup"
    if "'hi'" not in words:  # half of the templates need not be looked at then
        in_yaml("locales: [en, hi]", "locales: [en]")(pack)
    edit(pack)
    _, problems = packs.inspect(tmp_path)
    if not words:
        assert problems == []
        return
    assert any(file in str(p) and words in str(p) for p in problems), [str(p) for p in problems]


def test_a_missing_template_is_shown_at_its_notice_even_if_a_stage_has_the_name(tmp_path: Path) -> None:
    copy = copied(tmp_path, "device_pickup")
    (copy / "device_pickup/en/vendor_en_route.sms.j2").unlink()
    text = (copy / "device_pickup/workflow.yaml").read_text()
    assert text.count("\n  vendor_en_route:") > 1, "the stage and the notice"
    (problem,) = packs.inspect(copy)[1]
    before = text.splitlines()[: problem.line]
    assert before[-1].startswith("  vendor_en_route:")
    assert next(line for line in reversed(before) if line[0].isalpha()) == "notices:"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    pack = copied(tmp_path, "device_pickup") / "device_pickup"
    in_yaml("notify: vendor_assigned}", "notify: nobody_knows}")(pack)
    in_yaml(
        "{team: finance, severity: high, title: {en: Payment is",
        "{team: nobody, severity: high, title: {en: Payment is",
    )(pack)
    in_yaml("timezone: Asia/Kolkata     #", "timezone: Mars/Olympus     #")(pack)
    assert len(packs.inspect(tmp_path)[1]) == 3


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (copied(tmp_path, "repair") / "repair/en/item_received.email.j2").write_bytes(b"caf\xe9")
    (problem,) = packs.inspect(tmp_path)[1]
    assert str(problem).endswith("item_received.email.j2:1: is not UTF-8 text")
