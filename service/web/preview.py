"""The exact text of a manual notice, per channel: decided the same way as a real one, and not committed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from service.channels.registry import medium_of
from service.dispatch.compose import Composer
from service.domain.causes import ClockDue, SendNotice
from service.domain.decide import decide
from service.domain.draft import Decision
from service.domain.errors import Rejection
from service.domain.notices import Message, PlannedNotice
from service.domain.order import Order, OrderRef
from service.domain.scopes import Scope
from service.domain.workflow import Workflow
from service.earlier_packs import recall
from service.ledger.messages.claims import ClaimedMessage
from service.ledger.orders.locking import find
from service.orders import NoSuchOrder
from service.web.context import Context
from service.web.schemas.notices import NoticeMessage
from service.workflows.templates import UNRENDERABLE

SHOWN_DIGITS: Final = 4
# More than any ladder has rungs.
MOST_RUNGS: Final = 200


async def preview(
    context: Context, name: OrderRef, cause: SendNotice, decision: Decision | None = None, *, scope: Scope
) -> list[NoticeMessage]:
    """Each message that `cause` leads to (or `decision` led to); raises Rejection, NoSuchOrder.

    Of a ladder: each rung, as it would go if nothing on the rungs before it arrived.
    """
    orders, later = context.orders, decision is None
    if decision is None:
        async with orders.ledger.reading() as tx:
            order = await find(tx, *name, scope=scope)
            if order is None:
                raise NoSuchOrder
            await recall(tx, orders.packs, [(order.workflow, order.version)])
        workflow = orders.packs.for_order(order.workflow, order.version).workflow
        decision = decide(order, cause, workflow, order.id)
    planned = [n for n in decision.notices if n.name == cause.reason]
    composer, order = context.composer, decision.order
    found = [_message(composer, order, notice, n) for notice in planned for n in notice.messages]
    if later:
        workflow = orders.packs.for_order(order.workflow, order.version).workflow
        for notice in planned:
            rungs = workflow.for_brand(order.brand).notices[notice.name].rungs
            for due, n in _later_rungs(workflow, order, notice):
                message = _message(composer, order, notice, n)
                found.append(msgspec.structs.replace(message, due=due, unless=rungs[n.rung - 1].unless or ""))
    return found


def _later_rungs(workflow: Workflow, order: Order, notice: PlannedNotice) -> Iterator[tuple[datetime, Message]]:
    """What later rungs of this notice would tell, and when: decided as the clocks would, and never written."""
    for _ in range(MOST_RUNGS):
        due = min((c.due for c in order.clocks.values() if c.climb and c.notice_id == notice.id), default=None)
        if due is None:
            return
        decision = decide(order, ClockDue(due), workflow, order.id)
        yield from ((due, n) for n in decision.more_messages if n.notice_id == notice.id)
        order = decision.order


def _message(composer: Composer, order: Order, notice: PlannedNotice, n: Message) -> NoticeMessage:
    claimed = ClaimedMessage(
        message=n,
        fencing_token=0,
        workflow=order.workflow,
        reference=order.reference,
        notice_at=notice.at,
        planned=notice.planned,
        supersedable=notice.supersedable,
        passed_by=False,
        snapshot=notice.context,
        secret=None,
        traceparent="",
        version=order.version,
        links=order.links,
    )
    try:
        rendered = composer.render(claimed, None)
    except (Rejection, *UNRENDERABLE) as error:
        why = type(error).__name__
        return NoticeMessage(n.channel, n.audience, masked(n.address), "failed", "", "", "", 0, why, rung=n.rung)
    medium = medium_of(n.channel)
    return NoticeMessage(
        n.channel,
        n.audience,
        masked(n.address),
        n.state,
        rendered.title,
        rendered.text,
        rendered.html,
        medium.parts(rendered),
        n.error,
        medium.remark(rendered),
        n.rung,
    )


def masked(address: str) -> str:
    """Enough of an address to recognise it."""
    name, at, domain = address.partition("@")
    if at:
        return f"{name[:1]}•••@{domain}"
    hidden = "•" * max(0, min(8, len(address) - SHOWN_DIGITS))
    return hidden + address[-SHOWN_DIGITS:] if len(address) > SHOWN_DIGITS else hidden
