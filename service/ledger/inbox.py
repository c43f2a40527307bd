"""The inbox: which events were already taken, so that a redelivery changes nothing."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.keyring import Keyring
from service.ledger.engine import padded
from service.ledger.tables import inbox
from service.ledger.upsert import dialect_insert

TRYING = "trying"


def key_of(keyring: Keyring, source: str, event_id: str) -> bytes:
    """An event's identity: `source` and `id` together (CloudEvents 1.0, §3.1.1)."""
    return keyring.digest("event", source, event_id)


_OUTCOMES: Final = select(inbox.c.key, inbox.c.outcome, inbox.c.attempts).where(
    inbox.c.key.in_(bindparam("keys", expanding=True))
)


async def outcomes(connection: AsyncConnection, keys: Iterable[bytes]) -> dict[bytes, tuple[str, int]]:
    """What became of events with these keys, and how often each was begun; unknown keys are left out."""
    wanted = padded(sorted(set(keys)))
    if not wanted:
        return {}
    rows = await connection.execute(_OUTCOMES, {"keys": wanted})
    return {row.key: (row.outcome, row.attempts) for row in rows}


async def record(
    connection: AsyncConnection, results: Mapping[bytes, tuple[str, str]], known: Iterable[bytes], now: datetime
) -> None:
    """Write outcome and reason of each event; `known` are those that have a row already."""
    there = set(known)
    new: list[dict[str, Any]] = []
    again: list[dict[str, Any]] = []
    for key, (outcome, reason) in results.items():
        row = {"outcome": outcome, "reason": reason}
        if key in there:
            again.append({"k": key, **row})
        else:
            new.append({"key": key, "received_at": now, **row})
    if new:
        await connection.execute(inbox.insert(), new)
    if again:
        await connection.execute(update(inbox).where(inbox.c.key == bindparam("k")), again)


async def count_attempt(connection: AsyncConnection, key: bytes, now: datetime) -> int:
    """Note that work on this event begins; how often it has begun, this time included."""
    statement = dialect_insert(connection)(inbox).values(key=key, received_at=now, outcome=TRYING, attempts=1)
    statement = statement.on_conflict_do_update(
        index_elements=[inbox.c.key], set_={"attempts": inbox.c.attempts + 1}
    ).returning(inbox.c.attempts)
    attempts: int = (await connection.execute(statement)).scalar_one()
    return attempts


async def forget(connection: AsyncConnection, before: datetime) -> None:
    """Let go of events that nobody can still be repeating."""
    await connection.execute(inbox.delete().where(inbox.c.received_at < before))
