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


def demo(text: str) -> tuple[str, str]:
    """A demo, which the pack has not."""
    return "teams:\n", f"demo: {{{text}}}\nteams:\n"


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
        (clock("late"), "clocks.taken: keys and their values are expected here, such as {key: value}"),
        (demo("people: {payer: [{name: Ada}, {name: 1}]}"), "payer: is not a valid person: Expected `str | null`, got `int` - at `$.name`"),
        (demo("scenarios: [{steps: [{status: asked, attributes: {weight: heavy}}]}]"), "attributes.weight: a number, or one as a text such as 12.50 is expected"),
        (("teams:", "calls: {dsk: {remind_every: 5m}}\nteams:"), "unknown team 'dsk'; did you mean 'desk'?"),
        (("{channels: [sms], quiet: wait}", "{channels: [sms], in: asked}"), "soon: 'in' is for notices that agents send; give it 'manual'"),
        (("{type: datetime, ahead: true}", "{type: text, ahead: true}"), "until: only a date can lie ahead; its type is text"),
        (("{type: datetime, ahead: true}", "{type: datetime, default: etta}"), "until: no order has 'etta'"),
        (("{type: datetime, ahead: true}", "{type: datetime, title: {en: Until}}"), "de"),
        (("notify: dropped,", "notify: [dropped, sorry],"), "where nobody can fill in what it asks"),
        (("unless: {path: attributes.no_hurry}}", "late_by: 5m}"), "late: a deadline clock takes no 'late_by'; it would be ignored"),
        (("until: delivered,", "until: delivered, paused_in: held,"), "arrived: a notify clock takes no 'paused_in'"),
        (("kind: reminder, date", "kind: reminder, reset_by_any_event: true, date"), "reminder: a reminder clock takes no 'reset_by_any_event'"),
        (clock("{kind: dwell, in: asked, within: 1h, date: eta, escalate: {reason: slow}}"), "taken: a dwell clock takes no 'date'"),
        (clock("{kind: dwell, in: asked, within: 1h, warn_at: 1h, escalate: {reason: slow}}"), "taken: 'warn_at' is counted from the start"),
        (clock("{kind: dwell, in: asked, within: 99999999999w, escalate: {reason: slow}}"), "'99999999999w' is longer than a hundred years"),
        (("{kind: deadline, date: eta,", "{kind: deadline, date: status,"), "status is not a date of an order; write eta, appointment.start"),
        (("{kind: deadline, date: eta,", "{kind: deadline, date: etta,"), "etta is not a date of an order"),
        (("locales: [en, de]", "locales: [en, de]\nexpected_end: [price]"), "price is not a date of an order"),
        (("needs: attributes.reason}", "needs: reason}"), "no order has 'reason'; write eta, price or attributes.x"),
        (("path: [attributes.visit, eta],", "path: [visit, eta],"), "no order has 'visit'"),
        (("path: [attributes.visit, eta],", "path: [payment.verifed],"), "no order has 'payment.verifed'"),
        (("path: attributes.weight, at_most", "path: wieght, at_most"), "no order has 'wieght'"),
        (("at_most: 20}", "at_most: 20, at_least: 1}"), "weight: one goal, 'at_least' or 'at_most'"),
        (("at_most: 20}", "at_most: 20, to: done}"), "weight: a average takes no 'to'; it would be ignored"),
        (("at_most: 20}", "at_most: twenty}"), "weight: 'twenty' is not a goal for a average; write 4.5"),
        (("kind: rate, title: Done, from: asked, to: done, at_least: 90%", "kind: time, title: Done, from: asked, to: done, at_most: 5 moons"), "share: '5 moons' is not a goal for a time; write 5d"),
        (("{after: 40m, to: head}", "{after: 5m, to: head}"), "desk: each level's 'after' counts from the opening"),
        (("remind_every: 15m", "remind_every: 0s"), "desk: would remind endlessly"),
        (('start: "22:00", end: "08:00"', 'start: "08:00", end: "08:00"'), "begin and end at 08:00, so that they would never end"),
        (("fallback: {sms: email}", "fallback: {sms: sms}"), "sms: falls back to itself"),
        (("audience_fallback: {payer: customer}", "audience_fallback: {payer: payer}"), "payer: falls back to itself"),
        (("{channels: [sms], quiet: wait}", "{channels: [sms], valid_for: 0s}"), "soon: 'valid_for' has no length"),
        (("{channels: [sms], quiet: wait}", "{channels: [sms], bundle: {within: 0s}}"), "soon: 'bundle' has no length"),
        (("teams:\n", "running_orders: {rename: {old: asked}}\nteams:\n"), "rename: moves no order without 'move: true'"),
        (demo("costumers: [Ada]"), "demo.costumers: unknown key"),
        (demo("scenarios: [{steps: [{status: asked, prize: true}]}]"), "prize: unknown key"),
        (demo("scenarios: [{steps: [{status: askd}]}]"), "unknown status 'askd'; did you mean 'asked'?"),
        (demo("scenarios: [{steps: [{issue: slowly}]}]"), "unknown reason 'slowly'; did you mean 'slow'?"),
        (demo("scenarios: [{steps: [{status: asked, after: soon}]}]"), "'soon' is not a duration"),
        (demo("people: {payer: {emial: a@example.com}}"), "unknown field of a person 'emial'; did you mean 'email'?"),
        (demo("customers: [Ada], locales: [en]"), "'customers' needs 'timezone', from which it is made up"),
        (demo("timezone: Europe/Nowhere"), "unknown time zone 'Europe/Nowhere'"),
        (demo("price: {from: 90, to: 40, currency: EUR}"), "the range is empty; write 'from' below 'to'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_words(edit: tuple[str, str], words: str) -> None:
    found = problems(edit)
    assert any(words in said for said in found), found


def section(text: str) -> tuple[str, str]:
    """A part of the pack that it has not."""
    return "teams:\n", f"{text}\nteams:\n"


def guests(column: str, more: str = "") -> tuple[str, str]:
    """A list with one column."""
    return section(
        f"lists: {{guests: {{title: {{en: Guests, de: Gäste}}, roles: [agent], columns: {{{column}}}{more}}}}}"
    )


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (guests("x: {type: choice}"), "x: a choice needs 'choices', or no row could be taken"),
        (guests("x: {type: text, choices: [a]}"), "x: 'choices' is for the type choice; its type is text"),
        (guests("x: {type: choice, choices: [Low, low]}"), "x: two of its choices differ only in upper and lower case"),
        (guests("x: {type: boolean, unique: true}"), "x: 'unique' on a boolean column allows two rows at most"),
        (guests("x: {type: text, title: {en: X}}"), "x: the column has no title in 'de'"),
        (guests("x: {type: text}", ", greet: {notify: soon, when: x}"), "guests: 'x' must be a boolean column"),
        (guests("x: {type: boolean}", ", greet: {notify: soon, when: x}"), "guests: 'greet' needs a column of the type phone or email"),
        (section("parties: {agent: {sees: []}}"), "'agent' is a role of your own people, not an audience"),
        (section("parties: {payer: {sees: [attributes.wait]}}"), "payer: no attribute is declared as 'attributes.wait'"),
        (section("parties: {payer: {sees: [neighbour.name]}}"), "payer: 'neighbour.name' cannot be shown; known are price, payment"),
        (section("acts: {note: {roles: [porter]}}"), "note: nobody has the role 'porter'"),
        (section("acts: {note: {roles: [agent], prefix: X}}"), "note: takes no 'prefix'; it would be ignored"),
        (section("acts: {set_dates: {roles: [agent]}}"), "set_dates: sets nothing; list what it may set under 'sets'"),
        (("weight: number,", "weight: {type: number, choices: {a: {en: A, de: A}}},"), "weight: 'choices' are for texts; this is declared as number"),
    ],
)  # fmt: skip
def test_a_mistake_in_lists_parties_and_acts_is_told_in_words(edit: tuple[str, str], words: str) -> None:
    found = problems(edit)
    assert any(words in said for said in found), found


