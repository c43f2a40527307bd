"""Preferences: stored for the person, and applied to each of their open orders."""

from collections.abc import Collection

from service.domain.causes import PreferencesChanged
from service.domain.persons import Wishes
from service.ledger.people import preferences
from service.ledger.people.erasing import open_orders_of_person
from service.orders import Orders


async def choose(orders: Orders, addresses: Collection[str], wishes: Wishes) -> None:
    """Apply a person's preferences to these (normalised) addresses from now on, in new orders too."""
    async with orders.unit_of_work() as u:
        ids = sorted({i for a in sorted(addresses) for i in await open_orders_of_person(u.tx, a)})
        refs = await u.lock_ids(ids)
        await preferences.keep(u.tx, addresses, wishes, u.now)
        for ref in refs.values():
            u.decide(ref, PreferencesChanged(u.now, frozenset(addresses), wishes))
