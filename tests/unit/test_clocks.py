"""Clocks of every kind: started, moved, lengthened, paused, reset, broken and kept; what each does when it is due."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from service.domain.notices import Message
from service.domain.order import Clock
from tests.support.life import Life, after, begun, happened
from tests.support.packs import errand


def running(life: Life, name: str) -> Clock:
    assert life.order is not None
    return life.order.clocks[name]


def lines(life: Life, kind: str, **detail: Any) -> list[Any]:
    return [e for e in life.entries if e.kind == kind and detail.items() <= e.detail.items()]


def settled(life: Life, notice: str, state: Any) -> Message:
    n = next(m for m in life.messages.values() if m.notice == notice)
    life.answered(n, replace(n, state=state))
    return n


def test_a_dwell_runs_while_the_order_is_in_its_statuses() -> None:
    life = begun(errand())
    assert (running(life, "taken").started, running(life, "taken").due) == (after(0), after(60))
    life.take(happened("quoted", 1))
    assert running(life, "taken").due == after(60), "still the same stay"
    life.take(happened("going", 2))
    assert life.clock_states()["taken"] == "met"


def test_a_dwell_breaks_once_and_raises_its_reason() -> None:
    life = begun(errand())
    life.travel_to(after(90))
    (line,) = lines(life, "clock_breached", clock="taken")
    assert line.at == after(60)
    assert line.detail["noticed_late_s"] == 0
    assert life.clock_states()["taken"] == "breached"


def test_waiting_pauses_and_what_is_left_goes_on() -> None:
    life = begun(errand())
    life.take(happened("going"))
    life.travel_to(after(20))
    life.take(happened("held", 20, attributes={"reason": "rain"}))
    paused = running(life, "worked")
    assert (paused.state, paused.left_s) == ("paused", 40 * 60)
    life.travel_to(after(100))
    life.take(happened("going", 100))
    assert (running(life, "worked").due, running(life, "worked").warn) == (after(140), after(110))
    assert [e.kind for e in life.entries if e.detail.get("clock") == "worked"] == ["clock_paused", "clock_resumed"]


def test_a_pause_after_the_warning_warns_no_second_time() -> None:
    life = begun(errand())
    life.take(happened("going"))
    life.travel_to(after(35))
    life.take(happened("held", 35, attributes={"reason": "rain"}))
    life.travel_to(after(40))
    life.take(happened("going", 40))
    life.travel_to(after(64))
    assert len(lines(life, "clock_warned", clock="worked")) == 1


def test_a_warning_tells_and_one_noticed_after_the_breach_does_not() -> None:
    life = begun(errand())
    life.take(happened("going"))
    life.travel_to(after(31))
    assert "nearly" in life.told
    late = begun(errand())
    late.take(happened("going"))
    late.now = after(70)
    late.settle()
    assert "nearly" not in late.told
    assert len(lines(late, "clock_warned", clock="worked")) == 1


def test_an_order_that_turns_out_to_be_of_another_kind_has_another_promise() -> None:
    life = begun(errand())
    life.take(happened("going"))
    life.take(happened(at=1, attributes={"size": "Big"}))
    assert running(life, "worked").due == after(180)
    assert len(lines(life, "clock_moved", clock="worked")) == 1
    life.take(happened(at=2, attributes={"weight": 3}))
    assert len(lines(life, "clock_moved", clock="worked")) == 1


def test_any_event_starts_a_silence_anew() -> None:
    life = begun(errand())
    assert running(life, "quiet").due == after(hours=6)
    life.travel_to(after(hours=1))
    life.take(happened(at=60, note={"text": "still there", "public": False}))
    assert running(life, "quiet").due == after(hours=7)


def test_a_deadline_follows_its_date_and_the_usual_time_stands_in_without_one() -> None:
    life = begun(errand())
    life.take(happened("going"))
    assert running(life, "late").due == after(40)
    life.take(happened(at=1, eta=after(100).isoformat()))
    assert running(life, "late").due == after(110)
    assert [c.why for c in life.clocks.values() if c.spec == "late"] == ["the date was moved", ""]
    life.take(happened(at=2, attributes={"no_hurry": True}))
    assert life.clock_states()["late"] == "met"
    assert "late" not in life.order.clocks  # type: ignore[union-attr]


def test_a_deadline_warns_and_tells_when_it_breaks() -> None:
    life = begun(errand())
    life.take(happened("going"))
    life.travel_to(after(41))
    assert [e.at for e in lines(life, "clock_warned", clock="late")] == [after(20)]
    assert life.told[-1] == "late"


def test_a_reminder_comes_before_its_date_moves_with_it_and_is_no_promise() -> None:
    life = begun(errand(), attributes={"visit": after(hours=4).isoformat(), "wants_word": "yes"})
    assert running(life, "reminder").due == after(hours=2)
    life.take(happened(at=1, attributes={"visit": after(hours=5).isoformat()}))
    assert [c.state for c in life.clocks.values() if c.spec == "reminder"] == ["cancelled", "running"]
    life.travel_to(after(hours=3))
    assert life.told[-1] == "soon"
    assert life.clock_states()["reminder"] == "met"
    assert not lines(life, "clock_breached", clock="reminder")


def test_a_reminder_counts_back_in_working_time() -> None:
    # It begins on Monday at 6:30. Before the visit at 10:30 on Wednesday lie an hour and a half of that day, and eight
    # hours of Tuesday.
    week = "calendars: {office: {timezone: UTC, opens: '09:00', closes: '17:00'}}\nnotices:\n"
    clock = ("within: 2h, notify: soon", "within: 12 working hours, calendar: office, notify: soon")
    visit = after(hours=52).isoformat()
    life = begun(errand(clock, ("notices:\n", week)), attributes={"visit": visit, "wants_word": "yes"})
    assert running(life, "reminder").due == after(hours=8)


@pytest.mark.parametrize(
    ("asks", "runs"),
    [("when: {path: attributes.guarded}", False), ("unless: {path: attributes.weight}", False), ("in: quoted", False),
     ("when: {path: attributes.weight}, in: asked", True)],
)  # fmt: skip
def test_a_promise_to_tell_is_made_of_the_orders_that_it_is_for(asks: str, runs: bool) -> None:
    life = begun(
        errand(("notice: asked, within: 5m,", f"notice: asked, within: 5m, {asks},")), attributes={"weight": 2}
    )
    assert any(c.spec == "answered" for c in life.clocks.values()) is runs


def test_a_reminder_whose_moment_is_past_is_skipped_once() -> None:
    life = begun(errand(), attributes={"visit": after(hours=1).isoformat(), "wants_word": "yes"})
    life.take(happened(at=1, note={"text": "x", "public": False}))
    assert len(lines(life, "reminder_skipped", clock="reminder")) == 1
    assert running(life, "reminder").state == "cancelled"


def test_what_plans_is_skipped_when_it_is_noticed_too_late() -> None:
    life = begun(errand(), attributes={"visit": after(hours=4).isoformat(), "wants_word": "yes"})
    life.now = after(hours=3)
    life.settle()
    assert len(lines(life, "reminder_skipped", why="noticed too late")) == 1
    assert "soon" not in life.told


def test_a_follow_up_comes_some_time_after_unless_there_is_no_need() -> None:
    for said, told in ((None, True), ({"rating": 5}, False)):
        life = begun(errand())
        life.take(happened("going"))
        life.take(happened("done"))
        if said:
            life.take(happened(at=5, attributes=said))
        life.travel_to(after(hours=25))
        assert ("rate" in life.told) == told
        assert life.clock_states()["rating"] == ("met" if told else "cancelled")


def test_the_promise_to_tell_is_kept_by_sending_or_by_arriving() -> None:
    life = begun(errand())
    assert life.clock_states()["answered"] == "met"
    life.take(happened(eta=after(100).isoformat()))
    assert life.clock_states()["arrived"] == "running"
    settled(life, "moved", "delivered")
    assert life.clock_states()["arrived"] == "met"


def test_a_promise_that_nobody_is_left_to_hear_is_void() -> None:
    life = begun(errand())
    life.take(happened(eta=after(100).isoformat()))
    life.travel_to(after(11))
    assert life.clock_states()["arrived"] == "breached"
    n = next(m for m in life.messages.values() if m.notice == "moved")
    gone = replace(n, state="suppressed", error="the recipient opted out")
    life.message(gone, gone)
    assert life.clock_states()["arrived"] == "breached"
    (change,) = [c for c in life.escalations.values() if c.escalation.reason == "untold"]
    assert change.escalation.state == "open", "auto_resolve: false leaves it to people"


def test_a_clock_that_the_pack_no_longer_has_is_dropped_when_it_is_due() -> None:
    life = begun(errand())
    life.pack = errand(("  taken: {kind: dwell, in: [asked, quoted], within: 1h, escalate: {reason: slow}}\n", ""))
    life.pack = replace(life.pack, workflow=replace(life.pack.workflow, version=life.order.version))  # type: ignore[union-attr]
    life.travel_to(after(61))
    assert life.clock_states()["taken"] == "cancelled"
    assert life.clocks[min(c.id for c in life.clocks.values() if c.spec == "taken")].why == "no longer in the pack"


def test_nothing_is_due_of_an_order_that_has_ended() -> None:
    life = begun(errand())
    life.take(happened("dropped"))
    assert life.order is not None
    assert life.due is None
    before = life.order
    assert life.look().changes_nothing
    assert life.order == replace(before, updated=life.order.updated)


@pytest.mark.parametrize("minutes", [0, 59, 60, 61, 600])
def test_a_clock_is_due_when_its_order_says_so(minutes: int) -> None:
    life = begun(errand())
    life.travel_to(after(minutes))
    assert life.order is not None
    wake = life.due
    assert wake is None or wake > life.now
    assert (life.clock_states()["taken"] == "breached") == (minutes >= 60)


def test_a_breach_that_was_noticed_late_says_how_late() -> None:
    life = begun(errand())
    life.now = after(60) + timedelta(seconds=7)
    life.settle()
    (line,) = lines(life, "clock_breached", clock="taken")
    assert (line.at, line.detail["noticed_late_s"]) == (after(60), 7)
