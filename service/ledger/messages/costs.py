"""Costs of messages: paid parts by destination, and the prices that providers reported."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import bindparam, case, func, select, update

from service.channels.capture import CaptureProvider
from service.domain.notices import MAY_HAVE_LEFT
from service.domain.scopes import Scope
from service.ledger.columns import literal_in
from service.ledger.database.transaction import Transaction
from service.ledger.messages.tables import messages
from service.ledger.orders.scoping import of_order
from service.ledger.orders.tables import orders
from service.prices import Prices

MICROS: Final = Decimal(1_000_000)


class Spent(Struct, frozen=True):
    """Messages that left, of one kind. `parts`: all that are paid; `untold`: those whose price no provider has told.

    `told`: what the providers say that the others cost, in the prices' currency.
    """

    workflow: str
    notice: str
    channel: str
    country: str
    messages: int
    parts: int
    untold: int
    told: Decimal

    def cost(self, prices: Prices) -> Decimal:
        """Costs as providers reported them, and by the price list otherwise."""
        return self.told + prices.per_part(self.channel, self.country) * self.untold


async def spent(
    tx: Transaction, since: datetime, until: datetime, currency: str, workflow: str = "", *, scope: Scope
) -> list[Spent]:
    """What was planned in this time and left; a provider's price in another currency counts as not told.

    What is captured, as its channel has no provider, costs nothing.
    """
    m = messages.c
    # Of releases that did not keep it, one part each.
    parts = case((m.parts > 0, m.parts), else_=1)
    is_told = m.price_micros.is_not(None) & (m.price_unit == currency)
    query = (
        select(
            orders.c.workflow,
            m.notice,
            m.channel,
            m.country,
            func.count(),
            func.sum(parts),
            func.sum(case((is_told, 0), else_=parts)),
            func.sum(case((is_told, m.price_micros), else_=0)),
        )
        .join(orders, orders.c.id == m.order_id)
        .where(m.created_at >= since, m.created_at < until, literal_in(m.state, *sorted(MAY_HAVE_LEFT)))
        .where(m.provider != CaptureProvider.name, *of_order(tx, scope, orders.c.id, orders.c.workflow))
        .group_by(orders.c.workflow, m.notice, m.channel, m.country)
        .order_by(orders.c.workflow, m.notice, m.channel, m.country)
    )
    if workflow:
        query = query.where(orders.c.workflow == workflow)
    return [
        Spent(w, notice, channel, country, int(count), int(paid), int(untold), Decimal(int(told)) / MICROS)
        for w, notice, channel, country, count, paid, untold, told in await tx.execute(query)
    ]


async def unpriced(
    tx: Transaction, since: datetime, until: datetime, providers: Sequence[str]
) -> dict[str, tuple[UUID, datetime]]:
    """These providers' messages, planned in this time, whose price is not known, by what they call them.

    Each with the moment at which it was planned.
    """
    m = messages.c
    query = select(m.provider_id, m.id, m.created_at).where(
        m.created_at >= since,
        m.created_at < until,
        m.provider.in_(providers),
        m.provider_id != "",
        m.price_micros.is_(None),
    )
    return {row.provider_id: (row.id, row.created_at) for row in await tx.execute(query)}


async def keep_prices(tx: Transaction, prices: Mapping[UUID, tuple[Decimal, str]]) -> None:
    """What providers say that these cost: amount and currency."""
    rows = [{"k": k, "micros": int(amount * MICROS), "unit": unit} for k, (amount, unit) in sorted(prices.items())]
    if rows:
        await tx.execute(_KEEP, rows)


_KEEP: Final = (
    update(messages)
    .where(messages.c.id == bindparam("k"))
    .values(price_micros=bindparam("micros"), price_unit=bindparam("unit"))
)
