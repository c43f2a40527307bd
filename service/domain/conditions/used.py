"""The conditions of a whole pack, wherever it uses them."""

from collections.abc import Iterator

from service.domain.conditions.tree import Condition
from service.domain.notice_rules import Notice
from service.domain.promises import ClockSpec
from service.domain.workflow import Workflow


def conditions_of(workflow: Workflow) -> Iterator[Condition]:
    """Every condition of the pack."""
    for notice in workflow.notices.values():
        yield from _of_notice(notice)
    for status in workflow.statuses.values():
        yield from status.when.values()
    for clock in workflow.clocks.values():
        yield from _of_clock(clock)
    yield from (r.when for r in workflow.replies.values() if r.when)
    for reason in workflow.reasons.values():
        yield from (c for c in (reason.when, *(v.when for v in reason.variants)) if c)


def _of_notice(notice: Notice) -> Iterator[Condition]:
    yield from ([notice.when] if notice.when else [])
    yield from notice.audience_when.values()
    yield from notice.channel_when.values()
    yield from (rung.when for rung in notice.rungs if rung.when)


def _of_clock(clock: ClockSpec) -> Iterator[Condition]:
    escalate = clock.escalate.when if clock.escalate else None
    published = [p.when for p in (clock.publish, clock.publish_at_warning) if p]
    conditions = (
        *published,
        clock.when,
        clock.unless,
        clock.notify_when,
        clock.warn_when,
        escalate,
        *(v.when for v in clock.variants),
    )
    yield from (condition for condition in conditions if condition)