@pytest.mark.parametrize(
    ("more", "length", "words"),
    [
        (", holidays: XX", "2h", "no holidays are known for 'XX'"),
        (", days: []", "2h", "office: has no working time"),
        (", hours: '09:00-12:00', opens: '08:00'", "2h", "office: 'hours' replaces opens; keep one of them"),
        (", hours: {mon: '09:00-12:00'}, days: [mon]", "2h", "office: 'hours' by weekday already sets the days"),
        (", hours: ['09:00-12:00', '11:00-13:00']", "2h", "office: spans overlap, or are empty"),
        (", hours: ['09:00-09:00']", "2h", "office: spans overlap, or are empty"),
        (", region: BY", "2h", "office: 'region' needs 'holidays', which names its country"),
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
        ("workflow: errand\nworkflow: errand\n", 2, "'workflow' appears twice"),
        ("workflow: errand\n  x: [\n", 2, "not YAML"),
        ("workflow: errand\na: &a [*a]\n", 2, "an alias (`*`) refers to a value that contains it"),
        ("workflow: errand\n" + "a: " + "[" * 600 + "]" * 600 + "\n", 1, "nested too deeply"),
        ("workflow: errand\nbase: &b {x: 1}\nmore: {<<: *b, y: 2}\n", 1, "title: Field required"),
        ("workflow: errand\na: &a [" + "1, " * 300 + "]\nb: [" + "*a, " * 300 + "]\n", 3, "expand to more than 50,000 values"),
        ("", 1, "the document: keys and their values are expected here"),
    ],
)  # fmt: skip
def test_what_is_no_usable_yaml_is_told_with_its_line(yaml: str, line: int, words: str, tmp_path: Path) -> None:
    (tmp_path / "errand").mkdir()
    (tmp_path / "errand" / "workflow.yaml").write_text(yaml)
    found = packs.inspect(tmp_path)[1]
    assert any(words in p.message for p in found), found
    assert line in {p.line for p in found}


