"""Addresses to which nothing is sent over a channel, and why: opted out, bounced, complained."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.readers import CHANNEL_ADDRESSES
from service.keyring import Keyring
from service.ledger.engine import padded
from service.ledger.notifications import address_digest
from service.ledger.tables_admin import suppressions


class Suppressed(Struct, frozen=True):
    """Nothing goes to `address` over `channel` since `at` (UTC)."""

    channel: str
    address: str
    why: str
    at: datetime


_FIND: Final = (
    select(suppressions.c.channel, suppressions.c.digest, suppressions.c.why, suppressions.c.at)
    # With every channel named, so that the key serves, which begins with it.
    .where(suppressions.c.channel.in_(("push", *CHANNEL_ADDRESSES)))
    .where(suppressions.c.digest.in_(bindparam("digests", expanding=True)))
    .order_by(suppressions.c.at)
)


async def suppressed(connection: AsyncConnection, keyring: Keyring, addresses: Iterable[str]) -> list[Suppressed]:
    """What is suppressed of these addresses, one line for a channel and address, as it first was."""
    named = {address_digest(keyring, a): a for a in addresses if a}
    if not named:
        return []
    found: dict[tuple[str, str], Suppressed] = {}
    for row in await connection.execute(_FIND, {"digests": padded(sorted(named))}):
        address = named[row.digest]
        found.setdefault((row.channel, address), Suppressed(row.channel, address, row.why, row.at))
    return list(found.values())


async def lift(connection: AsyncConnection, keyring: Keyring, channel: str, address: str) -> int:
    """Allow messages to this address again; how many lines that took back."""
    digest = address_digest(keyring, address)
    ours = (suppressions.c.channel == channel) & (suppressions.c.digest == digest)
    return (await connection.execute(suppressions.delete().where(ours))).rowcount
