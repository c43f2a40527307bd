"""People's choices on their preference page, by keyed digests of their addresses."""

from collections.abc import Collection, Iterable
from datetime import datetime

import msgspec
from sqlalchemy import select

from service.domain.address_keys import address_key, both_forms
from service.domain.persons import Wishes
from service.keyring import Keyring
from service.ledger.conversations.tables import PREFERENCE_WISHES, preferences
from service.ledger.database.engine import padded
from service.ledger.database.sets import Writes
from service.ledger.database.transaction import Transaction
from service.ledger.orders.records import seal_json


def _digest(keyring: Keyring, address: str) -> bytes:
    return keyring.digest("preference", address_key(address))


async def keep(tx: Transaction, addresses: Iterable[str], wishes: Wishes, now: datetime) -> None:
    """Store these preferences for all of these addresses."""
    digests = {_digest(tx.keyring, a) for a in addresses}
    rows = [
        {"digest": d, "at": now, "sealed_wishes": seal_json(tx.keyring, wishes, PREFERENCE_WISHES.of(d))}
        for d in sorted(digests)
    ]
    writes = Writes()
    writes.upsert(preferences, rows, ("at", "sealed_wishes"), ("digest",))
    await writes.run(tx)


async def wishes_of(tx: Transaction, addresses: Collection[str]) -> dict[str, Wishes]:
    """The choices by comparable address, of those who made any."""
    by_digest = {_digest(tx.keyring, form): address_key(a) for a in addresses for form in both_forms(a)}
    if not by_digest:
        return {}
    query = select(preferences).where(preferences.c.digest.in_(padded(sorted(by_digest))))
    return {
        by_digest[row.digest]: msgspec.json.decode(
            tx.keyring.unseal(row.sealed_wishes, PREFERENCE_WISHES.of(row.digest)), type=Wishes
        )
        for row in await tx.execute(query)
    }


async def has_any(tx: Transaction) -> bool:
    """Whether anybody has made a choice."""
    return (await tx.execute(select(preferences.c.digest).limit(1))).first() is not None


async def forget(tx: Transaction, addresses: Iterable[str]) -> int:
    """Delete the choices of these people; returns how many rows."""
    digests = {_digest(tx.keyring, form) for a in addresses for form in both_forms(a)}
    theirs = preferences.c.digest.in_(padded(sorted(digests)))
    return int((await tx.execute(preferences.delete().where(theirs))).rowcount) if digests else 0
