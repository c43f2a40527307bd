"""What an order's data says of its clocks: how long, in which zone; and a status that is entered again."""

from datetime import timedelta
from typing import Any

import pytest

from service.domain.clocks.timing import within
from service.domain.durations import duration
from service.workflows.durations import length_in_words
from service.workflows.packs import PackError
from tests.support.life import Life, after, begun, happened
from tests.support.packs import errand

TAKEN = "taken: {kind: dwell, in: [asked, quoted], within: 1h, escalate: {reason: slow}}"
DECLARED = "attributes: {visit: datetime, weight: number, reason: text}"
MORE = "attributes: {visit: datetime, weight: number, reason: text, days: number, length: text, zone: text}"
CLOCKS = "clocks:\n  answered:"
OFFICE = 'calendars:\n  office: {timezone: {from: attributes.zone, else: UTC}, opens: "09:00", closes: "17:00"}\n'
BY_ZONE = "calendar: {by: attributes.zone, is: {a: seldom}, else: office}"
SELDOM = '  seldom: {timezone: UTC, hours: {mon: ["10:00-11:00"]}}\n'


def promised(within: str, **attributes: Any) -> Life:
    """An errand whose clock `taken` is so long, begun at 6:30 on a Monday in UTC."""
    rule = f"taken: {{kind: dwell, in: [asked, quoted], within: {within}, escalate: {{reason: slow}}}}"
    pack = errand((TAKEN, rule), (DECLARED, MORE), (CLOCKS, OFFICE + SELDOM + CLOCKS))
    return begun(pack, attributes=attributes)


def hours(life: Life) -> float | None:
    """After how many hours it is over; None where there is no such clock."""
    clock = life.order.clocks.get("taken") if life.order else None
    return (clock.due - after()) / timedelta(hours=1) if clock else None


@pytest.mark.parametrize(
    ("rule", "attributes", "expected"),
    [
        ("{from: attributes.days}", {"days": 2}, 48),
        ("{from: attributes.days}", {"days": "0.5"}, 12),
        ("{from: attributes.days, unit: hours}", {"days": 2}, 2),
        ("{from: attributes.days}", {}, None),
        ("{from: attributes.days, else: 3h}", {}, 3),
        ("{from: attributes.days, else: 3h}", {"days": -1}, 3),
        ("{from: attributes.days, else: 3h}", {"days": 1e300}, 3),
        ("{from: attributes.days, else: 3h}", {"days": 4000}, 3),
        ("{from: attributes.days, else: 3h}", {"days": 0}, 0),
        ("{from: attributes.length, unit: days}", {"length": "36h"}, 36),
        ("{from: attributes.length, unit: days}", {"length": "2"}, 48),
        ("{from: attributes.length, else: 1d}", {"length": "soon"}, 24),
        ("{from: attributes.days, unit: working hours}, calendar: office", {"days": 2}, 4.5),
        ("{from: attributes.days, unit: working days}, calendar: office", {"days": 1}, 10.5),
        ("{from: attributes.days, unit: working days, else: 2 working hours}, calendar: office", {"days": 99999}, 4.5),
        ("{from: attributes.days, unit: working days, else: 1h}, calendar: seldom", {"days": 900}, 4.5),
        (
            "{from: attributes.days, unit: hours, else: 1h}, calendar: {by: attributes.zone, is: {no where: seldom}, else: office}",
            {"days": 600, "zone": " No  Where"},
            4.5,
        ),
        # A working day is as long as it is in the calendar that the order chose.
        (f"{{from: attributes.days, unit: working days}}, {BY_ZONE}", {"days": 1, "zone": "a"}, 4.5),
        (f"{{from: attributes.days, unit: working days}}, {BY_ZONE}", {"days": 1}, 10.5),
        (f"{{from: attributes.days, unit: hours, else: 2 working days}}, {BY_ZONE}", {"zone": "a"}, 172.5),
    ],
)
def test_a_clock_is_as_long_as_the_order_says(rule: str, attributes: dict[str, Any], expected: float | None) -> None:
    assert hours(promised(rule, **attributes)) == expected


def test_a_new_length_moves_the_end_and_the_first_one_starts_the_clock() -> None:
    life = promised("{from: attributes.days}")
    life.take(happened(attributes={"days": 1}))
    assert hours(life) == 24
    life.take(happened(attributes={"days": 2}))
    assert hours(life) == 48
    life.take(happened(attributes={"days": None}))
    assert hours(life) is None


def test_a_follow_up_is_told_after_as_long_as_the_order_says() -> None:
    rule = "rating: {notify: rate, after: {from: attributes.days, else: 2h}, in: asked}"
    pack = errand(
        ("rating: {notify: rate, after: 24h, in: done, unless: {path: attributes.rating}}", rule), (DECLARED, MORE)
    )
    life = begun(pack, attributes={"days": 1})
    assert life.order is not None
    assert life.order.clocks["rating"].due == after(hours=24)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [("Asia/Tokyo", 1.0), ("Europe/Athens", 1.5), ("Nowhere/Land", 3.5), ("", 3.5), (None, 3.5)],
)
def test_a_calendar_is_kept_in_the_order_s_own_zone(zone: str | None, expected: float) -> None:
    assert hours(promised("1 working hour, calendar: office", zone=zone)) == expected


