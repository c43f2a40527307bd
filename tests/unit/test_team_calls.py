"""Nothing repeating is made up after an outage: one call at the level that is due now, the next from now."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.causes import ClockDue, EventReceived, HandleEscalation
from service.domain.clocks.running import wake_at
from service.domain.decide import decide
from service.domain.draft import Decision
from service.domain.event_decoding import decode
from service.domain.order import Order, order_uuid
from service.domain.workflow import Workflow
from tests.support.events import NOON, encoded, event
from tests.support.examples import examples
from tests.support.packs import pack_of

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
PACK = """
workflow: calling
title: Calls
locales: [en]
stages: {{one: {{title: {{en: One}}}}, end: {{title: {{en: End}}}}}}
statuses: {{waiting: {{stage: one}}, later: {{stage: one}}, over: {{stage: end, final: true}}}}
transitions: {{path: [waiting, later, over], forward: any, repeat: update}}
clocks:
  slow: {{kind: dwell, in: [waiting, later], within: 10m, escalate: {{reason: slow}}}}
  silence: {{kind: dwell, reset_by_any_event: true, within: 1h, escalate: {{reason: silent}}}}
teams: {{tech: {{title: Tech, levels: {levels}, remind_every: {every}}}}}
reasons:
  slow: {{team: tech, title: {{en: Slow}}}}
  silent: {{team: tech, title: {{en: Silent}}}}
"""


def _pack(levels: list[int], every: int) -> Workflow:
    said = ", ".join(f"{{after: {after}m, to: level {n}}}" for n, after in enumerate(levels, 1))
    return pack_of(PACK.format(levels=f"[{said}]", every=f"{every}m")).workflow


USUAL = _pack([10, 30], 30)


def _first(workflow: Workflow = USUAL) -> Order:
    body = encoded(event("C-1", "waiting", NOON, workflow="calling"))
    return decide(None, EventReceived(NOON, decode(body)), workflow, order_uuid(UUID(int=1 << 90))).order


def _due(order: Order, minutes: float, workflow: Workflow = USUAL) -> Decision:
    return decide(order, ClockDue(NOON + minutes * MINUTE), workflow, order.id)


def test_on_time_the_rhythm_is_kept() -> None:
    order, steps = _first(), []
    while (wake := wake_at(order)) is not None and wake <= NOON + 3 * timedelta(hours=1):
        decision = decide(order, ClockDue(wake + timedelta(milliseconds=40)), USUAL, order.id)
        order = decision.order
        steps += [
            (c.kind, c.at - NOON, c.escalation.level) for c in decision.escalations if c.escalation.reason == "slow"
        ]
    assert steps == [
        ("opened", 10 * MINUTE, 0),
        ("raised", 20 * MINUTE, 1),
        ("raised", 40 * MINUTE, 2),
        ("reminded", 70 * MINUTE, 2),
        ("reminded", 100 * MINUTE, 2),
        ("reminded", 130 * MINUTE, 2),
        ("reminded", 160 * MINUTE, 2),
    ]


def test_fourteen_days_of_silence_are_one_call_and_the_next_comes_from_now() -> None:
    order = _due(_first(), 15).order
    stopped = 14 * 24 * 60
    decision = _due(order, 15 + stopped)
    of_slow = [c for c in decision.escalations if c.escalation.reason == "slow"]
    assert [(c.kind, c.escalation.level) for c in of_slow] == [("raised", 2)]
    assert of_slow[0].escalation.next_reminder == NOON + (15 + stopped + 30) * MINUTE
    assert _due(decision.order, 15 + stopped + 1).changes_nothing


def test_the_end_of_a_snooze_is_one_call_at_the_level_that_is_due() -> None:
    order = _due(_first(), 15).order
    (slow,) = order.escalations.values()
    snoozed = decide(
        order,
        HandleEscalation(NOON + 16 * MINUTE, slow.id, "snooze", "Ana", until=NOON + 100 * MINUTE),
        USUAL,
        order.id,
    ).order
    steps = [c for c in _due(snoozed, 100).escalations if c.escalation.reason == "slow"]
    assert [(c.kind, c.escalation.level, c.escalation.state) for c in steps] == [("raised", 2, "open")]


def test_a_backlog_of_events_makes_no_calls_up() -> None:
    """Publishers went on while the service stood still: their events are applied one by one, days late."""
    order = _due(_first(), 15).order
    now = NOON + 14 * DAY
    kinds: Counter[str] = Counter()
    for hour in range(1, 14 * 24, 3):
        body = encoded(event("C-1", "waiting", NOON + hour * 60 * MINUTE, workflow="calling"))
        decision = decide(order, EventReceived(now, decode(body)), USUAL, order.id)
        order = decision.order
        kinds.update(c.kind for c in decision.escalations if c.escalation.reason == "slow")
    assert not kinds
    assert len([c for c in decide(order, ClockDue(now), USUAL, order.id).escalations if c.kind != "opened"]) <= 2


@given(
    levels=st.lists(st.integers(0, 3000), max_size=4).map(sorted),
    every=st.integers(1, 600),
    looks=st.lists(st.integers(1, 14 * 24 * 60), min_size=1, max_size=6),
)
@settings(max_examples=examples(150), deadline=None)
def test_a_look_after_any_time_is_at_most_one_call_for_each_escalation(
    levels: list[int], every: int, looks: list[int]
) -> None:
    workflow = _pack(levels, every)
    order, minutes = _first(workflow), 0
    for look in looks:
        minutes += look
        decision = _due(order, minutes, workflow)
        order = decision.order
        now = NOON + minutes * MINUTE
        calls = Counter((c.escalation.reason, c.kind == "opened") for c in decision.escalations)
        assert max(calls.values(), default=0) <= 1
        for e in order.escalations.values():
            assert e.next_reminder is not None
            assert now < e.next_reminder <= now + every * MINUTE
            assert e.level == len([a for a in sorted(levels[: e.level + 1]) if e.opened + a * MINUTE <= now]) or levels
        wake = wake_at(order)
        assert wake is None or wake > now, "nothing is left that is due"
