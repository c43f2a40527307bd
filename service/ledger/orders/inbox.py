"""The inbox: the events already received, so that a redelivery changes nothing."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct, structs
from msgspec.structs import replace
from sqlalchemy import select

from service.domain.events import Event
from service.keyring import Keyring
from service.ledger.database.engine import padded
from service.ledger.database.listed import listed
from service.ledger.database.sets import NewRow, Rows, Writes, dialect_insert
from service.ledger.database.transaction import Transaction
from service.ledger.orders.tables import inbox

TRYING = "trying"


def key_of(keyring: Keyring, source: str, event_id: str) -> bytes:
    """An event's identity: `source` and `id` together (CloudEvents 1.0, §3.1.1)."""
    return keyring.digest("event", source, event_id)


def content_of(keyring: Keyring, event: Event) -> bytes:
    """A keyed digest of the event's content, whatever its encoding; its trace is not part of it."""
    plain_event = replace(event, traceparent=None, warnings=())
    return keyring.digest("event content", msgspec.json.encode(plain_event, order="sorted").decode())


class Recorded(Struct, frozen=True):
    """The cause of an order's decision, sealed; `timeline_n`: the number of timeline lines before it."""

    order_id: UUID
    timeline_n: int
    sealed_event: bytes


class InboxEntry(Struct, frozen=True):
    """An event's outcome, number of attempts, and content digest (None: unknown)."""

    outcome: str
    reason: str = ""
    attempts: int = 0
    content: bytes | None = None
    recorded: Recorded | None = None


_OUTCOMES: Final = select(inbox.c.key, inbox.c.outcome, inbox.c.attempts, inbox.c.content).where(
    listed(inbox.c.key, "keys")
)


async def outcomes(tx: Transaction, keys: Iterable[bytes]) -> dict[bytes, InboxEntry]:
    """The entries of events with these keys; unknown keys are left out."""
    wanted = padded(sorted(set(keys)))
    if not wanted:
        return {}
    rows = await tx.execute(_OUTCOMES, {"keys": wanted})
    return {row.key: InboxEntry(row.outcome, "", row.attempts, row.content) for row in rows}


async def record_first(tx: Transaction, key: bytes, now: datetime) -> bool:
    """Record the event's key; returns whether it is new. A second writer waits for the first one's commit."""
    row = {"key": key, "received_at": now, "outcome": "accepted"}
    done = await tx.execute(dialect_insert(tx)(inbox).values(row).on_conflict_do_nothing())
    return bool(done.rowcount)


def record(writes: Writes, results: Mapping[bytes, InboxEntry], known: Iterable[bytes], now: datetime) -> None:
    """Have the outcome of each event written; `known`: keys that have a row already."""
    there = set(known)
    new: Rows = []
    again: Rows = []
    for key, seen in results.items():
        row = {"outcome": seen.outcome, "reason": seen.reason, "content": seen.content, **_cause(seen.recorded)}
        if key in there:
            again.append({"key": key, **row})
        else:
            new.append({"key": key, "received_at": now, **row})
    writes.insert(inbox, new)
    writes.update(inbox, again, ("key",))


def _cause(recorded: Recorded | None) -> NewRow:
    if recorded is None:
        return {"order_id": None, "timeline_n": None, "sealed_event": None}
    return structs.asdict(recorded)


async def count_attempts(tx: Transaction, keys: Iterable[bytes], now: datetime) -> dict[bytes, int]:
    """Count an attempt for each of these events; returns the number of attempts, this one included."""
    rows = [{"key": key, "received_at": now, "outcome": TRYING, "attempts": 1} for key in sorted(set(keys))]
    if not rows:
        return {}
    statement = dialect_insert(tx)(inbox).values(rows)
    statement = statement.on_conflict_do_update(
        index_elements=[inbox.c.key], set_={"attempts": inbox.c.attempts + 1}
    ).returning(inbox.c.key, inbox.c.attempts)
    return {row.key: row.attempts for row in await tx.execute(statement)}


async def delete_before(tx: Transaction, before: datetime) -> None:
    """Delete events that are too old to be delivered again."""
    await tx.execute(inbox.delete().where(inbox.c.received_at < before))
