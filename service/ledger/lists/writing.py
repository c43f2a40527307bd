"""Stores rows of lists, adds them to the list with the event that names them, and remembers mappings of files."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import CTE, Select, and_, delete, select, update

from service.domain.json_object import JsonObject
from service.domain.lists import ListSpec
from service.domain.order import OrderRef
from service.keyring import Keyring
from service.ledger.database.engine import new_uuid, padded
from service.ledger.database.sets import NewRow, Rows, Writes, upsert
from service.ledger.database.transaction import Transaction
from service.ledger.lists.tables import (
    LIST_MAPPING,
    LIST_ROW,
    list_batches,
    list_mappings,
    list_row_keys,
    list_rows,
)
from service.ledger.orders.person_digests import person_digest
from service.ledger.orders.records import seal_json, unseal_json
from service.lists.values import comparable

# Keys in one query.
KEYS_AT_ONCE: Final = 1000


class OrderList(Struct, frozen=True):
    """An order's list; `ref` is the order's reference."""

    order_id: UUID
    ref: OrderRef
    spec: ListSpec


class PreparedRows(Struct, frozen=True):
    """Rows to write, with their digests."""

    rows: Rows
    keys: Rows


def unique_digests(keyring: Keyring, ref: OrderRef, spec: ListSpec, row: Mapping[str, Any]) -> dict[str, bytes]:
    """By unique column, the digest of the row's value."""
    return {
        name: keyring.digest("list row", *ref, spec.name, name, comparable(row[name]))
        for name in spec.unique
        if name in row
    }


def prepare(keyring: Keyring, place: OrderList, batch_id: UUID, rows: Iterable[JsonObject]) -> PreparedRows:
    """Seal these rows and compute their digests; about 20 µs a row, so run it in a thread for many rows."""
    written: Rows = []
    keys: Rows = []
    greeting = place.spec.greeting
    for row in rows:
        row_id = new_uuid()
        written.append(
            {
                "id": row_id,
                "order_id": place.order_id,
                "list": place.spec.name,
                "batch_id": batch_id,
                "asks": bool(greeting and row.get(greeting.when)),
                "sealed_row": seal_json(keyring, row, LIST_ROW.of(row_id)),
            }
        )
        keys += keys_of(keyring, place, row_id, row)
    return PreparedRows(written, keys)


def keys_of(keyring: Keyring, place: OrderList, row_id: UUID, row: Mapping[str, Any]) -> Rows:
    """The digests by which a row is found."""
    people = {
        person_digest(keyring, row[name])
        for name, column in place.spec.columns.items()
        if column.personal and column.type in ("phone", "email") and name in row
    }
    unique = set(unique_digests(keyring, place.ref, place.spec, row).values())
    return [
        *({"digest": d, "row_id": row_id, "is_unique": False} for d in sorted(people)),
        *({"digest": d, "row_id": row_id, "is_unique": True} for d in sorted(unique)),
    ]


def put(writes: Writes, prepared: PreparedRows) -> None:
    """Have these rows written with others."""
    writes.insert(list_rows, prepared.rows)
    writes.insert(list_row_keys, prepared.keys)


def batch_row(
    batch_id: UUID, place: OrderList, count: int, digest: bytes, stored: datetime, taken: datetime | None
) -> NewRow:
    """The row of a batch."""
    return {
        "id": batch_id,
        "order_id": place.order_id,
        "list": place.spec.name,
        "stored_at": stored,
        "taken_at": taken,
        "count": count,
        "digest": digest,
    }


async def begin(tx: Transaction, row: Mapping[str, Any]) -> None:
    """Begin a batch, whose rows stay invisible until an event adds them. Raises AlreadyThere."""
    await tx.execute(list_batches.insert().values(**row))


async def store(tx: Transaction, prepared: PreparedRows) -> None:
    """Store a part of a batch's rows."""
    writes = Writes()
    put(writes, prepared)
    await writes.run(tx)


class StoredBatch(Struct, frozen=True):
    """A batch: rows added together. `taken`: when an event added them to the list; None before that."""

    id: UUID
    order_id: UUID
    list: str
    count: int
    digest: bytes
    taken: datetime | None


def _stored(row: Any) -> StoredBatch:
    # A row is a tuple, which has a method `count`.
    return StoredBatch(row.id, row.order_id, row.list, row._mapping["count"], row.digest, row.taken_at)


async def batch(tx: Transaction, batch_id: UUID) -> StoredBatch | None:
    """A batch by its id; None if there is none."""
    row = (await tx.execute(select(list_batches).where(list_batches.c.id == batch_id))).one_or_none()
    return _stored(row) if row else None


async def existing_values(tx: Transaction, digests: Sequence[bytes], but: UUID | None = None) -> set[bytes]:
    """The unique values of these that a list has already, in another row than `but`."""
    found: set[bytes] = set()
    for first in range(0, len(digests), KEYS_AT_ONCE):
        wanted = list_row_keys.c.digest.in_(padded(digests[first : first + KEYS_AT_ONCE]))
        known = select(list_row_keys.c.digest, list_row_keys.c.row_id).where(wanted, list_row_keys.c.is_unique)
        if but is not None:
            known = known.where(list_row_keys.c.row_id != but)
        found |= set((await tx.execute(_taken(_first(known, "known")))).scalars())
    return found


