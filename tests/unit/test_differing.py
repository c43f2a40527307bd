"""What is other in a new pack is said in words, for those whom it concerns."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from service.cli.main import app
from service.foresight.differing import by_reader, differences
from tests.support.packs import errand
from tests.support.world import ROOT

CASES = [
    (
        (
            "taken: {kind: dwell, in: [asked, quoted], within: 1h",
            "taken: {kind: dwell, in: [asked, quoted], within: 30m",
        ),
        ("promise", "taken", "taken has 30 minutes instead of 1 hour"),
    ),
    (
        ("going: {channels: [sms], replaces", "going: {channels: [sms, push], replaces"),
        ("notice", "going", "going goes by sms, push instead of sms"),
    ),
    (
        ("nearly: {channels: [email], quiet: drop}", "nearly: {channels: [email], quiet: wait}"),
        ("notice", "nearly", "nearly does in quiet hours: wait instead of drop"),
    ),
    (
        ("  rate: {channels: [email], once: true}", "  rate: {channels: [email]}"),
        ("notice", "rate", "rate is told once an order: no instead of yes"),
    ),
    (("grace: 60s", "grace: 2m"), ("workflow", "grace", "grace is 2 minutes instead of 1 minute")),
    (
        ("quoted: {stage: asked}", "quoted: {stage: going}"),
        ("status", "quoted", "quoted shows as going instead of asked"),
    ),
    (("held: [going, done]}", "held: [done]}"), ("move", "held", "going may not follow held any more")),
    (
        ("going: {channels: [sms], replaces", "going: {channels: [{channel: sms, when: {all: [{path: price, over: 5 EUR}, {not: {in: held}}]}}], replaces"),
        ("notice", "going", "going goes by a channel only where sms: price is over 5 EUR and not (status is held) instead of nothing"),
    ),
    (
        ("weight: number,", "weight: {type: number, title: {en: Weight, de: Gewicht}},"),
        ("workflow", "attributes", "attributes weight titles de is Gewicht instead of nothing"),
    ),
    (
        ("  taken: {kind: dwell, in: [asked, quoted], within: 1h", "  taken: {kind: dwell, in: [asked, quoted], within: {from: attributes.weight, unit: days, else: 1h}"),
        ("promise", "taken", "taken has as long as attributes.weight says (else 1 hour), in units of 1 day instead of 1 hour"),
    ),
    (
        ("rating: {notify: rate, after: 24h", "rating: {notify: rate, after: 2 days"),
        ("plan", "rating", "rating has 2 days instead of 1 day"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "expected"), CASES)
def test_a_change_is_said_in_words(edit: tuple[str, str], expected: tuple[str, str, str]) -> None:
    found = differences(errand(), errand(edit)).differences
    assert expected in [(d.kind, d.name, d.says) for d in found]


def test_what_is_new_or_gone_is_said_with_its_rule_and_to_whom_it_matters() -> None:
    edits = (
        ("  late: {channels: [push]}\n", "  late: {channels: [push]}\n  hint: {channels: [sms], manual: {en: Hint}}\n"),
        ("  quiet: {kind: dwell, reset_by_any_event: true, within: 6h, escalate: {reason: silent}}\n", ""),
    )
    found = by_reader(differences(errand(), errand(*edits)).differences)
    assert [d.says for d in found["customer"]] == ["hint is new: customer by sms, when an agent sends it"]
    ((gone,),) = [ds for whom, ds in found.items() if whom != "customer"]
    assert gone.says.startswith("quiet is gone: at most 6 hours in any status, since the last event; then it calls")


def test_calendars_and_parts_are_said_as_people_say_them() -> None:
    office = "calendars: {{office: {{timezone: Europe/Berlin, {}, closed: [2026-12-24]}}}}\nclocks:\n"
    taken = "taken: {kind: dwell, in: [asked, quoted], within: 1h"
    clock = (taken, f"{taken}, calendar: office")
    was, would = (
        errand(clock, ("clocks:\n", office.format(hours))) for hours in ("opens: '08:00'", "days: [mon, sat]")
    )
    (said,) = [d.says for d in differences(was, would).differences]
    assert said == (
        "taken calendar is Mon 09:00-18:00, Sat 09:00-18:00, closed on 2026-12-24 (Europe/Berlin)"
        " instead of Mon-Fri 08:00-18:00, closed on 2026-12-24 (Europe/Berlin)"
    )
    parts = "parts: {{expected: attributes.weight, rules: [{{to: done, all: done}}{}]}}\nteams:\n"
    was, would = (errand(("teams:\n", parts.format(more))) for more in ("", ", {to: going, any: [going, held]}"))
    (found,) = differences(was, would).differences
    assert (found.says, found.text[-1]) == (
        "a whole's status follows from its parts by other rules",
        "+going, where any going or held",
    )


def test_the_same_pack_changes_nothing() -> None:
    assert differences(errand(), errand()).differences == []


def test_the_command_shows_texts_line_by_line(tmp_path: Path) -> None:
    old = ROOT / "templates" / "device_pickup"
    for name in ("_layouts", "device_pickup"):
        for file in (ROOT / "templates" / name).rglob("*"):
            if file.is_file():
                copy = tmp_path / file.relative_to(ROOT / "templates")
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())
    text = tmp_path / "device_pickup" / "en" / "order_created.sms.j2"
    before = text.read_text("utf-8")
    text.write_text("Good news. " + before, "utf-8")
    new = str(tmp_path / "device_pickup")
    shown = CliRunner().invoke(app, ["diff", str(old), new])
    assert shown.exit_code == 0, shown.output
    assert "For customer:" in shown.output
    assert "order_created by sms in en has another text" in shown.output
    assert "+Good news. " in shown.output
    said = msgspec.json.decode(CliRunner().invoke(app, ["diff", str(old), new, "--json"]).output)
    assert {*said} == {"workflow", "was", "would_be", "differences"}
    assert {*said["differences"][0]} == {"kind", "name", "whom", "says", "text"}
    other = CliRunner().invoke(app, ["diff", str(old), str(ROOT / "templates" / "repair")])
    assert (other.exit_code, other.stderr.strip()) == (
        1, "device_pickup and repair are two workflows: name two versions of one",
    )  # fmt: skip
    assert "nothing changes" in CliRunner().invoke(app, ["diff", str(old), str(old)]).output
