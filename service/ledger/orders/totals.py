"""Counts of orders and messages, and of what is waiting: for the health page, the demo and the simulator."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Column, ColumnElement, func, select

from service.domain.notices import ACTIVE_STATES
from service.domain.scopes import Scope
from service.ledger.columns import literal_in
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.tables import escalations
from service.ledger.messages.states import WAITING
from service.ledger.messages.tables import messages, outbox
from service.ledger.orders.locking import next_wake
from service.ledger.orders.scoping import of_order
from service.ledger.orders.tables import clocks, orders


class Totals(Struct, frozen=True):
    """All orders by status, messages by (channel, state), escalations by (team, reason), and the number of breaches."""

    orders: dict[str, int]
    messages: dict[tuple[str, str], int]
    escalations: dict[tuple[str, str], int]
    breached: int


async def totals(tx: Transaction) -> Totals:
    """Count everything. Reads whole tables, so it is for small databases only."""
    by_status = await _counted(tx, orders.c.status)
    by_state = await _counted(tx, messages.c.channel, messages.c.state)
    teams = await _counted(tx, escalations.c.team, escalations.c.reason)
    breached = await _counted(tx, clocks.c.name, where=clocks.c.state == "breached")
    return Totals(
        orders={status: n for (status,), n in by_status},
        messages={(channel, state): n for (channel, state), n in by_state},
        escalations={(team, reason): n for (team, reason), n in teams},
        breached=sum(n for _, n in breached),
    )


async def _counted(
    tx: Transaction, *columns: Column[str], where: ColumnElement[bool] | None = None
) -> list[tuple[Any, int]]:
    query = select(*columns, func.count()).group_by(*columns).order_by(*columns)
    found = await tx.execute(query if where is None else query.where(where))
    return [(tuple(row[:-1]), int(row[-1])) for row in found.all()]


async def waiting_by_channel(tx: Transaction, now: datetime, *, scope: Scope) -> dict[str, int]:
    """By channel, the number of messages that are due or being retried."""
    due = (messages.c.state == "retrying") | messages.c.not_before.is_(None) | (messages.c.not_before <= now)
    query = (
        select(messages.c.channel, func.count())
        .join(orders, orders.c.id == messages.c.order_id)
        .where(literal_in(messages.c.state, "pending", "retrying"), due)
        .where(*of_order(tx, scope, orders.c.id, orders.c.workflow))
        .group_by(messages.c.channel)
    )
    return {channel: int(n) for channel, n in await tx.execute(query)}


async def messages_waiting(tx: Transaction) -> int:
    """The number of messages that are not in a final state."""
    query = select(func.count()).where(literal_in(messages.c.state, *ACTIVE_STATES))
    return int((await tx.execute(query)).scalar_one())


async def is_idle(tx: Transaction, now: datetime) -> bool:
    """Whether there is nothing to do now: no message, no outgoing event, no clock."""
    due = messages.c.state.in_(WAITING) & (messages.c.not_before <= now)
    busy = select(func.count()).where((messages.c.state == "sending") | due)
    if (await tx.execute(busy)).scalar_one() or (
        await tx.execute(select(func.count()).select_from(outbox))
    ).scalar_one():
        return False
    wake = await next_wake(tx)
    return wake is None or wake > now


async def next_moment(tx: Transaction, now: datetime) -> datetime | None:
    """The time of the next clock or delayed message; None if there is none."""
    later = select(func.min(messages.c.not_before)).where(
        messages.c.state.in_(ACTIVE_STATES), messages.c.not_before > now
    )
    moments = [await next_wake(tx), (await tx.execute(later)).scalar_one()]
    return min((m for m in moments if m), default=None)
