"""Customer-service windows: when people last wrote to our senders, and whether a channel enforces the window."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import select

from service.keyring import Keyring
from service.ledger.conversations.tables import heard
from service.ledger.conversations.writing import heard_as
from service.ledger.database.engine import padded
from service.ledger.database.listed import listed
from service.ledger.database.sets import Writes
from service.ledger.database.transaction import Transaction


def _mark(keyring: Keyring, channel: str) -> bytes:
    """The digest of the row that marks a channel as enforcing the window."""
    return keyring.digest("window holds", channel)


_HEARD: Final = select(heard).where(listed(heard.c.digest, "digests"))


async def heard_at(
    tx: Transaction, channel: str, pairs: Collection[tuple[str, str]]
) -> tuple[dict[tuple[str, str], datetime], bool]:
    """By address and sender, when they last wrote; and whether the provider ever refused a message for the window."""
    by_digest = {heard_as(tx.keyring, channel, address, sender): (address, sender) for address, sender in pairs}
    mark = _mark(tx.keyring, channel)
    rows = (await tx.execute(_HEARD, {"digests": padded(sorted([*by_digest, mark]))})).all()
    return {by_digest[r.digest]: r.at for r in rows if r.digest != mark}, any(r.digest == mark for r in rows)


async def note_enforced(tx: Transaction, channel: str, now: datetime) -> None:
    """Note that the provider refused a message for the window: free text is not tried outside of it any more."""
    writes = Writes()
    writes.insert_missing(heard, [{"digest": _mark(tx.keyring, channel), "at": now}])
    await writes.run(tx)
