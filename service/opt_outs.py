"""Opt-outs, the one way through: kept for the person, and told in each of their open orders by a cause."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from service.core import Core
from service.domain.causes import OptOutSaid
from service.domain.order import OrderRef
from service.ledger import suppressed
from service.ledger.erasing import open_orders_of_person
from service.unit_of_work import UnitOfWork

AT_ONCE: Final = 100


async def stop(core: Core, channel: str, address: str, senders: Iterable[str], why: str) -> bool:
    """Write to this person no more over this channel, whatever our sender; whether that is news."""

    async def suppress(u: UnitOfWork) -> bool:
        return await suppressed.suppress(u.tx, channel, address, senders, u.now, why)

    return await _changed(core, OptOutSaid(channel, address, why), suppress)


async def start(core: Core, channel: str, address: str, why: str) -> None:
    """Write to this person again."""

    async def lift(u: UnitOfWork) -> bool:
        return bool(await suppressed.lift(u.tx, channel, address))

    await _changed(core, OptOutSaid(channel, address, why, lifted=True), lift)


async def _changed(core: Core, cause: OptOutSaid, change: Callable[[UnitOfWork], Awaitable[bool]]) -> bool:
    """Keep the wish, and the lines in the person's open orders, in one commit: no crash keeps one without the other.

    Of somebody with more than `AT_ONCE` open orders, which no customer has, the others say it after that commit.
    """
    async with core.unit_of_work() as u:
        ids = await open_orders_of_person(u.tx, cause.address)
        # Orders first, as whoever settles a message does: two who wait for each other would both be broken off.
        orders = await u.lock_ids(ids[:AT_ONCE])
        is_news = await change(u)
        if is_news:
            _say(u, orders.values(), cause)
    for begin in range(AT_ONCE, len(ids) if is_news else 0, AT_ONCE):
        async with core.unit_of_work() as u:
            _say(u, (await u.lock_ids(ids[begin : begin + AT_ONCE])).values(), cause)
    return is_news


def _say(u: UnitOfWork, orders: Iterable[OrderRef], cause: OptOutSaid) -> None:
    for ref in orders:
        u.decide(ref, cause)
