"""Digests by which orders are found: of attributes, words and parties. Written with each order, rebuilt for older ones.

The packs in use determine the indexed attributes (`rules_of`). When they change, all orders are indexed again, by
id. The progress is in a row of `meta`, under whose lock any process does the next chunk, so that several share the
work and a new process continues it.
"""

from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct
from sqlalchemy import Select, Table, delete, select

from service.domain.attribute_keys import filterable, keys_of
from service.domain.workflow import Workflow
from service.keyring import Keyring
from service.ledger.database.engine import padded
from service.ledger.database.sets import Writes, upsert
from service.ledger.database.tables import meta
from service.ledger.database.transaction import Transaction
from service.ledger.orders import words
from service.ledger.orders.locking import lock_by_id
from service.ledger.orders.scoping import party_digests
from service.ledger.orders.tables import order_attributes, order_parties, order_people, orders

log = structlog.get_logger(__name__)
STATE: Final = "attributes_indexed"
CHUNK: Final = 1000
# Increased when other indexed data changes (`words`, `scoping`), so that existing orders are indexed again.
WORDS: Final = 2
_START: Final = UUID(int=0)


class IndexChunk(Struct, frozen=True):
    """How many orders were indexed; `is_last`: nothing is left, or other rules are in force."""

    looked_into: int = 0
    is_last: bool = True


class _State(Struct, frozen=True):
    """Progress of the index: the rules, the last indexed order, and whether all are done."""

    rules: str
    after: UUID = _START
    is_done: bool = False


def digest_of(keyring: Keyring, workflow: str, name: str, key: str) -> bytes:
    """The digest of an attribute's value in a workflow."""
    return keyring.digest("attribute", workflow, name, key)


def digests_of(keyring: Keyring, workflow: Workflow, kept: Mapping[str, Any]) -> frozenset[bytes]:
    """The digests of an order's indexed attributes."""
    return frozenset(digest_of(keyring, workflow.name, name, key) for name, key in keys_of(workflow, kept))


def with_any_of(digests: Collection[bytes]) -> Select[Any]:
    """A query for the ids of orders with one of these digests."""
    return select(order_attributes.c.order_id).where(order_attributes.c.digest.in_(padded(sorted(digests))))


async def replace_digests(
    tx: Transaction, writes: Writes, found: Mapping[UUID, frozenset[bytes]], new: Collection[UUID] = frozenset()
) -> None:
    """Replace the attribute digests of these orders, which are locked; `new`: those without old ones.

    Old digests are deleted at once, new ones are added to `writes`.
    """
    await _replace(tx, writes, order_attributes, found, new)


async def replace_parties(
    tx: Transaction, writes: Writes, found: Mapping[UUID, frozenset[bytes]], new: Collection[UUID] = frozenset()
) -> None:
    """Replace the parties' digests of these orders, which are locked; `new`: those without old ones to delete."""
    await _replace(tx, writes, order_parties, found, new)


async def _replace(
    tx: Transaction, writes: Writes, table: Table, found: Mapping[UUID, frozenset[bytes]], new: Collection[UUID]
) -> None:
    known = [order_id for order_id in found if order_id not in new]
    if known:
        await tx.execute(delete(table).where(table.c.order_id.in_(padded(sorted(known)))))
    rows = [{"order_id": order_id, "digest": d} for order_id, digests in found.items() for d in sorted(digests)]
    writes.insert_missing(table, rows)


def rules_of(workflows: Iterable[Workflow]) -> str:
    """A digest that is equal for processes with the same indexing rules."""
    described = sorted(
        (w.name, w.timezone, sorted((a.name, a.type) for a in filterable(w).values())) for w in workflows
    )
    return sha256(msgspec.json.encode([WORDS, described])).hexdigest()[:16]


async def is_indexed(tx: Transaction, rules: str) -> bool:
    """Whether every order is indexed by these rules."""
    state = await _state(tx)
    return state is not None and state.is_done and state.rules == rules


async def begin(tx: Transaction, rules: str, *, anew: bool = False) -> None:
    """Start indexing by these rules, unless it is under way or done; `anew`: start over in any case."""
    state = await _state(tx, lock=True)
    if anew or state is None or state.rules != rules:
        await _write(tx, _State(rules))


async def index_next(tx: Transaction, workflows: Mapping[str, Workflow], rules: str) -> IndexChunk:
    """Index the next chunk of orders."""
    state = await _state(tx, lock=True)
    if state is None or state.rules != rules or state.is_done:
        return IndexChunk()
    query = select(orders.c.id, orders.c.workflow).where(orders.c.id > state.after).order_by(orders.c.id)
    rows = (await tx.execute(query.limit(CHUNK))).all()
    looked_into = 0
    if rows:
        wanted = [row.id for row in rows if row.workflow in workflows]
        looked_into = len(wanted)
        await _index(tx, workflows, wanted, (state.after, rows[-1].id))
    is_done = len(rows) < CHUNK
    await _write(tx, msgspec.structs.replace(state, after=rows[-1].id if rows else state.after, is_done=is_done))
    if is_done:
        log.info("attributes.indexed")
    return IndexChunk(looked_into, is_done)


async def _index(
    tx: Transaction, workflows: Mapping[str, Workflow], wanted: list[UUID], span: tuple[UUID, UUID]
) -> None:
    """Index these orders, under lock."""
    known = await lock_by_id(tx, wanted)
    by_value = {o.id: digests_of(tx.keyring, workflows[o.workflow], o.attributes) for o in known.values()}
    by_party = {o.id: party_digests(tx.keyring, o) for o in known.values()}
    unreadable = set(wanted) - known.keys()
    writes = Writes()
    named = [{"digest": d, "order_id": o.id} for o in known.values() for d in words.digests_of(tx.keyring, o)]
    writes.insert_missing(order_people, named)
    for table, right in ((order_attributes, by_value), (order_parties, by_party)):
        changed = await _changed(tx, table, right, span)
        await _replace(tx, writes, table, {i: d for i, d in changed.items() if i not in unreadable}, frozenset())
    await writes.run(tx)


async def _changed(
    tx: Transaction, table: Table, right: Mapping[UUID, frozenset[bytes]], span: tuple[UUID, UUID]
) -> dict[UUID, frozenset[bytes]]:
    """The orders of this chunk whose rows in this table are wrong, with the right digests."""
    beyond, last = span
    query = select(table).where(table.c.order_id > beyond, table.c.order_id <= last)
    there: dict[UUID, set[bytes]] = {}
    for row in await tx.execute(query):
        there.setdefault(row.order_id, set()).add(bytes(row.digest))
    none: frozenset[bytes] = frozenset()
    return {i: right.get(i, none) for i in there.keys() | right.keys() if there.get(i, none) != right.get(i, none)}


async def _state(tx: Transaction, *, lock: bool = False) -> _State | None:
    query = select(meta.c.value).where(meta.c.key == STATE)
    value = (await tx.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
    return msgspec.json.decode(value, type=_State) if value else None


async def _write(tx: Transaction, state: _State) -> None:
    row = {"key": STATE, "value": msgspec.json.encode(state).decode()}
    await upsert(tx, meta, [row], ("value",), ("key",))
