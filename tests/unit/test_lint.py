"""What `check` says of a pack's YAML: one mistake each, in the pack that has one of everything."""

from pathlib import Path

import pytest

from service.workflows import packs
from tests.support.packs import ERRAND, errand, pack_of, written

CLOCK = "  taken: {kind: dwell, in: [asked, quoted], within: 1h, escalate: {reason: slow}}"
CALENDARS = "calendars: {{office: {{timezone: UTC{more}}}, short: {{timezone: UTC, closes: '12:00'}}}}\n"


def problems(*edits: tuple[str, str]) -> list[str]:
    """What is wrong with the pack after these edits, without the file's name."""
    with pytest.raises(packs.PackError) as caught:
        errand(*edits)
    return [p.message for p in caught.value.problems]


def clock(text: str) -> tuple[str, str]:
    """Another clock in the place of one."""
    return CLOCK, f"  taken: {text}"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("fallback: {sms: email}", "fallback: {sms: letter}"), "fallback.sms: Input should be"),
        (("grace: 60s", "grace: soon"), "grace: 'soon' is not a duration; write 30s, 5m, 24h or 3 days"),
        (("stages:\n  asked: {title: {en: Asked, de: Gefragt}}", "stages:\n  asked: {title: {en: Asked}}"), "asked: no title in 'de'"),
        (("title: {en: Slow, de: Langsam}", "title: {en: Slow}"), "slow: no title in 'de'"),
        (("visit: datetime,", "visit: number,"), "attributes.visit is used as a date, but is declared as number"),
        (("  rating: {notify:", "  taken: {notify:"), "taken: is the name of a clock already"),
        (("{kind: notify, notice: asked,", "{kind: notify,"), "answered: a notify clock needs 'notice'"),
        (("{kind: deadline, date: eta,", "{kind: deadline,"), "late: a deadline clock needs 'date'"),
        (clock("{kind: dwell, in: asked, within: 1h}"), "taken: its breach does nothing; give it 'notify', 'escalate' or 'publish'"),
        (("timezone: UTC", "timezone: Nowhere/Town"), "unknown time zone 'Nowhere/Town'; write one like 'Asia/Kolkata'"),
        (("timezone: UTC", "timezone: ../etc/passwd"), "unknown time zone '../etc/passwd'"),
        (clock("{kind: dwell, in: asked, within: 2 working days, escalate: {reason: slow}}"), "taken: working time needs a 'calendar'"),
        (clock("{kind: dwell, in: asked, within: 2h, at_warning: {notify: soon}, escalate: {reason: slow}}"), "taken: at_warning needs 'warn_at'"),
        (clock("{kind: dwell, in: asked, within: 2h, warn_at: half, escalate: {reason: slow}}"), "taken: write warn_at as 80% or as 4h"),
        (clock("{kind: dwell, in: asked, within: 2h, calendar: office, escalate: {reason: slow}}"), "unknown calendar 'office'; known: none"),
        (clock("{kind: dwell, in: asked, within: 2h, notify: sooon}"), "unknown notice 'sooon'; did you mean 'soon'?"),
        (clock("{kind: dwell, in: asked, within: 2h, escalate: {reason: slowly}}"), "unknown reason 'slowly'; did you mean 'slow'?"),
        (("kind: average, title: Weight, path: attributes.weight,", "kind: average, title: Weight,"), "weight: a average needs 'path'"),
        (("kind: rate, title: Done, from: asked, to: done,", "kind: rate, title: Done,"), "share: a rate needs 'from' and 'to'"),
        (("forward: optional", "forward: none"), "quoted: unreachable: no transition leads to it"),
        (("  from_any: [dropped]\n", "  from_any: []\n"), "dropped: unreachable: no transition leads to it"),
        (("stages:\n", "stages:\n  lost: {title: {en: Lost, de: Weg}}\n"), "lost: no status is shown as this stage"),
        (("workflow: errand", "workflow: errand\nnonsense: 1"), "nonsense: unknown key"),
        (("audience: [customer, payer], once", "whatsapp_content: {fr: {sid: HX00000000000000000000000000000000}}, once"), "unknown locale 'fr'"),
        (("teams:", "calls: {dsk: {remind_every: 5m}}\nteams:"), "unknown team 'dsk'; did you mean 'desk'?"),
        (("{channels: [sms], quiet: wait}", "{channels: [sms], in: asked}"), "soon: 'in' is for notices that agents send; give it 'manual'"),
        (("{type: datetime, ahead: true}", "{type: text, ahead: true}"), "until: only a date can lie ahead; its type is text"),
        (("{type: datetime, ahead: true}", "{type: datetime, default: etta}"), "until: no order has 'etta'"),
        (("{type: datetime, ahead: true}", "{type: datetime, title: {en: Until}}"), "de"),
        (("notify: dropped,", "notify: [dropped, sorry],"), "nobody is there to fill in what it asks"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_words(edit: tuple[str, str], words: str) -> None:
    found = problems(edit)
    assert any(words in said for said in found), found


@pytest.mark.parametrize(
    ("more", "length", "words"),
    [
        (", holidays: XX", "2h", "no holidays are known for 'XX'"),
        (", days: []", "2h", "office: has no working time"),
        (", hours: '09:00-12:00', opens: '08:00'", "2h", "office: 'hours' stands in for opens; say one"),
        (", hours: {mon: '09:00-12:00'}, days: [mon]", "2h", "office: 'hours' by weekday says the days already"),
        (", hours: ['09:00-12:00', '11:00-13:00']", "2h", "office: spans overlap, or are empty"),
        (", hours: ['09:00-09:00']", "2h", "office: spans overlap, or are empty"),
        ("", "2 working days", "taken: its calendars' days differ in length; write working hours"),
        (", holidays: XX", "2 working days", "no holidays are known for 'XX'"),
    ],
)
def test_mistakes_of_calendars(more: str, length: str, words: str) -> None:
    calendar = "{by: attributes.size, is: {big: short}, else: office}"
    used = clock(f"{{kind: dwell, in: asked, within: {length}, calendar: {calendar}, escalate: {{reason: slow}}}}")
    found = problems(used, ("notices:\n", CALENDARS.format(more=more) + "notices:\n"))
    assert any(words in said for said in found), found


def test_a_calendar_that_the_orders_value_chooses_is_taken() -> None:
    calendar = "{by: attributes.size, is: {Big: short}, else: office}"
    used = clock(
        f"{{kind: dwell, in: asked, within: 2 working hours, calendar: {calendar}, escalate: {{reason: slow}}}}"
    )
    spec = errand(used, ("notices:\n", CALENDARS.format(more="") + "notices:\n")).workflow.clocks["taken"]
    assert spec.calendar is not None
    assert spec.calendar_by is not None
    assert list(spec.calendar_by.calendars) == ["big"]
    assert spec.within.total_seconds() == 7200


def test_a_dead_end_is_told() -> None:
    yaml = "workflow: w\ntitle: W\nlocales: [en]\nstages: {a: {title: {en: A}}}\nstatuses: {x: {stage: a}, y: {stage: a}}\n"
    with pytest.raises(packs.PackError, match="y: dead end: nothing may follow, and it is not final"):
        pack_of(yaml + "transitions: {path: [x, y]}\n")


def test_a_pack_stands_in_a_folder_of_its_name() -> None:
    folder = written(ERRAND)
    (folder / "errand").rename(folder / "chore")
    assert next(p.message for p in packs.inspect(folder)[1]) == "is 'errand', but its folder is 'chore'"


@pytest.mark.parametrize(
    ("yaml", "line", "words"),
    [
        ("workflow: errand\nworkflow: errand\n", 2, "'workflow' is said twice"),
        ("workflow: errand\n  x: [\n", 2, "not YAML"),
        ("workflow: errand\na: &a [*a]\n", 2, "an alias (`*`) stands inside of what it names"),
        ("workflow: errand\n" + "a: " + "[" * 600 + "]" * 600 + "\n", 1, "nested too deeply"),
        ("workflow: errand\nbase: &b {x: 1}\nmore: {<<: *b, y: 2}\n", 1, "title: Field required"),
        ("workflow: errand\na: &a [" + "1, " * 300 + "]\nb: [" + "*a, " * 300 + "]\n", 3, "stand for more than 50,000 values"),
        ("", 1, "the document: Input should be a valid dictionary"),
    ],
)  # fmt: skip
def test_what_is_no_usable_yaml_is_told_with_its_line(yaml: str, line: int, words: str, tmp_path: Path) -> None:
    (tmp_path / "errand").mkdir()
    (tmp_path / "errand" / "workflow.yaml").write_text(yaml)
    found = packs.inspect(tmp_path)[1]
    assert any(words in p.message for p in found), found
    assert line in {p.line for p in found}
