"""Running processes and their keys: a row each in `meta`, written every few seconds.

A new key or the bound form of seals is used only when every running process can read it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import delete, select, text

from service.ledger.database.tables import meta
from service.ledger.database.transaction import Transaction
from service.ledger.sealing.state import KeyState, write_state

ANNOUNCE_EVERY_S: Final = 5.0
# The longest time that a statement may take, and a reconnection after it.
FORGOTTEN_AFTER: Final = timedelta(seconds=60)
_PREFIX: Final = "process:"
# Releases before bound seals set no application name; each has at least its listening connection.
_OLDER: Final = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user"
    " AND application_name = '' AND backend_type = 'client backend'"
)


class Process(Struct, frozen=True):
    """A process of this release. `knows`: fingerprints of its keys; `reseals`: whether it reseals rows."""

    name: str
    seen: datetime
    knows: tuple[str, ...]
    writes: str
    writes_bound: bool
    reseals: bool

    def does(self, state: KeyState) -> bool:
        """Whether it seals as this state requires."""
        return self.writes == state.fingerprint and self.writes_bound


async def announce_process(tx: Transaction, name: str, now: datetime, *, reseals: bool) -> None:
    """Announce that this process is running, with these keys."""
    process = Process(name, now, tx.keyring.fingerprints, tx.keyring.fingerprint, tx.keyring.writes_bound, reseals)
    await write_state(tx, {_PREFIX + name: msgspec.json.encode(process).decode()})


async def withdraw(tx: Transaction, name: str) -> None:
    """Withdraw this process's announcement."""
    await tx.execute(delete(meta).where(meta.c.key == _PREFIX + name))


async def running(tx: Transaction, now: datetime) -> Sequence[Process]:
    """The processes announced lately, by name."""
    query = select(meta.c.value).where(meta.c.key.startswith(_PREFIX)).order_by(meta.c.key)
    found = [msgspec.json.decode(value, type=Process) for value in (await tx.execute(query)).scalars()]
    return [p for p in found if p.seen > now - FORGOTTEN_AFTER]


async def delete_gone(tx: Transaction, now: datetime) -> None:
    """Delete the rows of processes that ended without withdrawing."""
    query = select(meta.c.key, meta.c.value).where(meta.c.key.startswith(_PREFIX))
    gone = [
        row.key
        for row in await tx.execute(query)
        if msgspec.json.decode(row.value, type=Process).seen <= now - FORGOTTEN_AFTER
    ]
    if gone:
        await tx.execute(delete(meta).where(meta.c.key.in_(gone)))


async def older_releases(tx: Transaction) -> int:
    """The number of connections of releases that cannot read bound seals; 0 on SQLite, where it cannot be known."""
    if tx.dialect.name == "sqlite":
        return 0
    return int((await tx.execute(_OLDER)).scalar_one())
