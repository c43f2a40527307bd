"""Escalations: one for an order, team and reason; joined, called again, acknowledged, snoozed, settled, published."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from service.domain.causes import EscalationAct
from service.domain.errors import Rejection
from service.domain.order import Escalation
from service.events_out import is_published, of_escalation
from tests.support.events import NOON
from tests.support.life import Life, after, begun, happened
from tests.support.packs import errand


def raised(reason: str = "slow") -> Life:
    """An errand about which an agent has called a team."""
    life = begun(errand())
    life.report(reason, detail="it rains")
    return life


def the_one(life: Life) -> Escalation:
    (change,) = life.escalations.values()
    return change.escalation


def handle(life: Life, act: EscalationAct, **more: Any) -> None:
    life.handle(the_one(life).id, act, **more)


def steps(life: Life) -> list[str]:
    return [kind for kind in life.kinds() if kind.startswith("escalation_")]


def test_an_agent_and_a_publisher_open_the_same_escalation_once() -> None:
    life = raised()
    life.take(happened(issue={"reason": "slow", "detail": "and it snows"}))
    found = the_one(life)
    assert (found.team, found.severity, found.causes, found.detail) == ("desk", "low", 2, "and it snows")
    assert (found.next_level, found.next_reminder) == (after(10), after(15))
    opened, joined = (e.detail for e in life.entries if e.kind.startswith("escalation_"))
    assert (opened["by"], joined["by"]) == ("Kim", "a publisher")


def test_a_team_without_levels_and_reminders_is_called_once() -> None:
    life = raised("untold")
    life.travel_to(after(59))
    found = the_one(life)
    assert (found.next_level, found.next_reminder, found.level) == (None, None, 0)
    assert steps(life) == ["escalation_opened"]


def test_unknown_reasons_are_refused_with_the_nearest() -> None:
    life = begun(errand())
    assert (
        life.refusal(happened(issue={"reason": "slwo"}))
        == "data.issue.reason: unknown reason 'slwo'; did you mean 'slow'?"
    )
    with pytest.raises(Rejection, match="reason: unknown reason 'x'; known: silent, slow, untold"):
        life.report("x")


def test_levels_and_reminders_come_until_somebody_has_it() -> None:
    life = raised()
    life.travel_to(after(42))
    assert [(e.kind, e.at) for e in life.entries if e.kind in ("escalation_raised", "escalation_reminded")] == [
        ("escalation_raised", after(10)),
        ("escalation_reminded", after(15)),
        ("escalation_reminded", after(30)),
        ("escalation_raised", after(40)),
    ]
    assert the_one(life).level == 2
    handle(life, "acknowledge")
    life.travel_to(after(55))
    assert steps(life)[-1] == "escalation_acknowledged"
    assert (the_one(life).state, the_one(life).by) == ("acknowledged", "Lee")


def test_a_snooze_is_over_in_time_and_must_be_ahead() -> None:
    life = raised()
    with pytest.raises(Rejection, match="until: a time is needed to snooze"):
        handle(life, "snooze")
    with pytest.raises(Rejection, match="is not in the future"):
        handle(life, "snooze", until=life.now)
    handle(life, "snooze", until=after(35))
    life.travel_to(after(34))
    assert steps(life) == ["escalation_opened", "escalation_snoozed"]
    life.travel_to(after(36))
    last = life.entries[-1]
    assert (last.kind, last.at, last.detail["why"]) == ("escalation_raised", after(35), "its snooze is over")
    assert (the_one(life).state, the_one(life).level) == ("open", 1)


def test_a_person_settles_it_and_it_cannot_be_handled_again() -> None:
    for comment, why in (("called them", "called them"), ("", "resolved by a person")):
        life = raised()
        handle(life, "comment", comment="looking")
        handle(life, "resolve", comment=comment)
        assert the_one(life).detail == why
        assert steps(life) == ["escalation_opened", "escalation_comment", "escalation_resolved"]
        with pytest.raises(Rejection, match="the escalation is not open any more"):
            handle(life, "acknowledge")


def test_what_a_clock_raised_is_settled_with_it_and_what_others_raised_stays() -> None:
    life = begun(errand())
    life.travel_to(after(61))
    assert the_one(life).due == after(60)
    life.report("slow")
    life.take(happened("going", 61))
    assert (the_one(life).state, the_one(life).causes, the_one(life).clocks) == ("open", 1, ())
    alone = begun(errand())
    alone.travel_to(after(61))
    alone.take(happened("going", 61))
    assert (the_one(alone).state, the_one(alone).causes) == ("resolved", 0)


def test_the_highest_severity_of_all_causes_counts() -> None:
    life = begun(errand())
    life.take(happened("going"))
    life.report("slow")
    life.travel_to(after(61))
    assert (the_one(life).severity, the_one(life).causes) == ("critical", 2)
    life.report("slow")
    assert the_one(life).severity == "critical"


def test_the_outside_hears_of_five_kinds_of_steps_in_four_words() -> None:
    life = begun(errand())
    life.travel_to(after(76))
    handle(life, "snooze", until=after(77))
    life.travel_to(after(78))
    life.report("slow")
    handle(life, "acknowledge")
    assert life.order is not None
    found = []
    for change in life.escalations.values():
        said = of_escalation(life.order, change)
        assert said.id == f"{change.escalation.id}.{change.escalation.changes}"
        found.append(said.type)
        data = said.data
        assert (data.team, data.reason, data.order_id) == ("desk", "slow", "E-1")
        assert (data.due, data.breached) == (after(60), after(60))
    assert found == ["escalation.acknowledged"]


@pytest.mark.parametrize(
    ("kind", "published"),
    [("opened", "opened"), ("raised", "reminded"), ("reminded", "reminded"), ("acknowledged", "acknowledged"),
     ("resolved", "resolved"), ("reopened", "opened"), ("joined", None), ("snoozed", None), ("assigned", None),
     ("commented", None)],
)  # fmt: skip
def test_each_step_has_its_word_outside_or_none(kind: Any, published: str | None) -> None:
    from msgspec.structs import replace

    life = raised()
    (change,) = life.escalations.values()
    assert life.order is not None
    said = of_escalation(life.order, replace(change, kind=kind))
    assert is_published(kind) == (published is not None)
    assert said.type == f"escalation.{published or kind}"
    assert b'"due"' not in msgspec.json.encode(said)


def test_calls_missed_in_an_outage_come_once_at_the_level_of_now() -> None:
    life = raised()
    life.now = NOON + timedelta(hours=3)
    life.settle()
    (call,) = [e for e in life.entries if e.kind in ("escalation_raised", "escalation_reminded")]
    assert (call.detail["level"], call.at) == (2, life.now)
    assert call.detail["why"] == "once, for all that came due while nobody looked"
    assert the_one(life).next_reminder == life.now + timedelta(minutes=15)


def test_whoever_acknowledges_has_it_and_nobody_else_takes_it_unawares() -> None:
    life = raised()
    handle(life, "acknowledge", by="Kim")
    assert (the_one(life).owner, the_one(life).owned_since) == ("Kim", NOON)
    before = steps(life)
    handle(life, "acknowledge", by="Kim")
    assert steps(life) == before, "a second click says nothing new"
    acts: tuple[EscalationAct, ...] = ("acknowledge", "assign")
    for act in acts:
        with pytest.raises(Rejection, match=r"Kim has it since 2\d{3}-\d\d-\d\d \d\d:\d\d UTC; take it over"):
            handle(life, act, by="Lee", to="Lee")
    handle(life, "assign", by="Lee", to="Lee", take_over=True)
    assert (the_one(life).owner, the_one(life).state) == ("Lee", "acknowledged")
    assert life.entries[-1].detail["was"] == "Kim"


def test_what_is_given_to_somebody_calls_until_they_take_it() -> None:
    life = raised()
    handle(life, "assign", by="Kim", to="Lee")
    found = the_one(life)
    assert (found.state, found.owner, found.next_reminder) == ("open", "Lee", after(15))
    with pytest.raises(Rejection, match="Lee has it"):
        handle(life, "acknowledge", by="Kim")
    handle(life, "acknowledge", by="Lee")
    assert (the_one(life).state, the_one(life).next_reminder) == ("acknowledged", None)
    handle(life, "assign", by="Lee", to="Kim")
    assert (the_one(life).state, the_one(life).owner) == ("acknowledged", "Kim"), "handed over, still in hand"


def test_what_is_put_back_is_called_as_if_opened_now() -> None:
    life = raised()
    life.travel_to(after(30))
    handle(life, "acknowledge", by="Kim")
    life.travel_to(after(90))
    handle(life, "assign", by="Kim", to="")
    found = the_one(life)
    assert (found.state, found.owner, found.level) == ("open", "", 0)
    assert (found.next_level, found.next_reminder) == (after(100), after(105))
    life.travel_to(after(101))
    assert the_one(life).level == 1, "the first level, although it was opened long ago"


def test_what_was_settled_is_opened_again_by_its_own_name() -> None:
    life = raised()
    handle(life, "acknowledge", by="Kim")
    handle(life, "resolve", by="Kim")
    settled = the_one(life)
    life.travel_to(after(3))
    handle(life, "reopen", by="Kim", settled=settled)
    found = the_one(life)
    assert (found.id, found.state, found.owner, found.level) == (settled.id, "open", "", 0)
    assert found.changes == settled.changes + 1
    assert found.next_reminder == after(18)
    with pytest.raises(Rejection, match="open already"):
        handle(life, "reopen", by="Kim", settled=settled)


def test_what_was_settled_stays_so_while_the_same_reason_is_open_anew() -> None:
    life = raised()
    settled = the_one(life)
    handle(life, "resolve")
    life.report("slow")
    with pytest.raises(Rejection, match="another escalation of this order"):
        life.handle(settled.id, "reopen", settled=settled)


def test_words_that_go_with_an_act_are_kept_as_a_comment() -> None:
    life = raised()
    handle(life, "assign", by="Kim", to="Lee", comment="refund is under way")
    found = the_one(life)
    assert (found.owner, found.comment, found.commented_by) == ("Lee", "refund is under way", "Kim")


def test_a_comment_stands_with_who_and_when() -> None:
    life = raised()
    handle(life, "comment", by="Kim", comment="the vendor calls back at four")
    found = the_one(life)
    assert (found.comment, found.commented_by, found.commented_at) == ("the vendor calls back at four", "Kim", NOON)
    assert (found.state, found.owner) == ("open", "")
