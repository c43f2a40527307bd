"""Addresses to which nothing is sent over a channel, and why: opted out, bounced, complained.

A suppression is of the reader on the channel, whatever our sender, by a keyed digest of the address. Earlier releases
asked by sender and kept the digest of the address as it was written: `sender` still stands in the rows, so that a
replica of such a release goes by them, and both forms of a number are looked up.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import select

from service.channels import registry
from service.channels.registry import spec_of
from service.domain.address_keys import address_key, both_forms
from service.keyring import Keyring
from service.ledger.database.engine import padded
from service.ledger.database.listed import listed
from service.ledger.database.sets import dialect_insert
from service.ledger.database.transaction import Transaction
from service.ledger.messages.tables import suppressions

# The prefix of reasons that are not the reader's own: their mailbox bounced.
BOUNCED: Final = "bounced"


class Suppressed(Struct, frozen=True):
    """Nothing goes to `address` over `channel` since `at` (UTC)."""

    channel: str
    address: str
    why: str
    at: datetime


_FIND: Final = (
    select(suppressions.c.channel, suppressions.c.digest, suppressions.c.why, suppressions.c.at)
    # With every channel named, so that the key serves, which begins with it.
    .where(listed(suppressions.c.channel, "every_channel"))
    .where(listed(suppressions.c.digest, "digests"))
    .order_by(suppressions.c.at)
)


async def suppressed(tx: Transaction, addresses: Iterable[str]) -> list[Suppressed]:
    """What is suppressed of these addresses, one line for a channel and address, as it first was.

    An address that only one channel knows is asked for, and told, as `<channel>:<address>`.
    """
    named = _by_digest(tx.keyring, addresses)
    if not named:
        return []
    found: dict[tuple[str, str], Suppressed] = {}
    for row in await tx.execute(_FIND, {"every_channel": list(registry.channels()), "digests": padded(sorted(named))}):
        for address in named[row.digest]:
            found.setdefault((row.channel, address), Suppressed(row.channel, address, row.why, row.at))
    return list(found.values())


async def lift(tx: Transaction, channel: str, address: str) -> int:
    """Allow messages to this reader again, whichever of our senders it was about; how many lines that took back."""
    digests = [_digest(tx.keyring, form) for form in both_forms(spec_of(channel).known_as(address))]
    ours = (suppressions.c.channel == channel) & suppressions.c.digest.in_(digests)
    return (await tx.execute(suppressions.delete().where(ours))).rowcount


async def suppress(
    tx: Transaction,
    channel: str,
    address: str,
    senders: Iterable[str],
    now: datetime,
    why: str,
) -> bool:
    """Suppress an address on this channel; whether that is new."""
    known = await opted_out(tx, channel, [address])
    digest = _digest(tx.keyring, address_key(spec_of(channel).known_as(address)))
    insert = dialect_insert(tx)
    rows = [
        {"channel": channel, "digest": digest, "sender": s, "at": now, "why": why} for s in sorted({*senders} or {""})
    ]
    await tx.execute(insert(suppressions).values(rows).on_conflict_do_nothing())
    return not known


async def opted_out(tx: Transaction, channel: str, addresses: Collection[str]) -> frozenset[str]:
    """The suppressed ones of these addresses on this channel."""
    return frozenset(address for _, address in await opted_out_of(tx, {channel: addresses}))


async def opted_out_of(tx: Transaction, by_channel: Mapping[str, Collection[str]]) -> frozenset[tuple[str, str]]:
    """The suppressed ones of these addresses, by channel."""
    named: dict[tuple[str, bytes], set[str]] = {}
    for channel, addresses in by_channel.items():
        known_as = {spec_of(channel).known_as(a): a for a in addresses if a}
        for digest, forms in _by_digest(tx.keyring, known_as).items():
            named.setdefault((channel, digest), set()).update(known_as[form] for form in forms)
    if not named:
        return frozenset()
    values = {
        "of_channels": padded(sorted({channel for channel, _ in named})),
        "digests": padded(sorted({digest for _, digest in named})),
    }
    rows = await tx.execute(_SUPPRESSED, values)
    return frozenset((row.channel, address) for row in rows for address in named.get((row.channel, row.digest), ()))


_SUPPRESSED: Final = select(suppressions.c.channel, suppressions.c.digest).where(
    listed(suppressions.c.channel, "of_channels"),
    listed(suppressions.c.digest, "digests"),
)


def _digest(keyring: Keyring, form: str) -> bytes:
    return keyring.digest("address", form)


def _by_digest(keyring: Keyring, addresses: Iterable[str]) -> dict[bytes, set[str]]:
    """These addresses by every digest under which one of them may stand."""
    found: dict[bytes, set[str]] = {}
    for address in filter(None, addresses):
        for form in both_forms(address):
            found.setdefault(_digest(keyring, form), set()).add(address)
    return found
