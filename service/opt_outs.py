"""Opt-outs: stored for the person, and applied to each of their open orders by a cause."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from service.domain.causes import OptOutChanged
from service.ledger.messages import suppressions as suppressed
from service.ledger.people.erasing import open_orders_of_person
from service.orders import Orders
from service.unit_of_work import UnitOfWork

AT_ONCE: Final = 100


async def stop(orders: Orders, channel: str, address: str, senders: Iterable[str], why: str) -> bool:
    """Stop all messages to this person on this channel, whatever our sender; returns whether that is a change."""

    async def suppress(u: UnitOfWork) -> bool:
        return await suppressed.suppress(u.tx, channel, address, senders, u.now, why)

    return await _changed(orders, OptOutChanged(orders.time.now(), channel, address, why), suppress)


async def start(orders: Orders, channel: str, address: str, why: str) -> bool:
    """Allow messages to this person again; returns whether that is a change."""

    async def lift(u: UnitOfWork) -> bool:
        return bool(await suppressed.lift(u.tx, channel, address))

    return await _changed(orders, OptOutChanged(orders.time.now(), channel, address, why, lifted=True), lift)


async def _changed(orders: Orders, cause: OptOutChanged, change: Callable[[UnitOfWork], Awaitable[bool]]) -> bool:
    """Keep the wish, and the lines in all of the person's open orders, in one commit: none is kept without the others.

    Of somebody with many open orders, such as whoever handles them, `AT_ONCE` are asked for at a time.
    """
    async with orders.unit_of_work() as u:
        ids = await open_orders_of_person(u.tx, cause.address)
        # Orders first, as whoever settles a message does: two who wait for each other would both be broken off.
        locked = [await u.lock_ids(ids[begin : begin + AT_ONCE]) for begin in range(0, len(ids), AT_ONCE)]
        is_news = await change(u)
        for ref in (ref for some in locked for ref in some.values()):
            if is_news:
                u.decide(ref, cause)
    return is_news
