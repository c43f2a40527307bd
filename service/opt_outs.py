"""Opt-outs, the one way through: kept for the person, and told in each of their open orders by a cause."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from service.core import Core
from service.domain.causes import OptOutSaid
from service.domain.order import Order
from service.ledger import suppressed
from service.ledger.commit import Batch
from service.ledger.erasing import open_orders_of_person
from service.ledger.orders import lock_by_id

AT_ONCE: Final = 100


async def stop(core: Core, channel: str, address: str, senders: Iterable[str], why: str) -> bool:
    """Write to this person no more over this channel, whatever our sender; whether that is news."""

    async def suppress(connection: AsyncConnection, now: datetime) -> bool:
        return await suppressed.suppress(connection, core.keyring, channel, address, senders, now, why)

    return await _changed(core, OptOutSaid(channel, address, why), suppress)


async def start(core: Core, channel: str, address: str, why: str) -> None:
    """Write to this person again."""

    async def lift(connection: AsyncConnection, _now: datetime) -> bool:
        return bool(await suppressed.lift(connection, core.keyring, channel, address))

    await _changed(core, OptOutSaid(channel, address, why, lifted=True), lift)


async def _changed(
    core: Core, cause: OptOutSaid, change: Callable[[AsyncConnection, datetime], Awaitable[bool]]
) -> bool:
    """Keep the wish, and the lines in the person's open orders, in one commit: no crash keeps one without the other.

    Of somebody with more than `AT_ONCE` open orders, which no customer has, the others say it after that commit.
    """
    now = core.time.now()
    batch = core.batch(now)
    async with core.ledger.transaction() as connection:
        ids = await open_orders_of_person(connection, core.keyring, cause.address)
        # Orders first, as whoever settles a message does: two who wait for each other would both be broken off.
        orders = await lock_by_id(connection, core.keyring, ids[:AT_ONCE])
        is_news = await change(connection, now)
        if is_news:
            await _say(core, connection, batch, orders, cause, now)
    core.committed(batch)
    if is_news:
        await _tell(core, ids[AT_ONCE:], cause, now)
    return is_news


async def _tell(core: Core, ids: Sequence[UUID], cause: OptOutSaid, now: datetime) -> None:
    """A line in each of these orders, some of them at a time."""
    for begin in range(0, len(ids), AT_ONCE):
        batch = core.batch(now)
        async with core.ledger.transaction() as connection:
            orders = await lock_by_id(connection, core.keyring, ids[begin : begin + AT_ONCE])
            await _say(core, connection, batch, orders, cause, now)
        core.committed(batch)


async def _say(
    core: Core, connection: AsyncConnection, batch: Batch, orders: dict[UUID, Order], cause: OptOutSaid, now: datetime
) -> None:
    await core.recall_packs(connection, ((o.workflow, o.version) for o in orders.values()))
    for order_id in list(orders):
        core.decide_known(batch, orders, order_id, cause, now)
    await core.write(connection, batch)
