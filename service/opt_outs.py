"""Opt-outs, the one way through: kept for the person, and told in each of their open orders by a cause."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from service.core import Core
from service.domain.causes import OptOutSaid
from service.ledger import suppressed
from service.ledger.erasing import open_orders_of_person
from service.ledger.orders import lock_by_id

AT_ONCE: Final = 100


async def stop(core: Core, channel: str, address: str, senders: Iterable[str], why: str) -> None:
    """Write to this person no more over this channel, whatever our sender."""
    now = core.time.now()
    async with core.ledger.transaction() as connection:
        is_new = await suppressed.suppress(connection, core.keyring, channel, address, senders, now, why)
    if is_new:
        await tell_orders(core, OptOutSaid(channel, address, why), now)


async def start(core: Core, channel: str, address: str, why: str) -> None:
    """Write to this person again."""
    now = core.time.now()
    async with core.ledger.transaction() as connection:
        was_stopped = await suppressed.lift(connection, core.keyring, channel, address)
    if was_stopped:
        await tell_orders(core, OptOutSaid(channel, address, why, lifted=True), now)


async def tell_orders(core: Core, cause: OptOutSaid, now: datetime) -> None:
    """A line in every open order of the person, some of them at a time."""
    async with core.ledger.reading() as connection:
        ids = await open_orders_of_person(connection, core.keyring, cause.address)
    for begin in range(0, len(ids), AT_ONCE):
        await _tell(core, ids[begin : begin + AT_ONCE], cause, now)


async def _tell(core: Core, ids: Sequence[UUID], cause: OptOutSaid, now: datetime) -> None:
    batch = core.batch(now)
    async with core.ledger.transaction() as connection:
        orders = await lock_by_id(connection, core.keyring, ids)
        await core.recall_packs(connection, ((o.workflow, o.version) for o in orders.values()))
        for order_id in ids:
            core.decide_known(batch, orders, order_id, cause, now)
        await core.write(connection, batch)
    core.committed(batch)
