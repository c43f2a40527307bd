"""Rows for lists of orders: checked and stored with their event, or taken from those stored before.

What is decided, recorded and published says how many rows there were and by which digest they are known, never what is
in them.
"""

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from service.domain.errors import Rejection
from service.domain.events import Event
from service.domain.json_object import JsonObject
from service.domain.lists import ListGiven, ListSpec
from service.domain.order import Order, OrderRef
from service.domain.transitions import require_known
from service.domain.unknown_fields import step
from service.domain.workflow import Workflow
from service.intake.decoding import Incoming, RowEdit
from service.ledger.database.engine import new_uuid
from service.ledger.lists import reading, writing
from service.ledger.lists.writing import OrderList, StoredBatch
from service.lists.checking import Checker, Mistakes
from service.orders import Orders
from service.pacing import aside
from service.unit_of_work import UnitOfWork

# So many mistakes of an event are told; all are counted.
MOST_TOLD: Final = 5
# The topic that wakes the greeter of new rows' people.
ROWS: Final = "rows"


class New(Struct, frozen=True):
    """Rows that came with an event."""

    id: UUID
    spec: ListSpec
    rows: tuple[JsonObject, ...]
    digest: bytes


class Edit(Struct, frozen=True):
    """What a row says from now on; None: it is gone."""

    spec: ListSpec
    row_id: UUID
    values: JsonObject | None


class EventRows(Struct, frozen=True):
    """An event without its rows, and what becomes of those once it is taken."""

    event: Event
    new: tuple[New, ...] = ()
    taken: tuple[StoredBatch, ...] = ()
    edits: tuple[Edit, ...] = ()