def _first(query: Select[Any], name: str) -> CTE:
    """Evaluate this query before the rest of the statement.

    Tables that were just filled from a file have no statistics yet, so PostgreSQL expects one row on each side of a
    join and may compare all pairs. SQLite needs no hint.
    """
    return query.cte(name).prefix_with("MATERIALIZED", dialect="postgresql")


def _taken(keys: CTE) -> Select[Any]:
    """The digests that belong to rows of the list, leaving out batches that still wait for their event."""
    return (
        select(keys.c.digest)
        .join(list_rows, list_rows.c.id == keys.c.row_id)
        .join(list_batches, list_batches.c.id == list_rows.c.batch_id)
        .where(list_batches.c.taken_at.is_not(None))
    )


async def clashes(tx: Transaction, stored: StoredBatch) -> bool:
    """Whether a row of this batch has a unique value that the list has got meanwhile."""
    mine, key = list_rows.alias("mine"), list_row_keys.alias("key")
    ours = _first(
        select(key.c.digest, key.c.row_id)
        .join(mine, mine.c.id == key.c.row_id)
        .where(mine.c.order_id == stored.order_id, mine.c.list == stored.list, mine.c.batch_id == stored.id)
        .where(key.c.is_unique),
        "ours",
    )
    same = and_(list_row_keys.c.digest == ours.c.digest, list_row_keys.c.row_id != ours.c.row_id)
    theirs = select(list_row_keys.c.digest, list_row_keys.c.row_id).join(ours, same).where(list_row_keys.c.is_unique)
    return (await tx.execute(_taken(_first(theirs, "theirs")).limit(1))).first() is not None


async def add_to_list(tx: Transaction, batch_ids: Sequence[UUID], now: datetime) -> None:
    """Add these batches to their lists, at once, so that the next decision of this transaction sees their rows."""
    if batch_ids:
        await tx.execute(update(list_batches).where(list_batches.c.id.in_(padded(batch_ids))).values(taken_at=now))


async def change(tx: Transaction, place: OrderList, row_id: UUID, row: JsonObject) -> None:
    """Change a row."""
    await tx.execute(delete(list_row_keys).where(list_row_keys.c.row_id == row_id))
    sealed_row = seal_json(tx.keyring, row, LIST_ROW.of(row_id))
    await tx.execute(update(list_rows).where(list_rows.c.id == row_id).values(sealed_row=sealed_row))
    writes = Writes()
    writes.insert(list_row_keys, keys_of(tx.keyring, place, row_id, row))
    await writes.run(tx)


async def remove(tx: Transaction, row_id: UUID) -> None:
    """Delete a row."""
    await tx.execute(delete(list_row_keys).where(list_row_keys.c.row_id == row_id))
    await tx.execute(delete(list_rows).where(list_rows.c.id == row_id))


async def drop(tx: Transaction, stored: StoredBatch) -> None:
    """Delete a batch that no event has added."""
    theirs = and_(
        list_rows.c.order_id == stored.order_id, list_rows.c.list == stored.list, list_rows.c.batch_id == stored.id
    )
    await tx.execute(delete(list_row_keys).where(list_row_keys.c.row_id.in_(select(list_rows.c.id).where(theirs))))
    await tx.execute(delete(list_rows).where(theirs))
    await tx.execute(delete(list_batches).where(list_batches.c.id == stored.id))


async def delete_abandoned(tx: Transaction, before: datetime, limit: int = 10) -> int:
    """Delete batches stored before `before` that no event has added; returns how many."""
    waiting = list_batches.c.taken_at.is_(None), list_batches.c.stored_at < before
    rows = (await tx.execute(select(list_batches).where(*waiting).limit(limit))).all()
    for row in rows:
        await drop(tx, _stored(row))
    return len(rows)


def _mapping_key(keyring: Keyring, whose: Sequence[str], header: Sequence[str]) -> bytes:
    return keyring.digest("list mapping", *whose, *header)


async def remember_mapping(
    tx: Transaction, whose: Sequence[str], header: Sequence[str], mapping: Mapping[str, str], now: datetime
) -> None:
    """Remember a mapping for files with this header. `whose`: the workflow, the list, and whose files they are."""
    key = _mapping_key(tx.keyring, whose, header)
    row = {"key": key, "at": now, "sealed_mapping": seal_json(tx.keyring, mapping, LIST_MAPPING.of(key))}
    await upsert(tx, list_mappings, [row], ("at", "sealed_mapping"), ("key",))


async def remembered_mapping(tx: Transaction, whose: Sequence[str], header: Sequence[str]) -> dict[str, str]:
    """The remembered mapping for files with this header; empty if there is none."""
    key = _mapping_key(tx.keyring, whose, header)
    row = (await tx.execute(select(list_mappings).where(list_mappings.c.key == key))).one_or_none()
    return (
        msgspec.convert(unseal_json(tx.keyring, row.sealed_mapping, LIST_MAPPING.of(key)), dict[str, str])
        if row
        else {}
    )
