"""Decides a part together with its whole: a change of the part's state is a cause for the whole. Pure.

First the part, then the whole. Where the whole tells a notice in place of one of the part's, the part is decided once
more with that knowledge, so that nobody is told twice.
"""

from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from service.domain.causes import Cause, EventReceived, PartChanged
from service.domain.decide import decide
from service.domain.draft import Decision
from service.domain.order import Order
from service.domain.wholes import as_part, happened_at, told_by
from service.domain.workflow import Workflow


class OfWhole(Struct, frozen=True):
    """The decision about the whole, and its cause."""

    cause: PartChanged
    decision: Decision


class Together(Struct, frozen=True):
    """The decisions about a part and, where it is affected, its whole; with the part's cause as it is recorded."""

    cause: Cause
    decision: Decision
    whole: OfWhole | None = None


def decide_with_whole(
    order: Order | None,
    cause: Cause,
    workflow: Workflow,
    new_id: UUID,
    decision: Decision,
    whole: Order,
    whole_workflow: Workflow,
) -> Together:
    """`decision`: the one about the part alone. Raises Rejection where it can be no part of `whole`."""
    part = as_part(decision.order, workflow)
    if part in whole.parts:
        return Together(cause, decision)
    happened, event = happened_at(cause, cause.at)
    changed = PartChanged(cause.at, happened, part, event)
    derived = decide(whole, changed, whole_workflow, whole.id)
    told = told_by(derived)
    leaves = frozenset[str]().union(*(n.unless_whole_tells for n in workflow.notices.values()))
    if isinstance(cause, EventReceived) and not told.isdisjoint(leaves):
        cause = replace(cause, whole_told=told & leaves)
        decision = decide(order, cause, workflow, new_id)
    return Together(cause, decision, OfWhole(changed, derived))
