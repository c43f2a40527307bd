"""Importing rows into a list: checked as a whole, stored in portions, then taken by one event."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from aiohttp import web
from msgspec import Struct

from service.domain.errors import NotNow
from service.domain.json_object import JsonObject
from service.domain.lists import ListSpec
from service.domain.order import Order
from service.domain.workflow import Workflow
from service.intake.acts import API, DESK
from service.intake.cloudevents import STRUCTURED
from service.intake.decoding import Acted, Incoming, RowEdit
from service.intake.lists import digest_of
from service.intake.verdicts import Verdict
from service.ledger.database.engine import new_uuid
from service.ledger.database.faults import is_outage
from service.ledger.lists import writing
from service.ledger.lists.writing import OrderList
from service.ledger.orders.locking import find
from service.lists.cells import kind_of
from service.lists.checking import Checker, Mistakes
from service.lists.files import CheckedRows, FileRead, open_file, read_rows
from service.orders import NoSuchOrder
from service.pacing import aside
from service.runtime.loops import log_failure
from service.web.auth import roles_of, scope_of
from service.web.context import CALLER, CONTEXT
from service.web.orders import order_ref
from service.web.own_events import event_by
from service.web.party_view import actor_of, lists_for, viewer_of
from service.web.problems import Problem
from service.web.uploads import Upload

log = structlog.get_logger(__name__)
STORED_AT_ONCE: Final = 1000
# How many files are read and stored at the same time, each by a thread; others wait.
AT_ONCE: Final = 2
TABS: Final = ("text/tab-separated-values", "text/plain")
_beside: Final[set[asyncio.Task[None]]] = set()
TURNS: Final = web.AppKey("list_files", asyncio.Semaphore)


class OfOrder(Struct, frozen=True):
    """A list of an order, as the path names it."""

    order: Order
    workflow: Workflow
    spec: ListSpec

    @property
    def place(self) -> OrderList:
        """The list's place in the ledger."""
        return OrderList(self.order.id, self.order.ref, self.spec)


async def list_of(request: web.Request, name: str = "") -> OfOrder:
    """The order's list of this name, else the one that the path names; raises NoSuchOrder, Problem."""
    context, name = request.app[CONTEXT], name or request.match_info["list"]
    async with context.orders.ledger.reading() as tx:
        order = await find(tx, *order_ref(request), scope=scope_of(request))
    if order is None:
        raise NoSuchOrder
    workflow = context.orders.packs.for_order(order.workflow, order.version).workflow
    theirs = lists_for(request, workflow)
    if name not in theirs:
        known = ", ".join(theirs) or "none"
        raise Problem(404, "No such list", f"orders of {workflow.name} have no list of this name; known: {known}")
    return OfOrder(order, workflow, theirs[name])


def require_may_change(request: web.Request, of: OfOrder) -> None:
    """Raises Problem, NotNow where the caller may not change this list, or not now."""
    if not of.spec.roles & roles_of(request[CALLER]):
        raise Problem(403, "Not allowed", f"{of.spec.name} is changed by {' and '.join(sorted(of.spec.roles))}")
    if of.order.status not in of.spec.statuses:
        raise NotNow(f"{of.spec.name} is not changed in {of.order.status!r}")


async def checked_file(request: web.Request, of: OfOrder, upload: Upload, chosen: Mapping[str, str]) -> FileRead:
    """The rows of a file, and all that is wrong with it."""
    ledger = request.app[CONTEXT].orders.ledger
    tabs = upload.type in TABS or upload.name.lower().endswith((".txt", ".tsv", ".tab"))
    async with request.app[TURNS]:
        opened = await aside(partial(open_file, upload.file, tabs, upload.charset))
        async with ledger.reading() as tx:
            before = await writing.remembered_mapping(tx, _kept_for(request, of), opened.read.header)
        read = await aside(partial(read_rows, opened, of.spec, chosen, before, of.workflow.region))
    if not read.mistakes.count:
        await _find_doubles(request, of, read.rows, read.mistakes, read.mapping)
    return read


async def checked_rows(request: web.Request, of: OfOrder, rows: Sequence[JsonObject]) -> FileRead:
    """As `checked_file`, for rows that came as JSON; the first is row 1."""
    read = FileRead([], {}, CheckedRows(), Mistakes())
    checker = Checker(of.spec, of.workflow.region)
    read.mistakes = checker.mistakes

    def check() -> None:
        for n, raw in enumerate(rows, 1):
            if (row := checker.row(n, raw)) is not None:
                read.rows.add(n, row)

    await aside(check)
    if not read.mistakes.count:
        await _find_doubles(request, of, read.rows, read.mistakes, {})
    return read


async def _find_doubles(
    request: web.Request, of: OfOrder, rows: CheckedRows, mistakes: Mistakes, mapping: Mapping[str, str]
) -> None:
    """Find rows whose unique values the list has already."""
    if not of.spec.unique:
        return
    named = {column: name for name, column in mapping.items()}
    orders = request.app[CONTEXT].orders
    batches = rows.batches(STORED_AT_ONCE)
    while batch := await aside(partial(_digested, batches, orders.keyring, of)):
        async with orders.ledger.reading() as tx:
            there = await writing.existing_values(tx, [d for _, found in batch for d in found.values()])
        for n, found in batch:
            for column, digest in found.items():
                if digest in there:
                    mistakes.add(n, named.get(column, column), "is in the list already, and must not be twice")