class ListRows:
    """Looks at what a batch of events brings to lists; `claimed`: unique values that the batch itself has brought."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._claimed: set[bytes] = set()

    async def listed(self, u: UnitOfWork, incoming: Incoming, event: Event) -> EventRows:
        """Check all rows of an event; raises Rejection that names the mistakes, and then nothing is taken."""
        ref = OrderRef(event.data.workflow, event.reference)
        known = u.order(ref)
        pack = self._orders.packs.find(ref.workflow, known.version if known else "")
        if pack is None:
            return EventRows(event)
        new: list[New] = []
        taken: list[StoredBatch] = []
        edits: list[Edit] = []
        checked: dict[str, ListGiven] = {}
        for name, given in event.data.lists.items():
            where = step("data.lists", name)
            require_known("list", name, pack.workflow.lists, where)
            spec = pack.workflow.lists[name]
            if not incoming.acted:
                new.append(await self._new(u, where, ref, spec, given, pack.workflow))
                checked[name] = ListGiven((), str(new[-1].id), new[-1].digest.hex(), len(given.rows))
                continue
            checked[name] = given
            if given.change == "added":
                taken.append(await self._stored(u, where, spec, given, known))
            else:
                edit = _edit_of(incoming.acted.edits, name, given)
                edits.append(await self._edit(u, where, ref, spec, edit, known, pack.workflow))
        event = structs.replace(event, data=structs.replace(event.data, lists=checked))
        return EventRows(event, tuple(new), tuple(taken), tuple(edits))

    async def _new(
        self, u: UnitOfWork, where: str, ref: OrderRef, spec: ListSpec, given: ListGiven, workflow: Workflow
    ) -> New:
        if given.id or given.digest or given.count or given.change != "added":
            raise Rejection(f"{where}: only Stagebell names rows that are stored; send the rows themselves")
        checker = Checker(spec, workflow.region)
        rows = tuple(row for n, raw in enumerate(given.rows) if (row := checker.row(n, raw)) is not None)
        _refuse(where, checker.mistakes)
        await self._refuse_doubles(u, where, ref, spec, rows)
        return New(new_uuid(), spec, rows, _digest(rows))

    async def _refuse_doubles(
        self, u: UnitOfWork, where: str, ref: OrderRef, spec: ListSpec, rows: tuple[JsonObject, ...]
    ) -> None:
        if not spec.unique:
            return
        keyring = self._orders.keyring
        digests = [writing.unique_digests(keyring, ref, spec, row) for row in rows]
        there = await writing.existing_values(u.tx, [d for found in digests for d in found.values()]) | self._claimed
        mistakes = Mistakes()
        for n, found in enumerate(digests):
            for column, digest in found.items():
                if digest in there:
                    mistakes.add(n, column, "is in the list already, and must not be twice")
        _refuse(where, mistakes)
        self._claimed |= {d for found in digests for d in found.values()}

    async def _stored(
        self, u: UnitOfWork, where: str, spec: ListSpec, given: ListGiven, known: Order | None
    ) -> StoredBatch:
        """Rows that wait to be taken by this event."""
        stored = await writing.batch(u.tx, UUID(given.id))
        if stored is None or known is None or (stored.order_id, stored.list) != (known.id, spec.name) or stored.taken:
            raise Rejection(f"{where}: its rows are not stored any more; send them again")
        if spec.unique and await writing.clashes(u.tx, stored):
            raise Rejection(f"{where}: the same rows were added meanwhile; send these again to see which")
        return stored

    async def _edit(
        self,
        u: UnitOfWork,
        where: str,
        ref: OrderRef,
        spec: ListSpec,
        edit: RowEdit,
        known: Order | None,
        workflow: Workflow,
    ) -> Edit:
        if known is None or await reading.find_row(u.tx, known.id, spec.name, edit.row_id) is None:
            raise Rejection(f"{where}: there is no such row any more")
        if edit.values is None:
            return Edit(spec, edit.row_id, None)
        checker = Checker(spec, workflow.region)
        row = checker.row(0, edit.values)
        _refuse(where, checker.mistakes)
        assert row is not None
        unique = writing.unique_digests(self._orders.keyring, ref, spec, row)
        there = await writing.existing_values(u.tx, list(unique.values()), but=edit.row_id)
        doubled = next((name for name, digest in unique.items() if digest in there), "")
        if doubled:
            raise Rejection(f"{where}.{doubled}: another row has the same, and must not")
        return Edit(spec, edit.row_id, row)

    async def write(self, u: UnitOfWork, listed: EventRows) -> None:
        """Keep it with the event, which was decided."""
        ref = OrderRef(listed.event.data.workflow, listed.event.reference)
        order = u.order(ref)
        assert order is not None
        for new in listed.new:
            place = OrderList(order.id, ref, new.spec)
            row = writing.batch_row(new.id, place, len(new.rows), new.digest, u.now, u.now)
            prepared = await aside(partial(writing.prepare, self._orders.keyring, place, new.id, new.rows))
            await writing.begin(u.tx, row)
            await writing.store(u.tx, prepared)
        await writing.add_to_list(u.tx, [stored.id for stored in listed.taken], u.now)
        for edit in listed.edits:
            if edit.values is None:
                await writing.remove(u.tx, edit.row_id)
            else:
                await writing.change(u.tx, OrderList(order.id, ref, edit.spec), edit.row_id, edit.values)
        u.changes.woken.add(ROWS)


def _edit_of(edits: tuple[RowEdit, ...], name: str, given: ListGiven) -> RowEdit:
    return next(e for e in edits if (e.list, str(e.row_id)) == (name, given.id))


def _digest(rows: tuple[JsonObject, ...]) -> bytes:
    return sha256(b"".join(msgspec.json.encode(row, order="sorted") + b"\n" for row in rows)).digest()


def digest_of(row: Mapping[str, object]) -> str:
    """By what an event names one row."""
    return sha256(msgspec.json.encode(row, order="sorted") + b"\n").hexdigest()


def _refuse(where: str, mistakes: Mistakes) -> None:
    """Raises Rejection with the first of them, and how many there are."""
    if not mistakes.count:
        return
    lines = [
        f"{step(f'{where}.rows[{m.row}]', m.column) if m.column else f'{where}.rows[{m.row}]'}: {m.problem}"
        for m in mistakes.shown[:MOST_TOLD]
    ]
    more = mistakes.count - len(lines)
    raise Rejection("; ".join([*lines, *([f"and {more} more mistakes"] if more else [])]))