def test_a_pack_whose_file_is_called_otherwise_is_told() -> None:
    folder = written(ERRAND)
    (folder / "chores").mkdir()
    (folder / "chores" / "workflow.yml").write_text(ERRAND)
    (told,) = [p for p in packs.inspect(folder)[1] if "chores" in str(p.file)]
    assert told.message == "is no pack by this name; call it workflow.yaml"


def test_what_has_no_effect_as_the_pack_stands_is_remarked() -> None:
    edits = {
        "notify: done}": "}", "forward: optional": "forward: any", "needs: attributes.reason": "needs: attributes.reasom",
        "notices:\n": CALENDARS.format(more="") + "notices:\n",
        "  late: {channels: [push]}": "  late: {channels: [push], whatsapp_content: {en: {sid: HX00000000000000000000000000000000}}}",
    }  # fmt: skip
    yaml = ERRAND
    for old, new in edits.items():
        assert yaml.count(old) == 1, old
        yaml = yaml.replace(old, new)
    folder = written(yaml)
    said = {remark.message for remark in packs.idle(folder)}
    assert said == {
        "done: nothing tells it; name it at a status, or drop it",
        "office: nothing counts by it; name it as a clock's 'calendar'",
        "short: nothing counts by it; name it as a clock's 'calendar'",
        "late: 'whatsapp_content' is for whatsapp, by which this is not sent",
        "'optional' counts with 'forward: optional' alone; it is 'any'",
        "attributes.reasom is not declared; did you mean attributes.reason?",
    }
    assert {str(remark) for remark in packs.idle(folder / "errand")} == {str(remark) for remark in packs.idle(folder)}
    assert not list(packs.idle(written(ERRAND)))