def _digested(batches: Any, keyring: Any, of: OfOrder) -> list[tuple[int, dict[str, bytes]]]:
    return [(n, writing.unique_digests(keyring, of.order.ref, of.spec, row)) for n, row in next(batches, ())]


def refuse(read: FileRead) -> None:
    """Raises Problem if anything is wrong; then nothing is taken."""
    count = read.mistakes.count
    if not count:
        return
    first = read.mistakes.shown[0]
    where = f"row {first.row}, {first.column}" if first.column else f"row {first.row}" if first.row else "the file"
    detail = f"{count} mistakes, and nothing was taken" if count > 1 else "nothing was taken"
    raise Problem(
        422, "Not accepted", f"{detail}: {where}: {first.problem}", errors=read.mistakes.shown, error_count=count
    )


async def store(request: web.Request, of: OfOrder, rows: CheckedRows, batch_id: UUID) -> None:
    """Store the rows in portions, so that others can use the database in between; they are not visible yet."""
    orders = request.app[CONTEXT].orders
    async with orders.ledger.transaction() as tx:
        now = orders.time.now()
        await writing.begin(tx, writing.batch_row(batch_id, of.place, rows.count, rows.digest, now, None))
    batches = rows.batches(STORED_AT_ONCE)

    def prepared() -> writing.PreparedRows | None:
        batch = next(batches, None)
        return writing.prepare(orders.keyring, of.place, batch_id, (row for _, row in batch)) if batch else None

    while (some := await aside(prepared)) is not None:
        async with orders.ledger.transaction() as tx:
            await writing.store(tx, some)


async def take(request: web.Request, of: OfOrder, batch_id: UUID, rows: CheckedRows) -> Verdict:
    """Take the event that makes stored rows part of their list; raises Problem."""
    given = {"id": str(batch_id), "digest": rows.digest.hex(), "count": rows.count}
    return await _taken(request, of, given, Acted(None))


async def edit(request: web.Request, of: OfOrder, row_id: UUID, values: JsonObject | None) -> Verdict:
    """Take the event that changes or removes a row; raises Problem."""
    change = "removed" if values is None else "changed"
    digest = "" if values is None else digest_of(values)
    given = {"id": str(row_id), "digest": digest, "count": 1, "change": change}
    return await _taken(request, of, given, Acted(None, (RowEdit(of.spec.name, row_id, values),)))


async def _taken(request: web.Request, of: OfOrder, given: JsonObject, acted: Acted) -> Verdict:
    data = {"workflow": of.order.workflow, "lists": {of.spec.name: given}, "actor": actor_of(request, of.order)}
    source = DESK if request[CALLER].session_id else API
    body = event_by(request, of.order.ref, "order.updated", data, source)
    try:
        intake = request.app[CONTEXT].intake
        (verdict,) = await intake.take(
            [Incoming(body, STRUCTURED, acted=acted, scope=scope_of(request))], dead_letter=False
        )
    except Exception as error:
        if is_outage(error):
            raise Problem(503, "Unavailable", "the database did not answer; do it again") from error
        raise
    if verdict.outcome == "rejected":
        raise Problem(422, "Not accepted", verdict.reason.replace("data.lists.", ""))
    return verdict


async def store_and_take(request: web.Request, of: OfOrder, read: FileRead, batch_id: UUID) -> None:
    """Store rows and take them; raises Problem, and then nothing of them stays."""
    try:
        await store(request, of, read.rows, batch_id)
        await take(request, of, batch_id, read.rows)
    except BaseException:
        await asyncio.shield(_drop(request, batch_id))
        raise


def add_beside(request: web.Request, of: OfOrder, read: FileRead, batch_id: UUID) -> None:
    """Store and take rows in the background; their progress is found by the import's id."""

    async def add() -> None:
        try:
            await store_and_take(request, of, read, batch_id)
        except Problem as problem:
            details = {"order_id": of.order.reference, "list": of.spec.name, "batch": str(batch_id)}
            log.warning("rows.refused", **details, why=problem.title)
        except Exception as error:
            # Nobody waits for this: a question about its progress is answered with "no such import".
            log_failure("rows", error)
        finally:
            read.rows.close()

    task = asyncio.create_task(add())
    _beside.add(task)
    task.add_done_callback(_beside.discard)


async def _drop(request: web.Request, batch_id: UUID) -> None:
    async with request.app[CONTEXT].orders.ledger.transaction() as tx:
        stored = await writing.batch(tx, batch_id)
        if stored is not None and stored.taken is None:
            await writing.drop(tx, stored)


async def remember(request: web.Request, of: OfOrder, read: FileRead, chosen: Mapping[str, str]) -> None:
    """Remember a mapping that somebody had to give, for the next file with the same header."""
    if not chosen:
        return
    orders = request.app[CONTEXT].orders
    async with orders.ledger.transaction() as tx:
        await writing.remember_mapping(tx, _kept_for(request, of), read.header, read.mapping, orders.time.now())


def _kept_for(request: web.Request, of: OfOrder) -> tuple[str, ...]:
    """Whose mappings are shared: those of all staff, and those of each party."""
    viewer = viewer_of(request)
    # Joined with line ends, which no header name contains.
    whose = ["\n".join((viewer.role, *sorted(viewer.scope.ids_of(viewer.role))))] if viewer else []
    return (of.workflow.name, of.spec.name, *whose)


def new_batch() -> UUID:
    """An id for rows that come together."""
    return new_uuid()


def is_file(head: bytes, media_type: str) -> bool:
    """Whether a body is a file of rows by its first bytes or by what its sender calls it."""
    return media_type != "application/json" or kind_of(head) != "text"
