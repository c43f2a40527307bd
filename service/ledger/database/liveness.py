"""Liveness of processes: each holds a lock while it lives, so that others see at once when it died.

A process's claims carry its number. Once its lock is gone, others need not wait for its leases to end.
PostgreSQL: a shared advisory lock of the listening session; the server releases it when the session ends, and TCP
keepalives detect a vanished host. SQLite: a lock on a file beside the database, released by the operating system.
Each process is registered in `meta`, so that only registered processes without a lock are looked for.
"""

import contextlib
import fcntl
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg
from sqlalchemy import delete, select, text

from service.ledger.database.sets import insert_missing
from service.ledger.database.tables import meta
from service.ledger.database.transaction import Transaction

LOCK_CLASS: Final = 1_398_030_663
_PREFIX: Final = "alive:"
# Seconds without a lock after which a process counts as dead; one whose session broke has a new session by then.
DOUBT_S: Final = 2.0
# Keepalives: the server notices within about ten seconds that the other machine is gone. `synchronous_commit` is off
# as this session writes nothing important and must not wait for a standby.
_SESSION: Final = {
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "synchronous_commit": "off",
}


def _new_number() -> int:
    return secrets.randbelow(2**31 - 1) + 1


def _key(number: int) -> str:
    return f"{_PREFIX}{number}"


class Liveness(Protocol):
    """`number`: this process's number. `owner`: the same while its lock is held, else None, and only leases count."""

    number: int
    doubt_s: float

    @property
    def owner(self) -> int | None:
        """The number for this process's claims, or None."""
        ...

    async def take_lock(self, tx: Transaction) -> None:
        """Take the lock, unless the listening session does."""
        ...

    async def without_lock(self, tx: Transaction) -> Sequence[int]:
        """The registered processes that hold no lock."""
        ...

    async def remove(self, tx: Transaction, numbers: Sequence[int]) -> Sequence[int]:
        """Remove these processes; returns those whose claims the caller must take over. Others wait for the commit."""
        ...


class SessionLiveness:
    """On PostgreSQL. `session_opened` is called with each new listening session, `session_lost` when it has ended."""

    doubt_s = DOUBT_S

    def __init__(self) -> None:
        self.number = _new_number()
        self._held = False

    @property
    def owner(self) -> int | None:
        """What this process's claims carry."""
        return self.number if self._held else None

    async def session_opened(self, session: Any) -> None:
        """Take the lock in this asyncpg session."""
        for name, value in _SESSION.items():
            with contextlib.suppress(asyncpg.PostgresError):  # older servers lack some
                await session.execute(f"SET {name} = {value}")
        # Shared, as the server may not have released this process's previous session yet.
        await session.execute(f"SELECT pg_advisory_lock_shared({LOCK_CLASS}, {self.number})")
        await self.register(session)
        self._held = True

    async def register(self, session: Any) -> None:
        """Make sure that this process is registered in `meta`, even if another one removed it."""
        await session.execute("INSERT INTO meta (key, value) VALUES ($1, '') ON CONFLICT DO NOTHING", _key(self.number))

    def session_lost(self) -> None:
        """The listening session has ended."""
        self._held = False

    async def take_lock(self, tx: Transaction) -> None:
        """Nothing to do: the listening session holds the lock."""

    async def without_lock(self, tx: Transaction) -> Sequence[int]:
        """The registered processes that hold no lock."""
        values = {"class": LOCK_CLASS, "own": _key(self.number)}
        return [_number(key) for key in (await tx.execute(_SILENT, values)).scalars()]

    async def remove(self, tx: Transaction, numbers: Sequence[int]) -> Sequence[int]:
        """Remove these processes; returns those that no other process removed first."""
        return await _strike_off(tx, numbers)


_SILENT: Final = text(
    "SELECT key FROM meta WHERE key LIKE 'alive:%' AND key <> :own AND substr(key, 7) NOT IN (SELECT objid::text"
    " FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = :class AND objsubid = 2 AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)


class FileLiveness:
    """On SQLite. `database`: its file; None for a database in memory."""

    doubt_s = 0.0  # the operating system releases a lock at the process's end, never before

    def __init__(self, database: Path | None) -> None:
        self.number = _new_number()
        self._database = database
        self._file: Any = None

    @property
    def owner(self) -> int | None:
        """What this process's claims carry."""
        return self.number if self._file is not None else None

    async def take_lock(self, tx: Transaction) -> None:
        """Lock a file of this process."""
        if self._database is not None and self._file is None:
            self._file = self._locked()
            await insert_missing(tx, meta, [{"key": _key(self.number), "value": ""}])

    def _locked(self) -> Any:
        file = self._path(self.number).open("wb")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file

    def _path(self, number: int) -> Path:
        assert self._database is not None
        return self._database.with_name(f"{self._database.name}-alive-{number}")

    async def without_lock(self, tx: Transaction) -> Sequence[int]:
        """The registered processes that hold no lock."""
        if self._database is None:
            return []
        keys = (await tx.execute(select(meta.c.key).where(meta.c.key.startswith(_PREFIX)))).scalars()
        return [n for n in map(_number, keys) if n != self.number and not self._is_locked(n)]

    def _is_locked(self, number: int) -> bool:
        try:
            with self._path(number).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True  # locked, or unreadable: then the leases decide
        return False

    async def remove(self, tx: Transaction, numbers: Sequence[int]) -> Sequence[int]:
        """Remove these processes and their files; returns those that no other process removed first."""
        for number in numbers:
            self._path(number).unlink(missing_ok=True)
        return await _strike_off(tx, numbers)


def _number(key: str) -> int:
    return int(key.removeprefix(_PREFIX))


async def _strike_off(tx: Transaction, numbers: Sequence[int]) -> Sequence[int]:
    gone = await tx.execute(delete(meta).where(meta.c.key.in_([_key(n) for n in numbers])).returning(meta.c.key))
    return [_number(key) for key in gone.scalars()]
