"""Moves running orders to another version of their pack, where the pack says so."""

from service.domain.clocks import running
from service.domain.draft import Draft
from service.domain.errors import Rejection


def move(draft: Draft) -> None:
    """Move the order to the given version; raises Rejection when that lacks the order's status."""
    order, workflow = draft.order, draft.workflow
    if order.version == workflow.version:
        return
    status = workflow.renamed.get(order.status, order.status)
    if status not in workflow.statuses:
        raise Rejection(f"the pack {workflow.version} has no status {status!r} and no new name for it")
    draft.set(version=workflow.version, status=status, stage=workflow.statuses[status].stage)
    draft.log("pack_changed", was=order.version, to=workflow.version, status=status)
    running.sync(draft, by_event=False)