def test_a_notice_s_promise_without_a_length_is_none() -> None:
    told = "answered: {kind: notify, notice: asked, within: 5m,"
    pack = errand((told, told.replace("5m", "{from: attributes.days}")), (DECLARED, MORE))
    assert "answered" not in begun(pack).clock_states()
    assert "answered" in begun(pack, attributes={"days": 1}).clock_states()


def test_explain_says_where_a_length_comes_from() -> None:
    pack = promised("{from: attributes.days, else: 3h}").pack
    assert length_in_words(pack.workflow.clocks["taken"]) == "as long as attributes.days says (else 3 hours)"
    assert length_in_words(pack.workflow.clocks["worked"]) == "1 hour"


def test_variants_go_before_the_length_of_the_data() -> None:
    rule = "{from: attributes.days, else: 3h}, variants: [{when: {path: attributes.weight, over: 5}, within: 9h}]"
    life = promised(rule, days=1, weight=6)
    assert life.order is not None
    assert within(life.pack.workflow.clocks["taken"], life.order) == timedelta(hours=9)
    assert hours(promised(rule, days=1, weight=2)) == 24


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("{from: attributes.weight}", "attributes.weight: a number without a unit; write 'unit'"),
        ("{from: attributes.visit}", "attributes.visit is declared as datetime; a length is a number"),
        ("{from: attributes.nothing}", "attributes.nothing is not declared; a length is a number"),
        ("{from: attributes.days, unit: working days}", "working time needs a 'calendar'"),
        ("{from: attributes.days, unit: years}", "Input should be 'minutes', 'hours'"),
        ("soon", "'soon' is not a duration"),
        ("30000h, calendar: office", "taken: longer than ten years of the calendar 'office'; a shorter one"),
        (
            "1h, variants: [{when: {path: attributes.weight, over: 5}, within: 900 working days}], calendar: seldom",
            "ten years of",
        ),
        ("{from: attributes.weight, unit: hours, else: 90000h}, calendar: office", "taken: longer than ten years of"),
        ("1h, warn_at: 40000h, calendar: office", "taken: longer than ten years of the calendar 'office'"),
    ],
)
def test_check_refuses_lengths_that_can_be_none(rule: str, why: str) -> None:
    with pytest.raises(PackError) as refused:
        promised(rule)
    assert any(why in p.message for p in refused.value.problems), refused.value


def test_check_refuses_a_zone_that_is_no_text() -> None:
    with pytest.raises(PackError, match=r"attributes\.weight is not a text, so that it cannot name a time zone"):
        errand((CLOCKS, OFFICE.replace("attributes.zone", "attributes.weight") + CLOCKS))


def test_durations_are_read_as_people_write_them() -> None:
    assert duration("1h 30m") == timedelta(hours=1.5)
    with pytest.raises(ValueError, match="is not a duration"):
        duration("")


HELD = "held: {stage: going, needs: attributes.reason}"
AGAIN = "held: {stage: going, notify: [late, {notice: nearly, when: {entered: 3}}], on_repeat: notify}"
WAITS = "  silent_held: {kind: dwell, in: held, within: 20m, escalate: {reason: slow}}\n  late: {kind"


def test_a_status_that_is_entered_again_is_told_and_counted_again_and_its_promise_begins_anew() -> None:
    life = begun(errand((HELD, AGAIN), ("  late: {kind", WAITS)))
    life.take(happened("going"))
    for minutes in (0, 10, 20):
        life.travel_to(after(minutes))
        life.take(happened("held", minutes))
    assert (life.told.count("late"), life.told.count("nearly")) == (3, 1)
    assert life.order is not None
    assert (life.order.visits, life.order.status_since) == (3, after(20))
    assert life.order.clocks["silent_held"].due == after(40)
    assert [c.state for c in life.clocks.values() if c.spec == "silent_held"] == ["met", "met", "running"]
    assert life.kinds().count("status_repeated") == 2
    assert not [e for e in life.escalations.values() if e.escalation.reason == "slow"]


def test_one_status_may_take_a_repeat_otherwise_than_the_pack() -> None:
    refusing = begun(errand((HELD, "held: {stage: going, on_repeat: reject}")))
    refusing.take(happened("going"))
    refusing.take(happened("held"))
    assert "a repeat is not taken" in refusing.refusal(happened("held"))
    updating = begun(
        errand((HELD, "held: {stage: going, on_repeat: update}"), ("  repeat: update\n", "  repeat: reject\n"))
    )
    updating.take(happened("going"))
    assert "a repeat is not taken" in updating.refusal(happened("going"))
    updating.take(happened("held"))
    assert updating.refusal(happened("held")) == ""
