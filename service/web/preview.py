"""The exact words of a manual notice, per channel, before or after it is sent. Decided the same way, not committed."""

from typing import Final

from service.channels.registry import medium_of
from service.dispatch.compose import Composer
from service.domain.causes import SendNotice
from service.domain.decide import decide
from service.domain.draft import Decision
from service.domain.errors import Rejection
from service.domain.notices import Message, PlannedNotice
from service.domain.order import Order, OrderRef
from service.domain.scopes import Scope
from service.earlier_packs import recall
from service.ledger.messages.claims import ClaimedMessage
from service.ledger.orders.locking import find
from service.orders import NoSuchOrder
from service.web.context import Context
from service.web.schemas import NoticeMessage
from service.workflows.templates import UNRENDERABLE

SHOWN_DIGITS: Final = 4


async def preview(
    context: Context, name: OrderRef, cause: SendNotice, decision: Decision | None = None, *, scope: Scope
) -> list[NoticeMessage]:
    """Each message that `cause` leads to (or `decision` led to); raises Rejection, NoSuchOrder."""
    orders = context.orders
    if decision is None:
        async with orders.ledger.reading() as tx:
            order = await find(tx, *name, scope=scope)
            if order is None:
                raise NoSuchOrder
            await recall(tx, orders.packs, [(order.workflow, order.version)])
        workflow = orders.packs.for_order(order.workflow, order.version).workflow
        decision = decide(order, cause, workflow, order.id)
    planned = [n for n in decision.notices if n.name == cause.reason]
    return [_message(context.composer, decision.order, notice, n) for notice in planned for n in notice.messages]


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
        return NoticeMessage(n.channel, n.audience, masked(n.address), "failed", "", "", "", 0, type(error).__name__)
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
    )


def masked(address: str) -> str:
    """Enough of an address to recognise it."""
    name, at, domain = address.partition("@")
    if at:
        return f"{name[:1]}•••@{domain}"
    hidden = "•" * max(0, min(8, len(address) - SHOWN_DIGITS))
    return hidden + address[-SHOWN_DIGITS:] if len(address) > SHOWN_DIGITS else hidden
