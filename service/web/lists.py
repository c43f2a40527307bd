"""`/v1/orders/{workflow}/{order_id}/lists/{list}`: rows read, added (as JSON or a file), changed and exported."""

import re
from functools import partial
from typing import IO, Final
from uuid import UUID

import msgspec
from aiohttp import web

from service.domain.errors import Rejection
from service.domain.lists import ExportFormat
from service.domain.repeated_keys import refuse_repeated_keys
from service.ledger.auditing.lines import write_audit
from service.ledger.database.engine import new_uuid
from service.ledger.lists import exports, reading, writing
from service.ledger.lists.reading import StoredRow
from service.ledger.messages import outbox
from service.lists.exporting import MEDIA, writer_of
from service.lists.files import FileRead
from service.mail_address import canonical_mail
from service.pacing import aside
from service.web import row_imports
from service.web.audited import audit_line, noted
from service.web.context import CONTEXT
from service.web.params import answer, body_of, uuid_of
from service.web.problems import Problem
from service.web.queries import query_of
from service.web.query_types import AddRowsQuery, RowsQuery
from service.web.row_imports import OfOrder, list_of
from service.web.schemas.lists import (
    ColumnShown,
    ListPage,
    RowChange,
    RowChanged,
    RowsChecked,
    RowShown,
    RowsMail,
    RowsMailed,
    RowsOrder,
    RowsTaken,
)
from service.web.uploads import Upload, body_file, once_by_file

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"


async def get_rows(request: web.Request) -> web.StreamResponse:
    """A page of an order's list; `format=csv`, `format=xlsx` or such an `Accept` gives all of it as a file."""
    q, of = query_of(request, RowsQuery), await list_of(request)
    if wanted := q.format or _accepted(request):
        return await exported(request, of, wanted)
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        rows = await reading.page(tx, of.order.id, of.spec.name, q.limit + 1, after=after_of(q.cursor), since=q.since)
        count = await reading.count(tx, of.order.id, of.spec.name)
    more = len(rows) > q.limit
    page_rows = rows[: q.limit]
    return answer(page_of(of, page_rows, count, page_rows[-1].id.hex if more else ""))


def _accepted(request: web.Request) -> ExportFormat | None:
    """The table that the caller asks for by `Accept` (RFC 9110, §12.5.1)."""
    accepted = request.headers.get("Accept", "")
    for kind, media in MEDIA.items():
        if media in accepted and JSON not in accepted:
            return kind
    return None


def after_of(cursor: str) -> UUID | None:
    """The row after which the page begins; raises Rejection."""
    try:
        return UUID(cursor) if cursor else None
    except ValueError:
        raise Rejection("cursor: is not from a page of rows; leave it out to start again") from None


def page_of(of: OfOrder, rows: list[StoredRow], count: int, cursor: str) -> ListPage:
    """A page of a list."""
    locale = of.workflow.default_locale
    columns = [
        ColumnShown(name, of.spec.title_of(name, locale), c.type, c.required, c.personal, c.unique, list(c.choices))
        for name, c in of.spec.columns.items()
    ]
    title = of.spec.titles.get(locale, of.spec.name.replace("_", " "))
    lines = [RowShown(str(r.id), r.added, r.values) for r in rows]
    return ListPage(of.spec.name, title, columns, count, lines, cursor)


async def exported(request: web.Request, of: OfOrder, kind: ExportFormat) -> web.Response:
    """All rows as a file, or those since a day; the file is written row by row before it is sent."""
    q, orders = query_of(request, RowsQuery), request.app[CONTEXT].orders
    writer = writer_of(kind, of.spec)
    count = 0
    async for rows in reading.all_rows(orders.ledger, of.order.id, of.spec.name, q.since):
        await aside(partial(writer.add, [(r.added, r.values) for r in rows]))
        count += len(rows)
    noted(request, "rows.exported", rows=count)
    file: IO[bytes] = await aside(writer.finish)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{of.order.reference}-{of.spec.name}")[:80]
    headers = {"Content-Disposition": f'attachment; filename="{name}-{orders.time.now():%Y-%m-%d}.{kind}"'}
    return web.Response(body=file, content_type=MEDIA[kind], headers=headers)


async def post_rows(request: web.Request) -> web.StreamResponse:
    """Add rows: as JSON, or a file (CSV, text with tabs, XLSX, XLS); `dry_run` only says what it would add.

    A file's first row names its columns: by a column's name or title, or as `map.NAME=column` says, which is remembered
    for the next file with the same header. Every mistake is answered with its row and column, and then nothing is
    taken. `Prefer: respond-async` answers at once (202), with where to look how far it is.
    """
    of = await list_of(request)
    row_imports.require_may_change(request, of)
    if request.content_type == FORM and request.can_read_body:
        detail = (
            "send rows as application/json, text/csv, text/tab-separated-values or a workbook of Excel, by its type"
        )
        raise Problem(415, "Unsupported media type", detail)
    async with body_file(request) as upload:
        return await once_by_file(request, upload, partial(_post, of=of, upload=upload))


async def _post(request: web.Request, of: OfOrder, upload: Upload) -> web.StreamResponse:
    q = query_of(request, AddRowsQuery)
    head = upload.file.read(8)
    upload.file.seek(0)
    if row_imports.is_file(head, upload.type) and upload.size:
        read = await row_imports.checked_file(request, of, upload, q.map)
    else:
        read = await row_imports.checked_rows(request, of, _order_of(upload).rows)
    if q.dry_run:
        noted(request, "rows.checked")
        read.rows.close()
        return answer(checked(read))
    row_imports.refuse(read)
    await row_imports.remember(request, of, read, q.map)
    return await added(request, of, read)


async def added(request: web.Request, of: OfOrder, read: FileRead) -> web.Response:
    """Add rows that were checked; raises Problem."""
    batch_id = row_imports.new_batch()
    noted(request, rows=read.rows.count)
    if "respond-async" in request.headers.get("Prefer", ""):
        # RFC 7240, §4.1: the caller does not wait for it.
        row_imports.add_beside(request, of, read, batch_id)
        where = f"{request.rel_url.raw_path}/imports/{batch_id}"
        return answer(_taken(of, read, batch_id, 0), 202, {"Location": where})
    try:
        await row_imports.store_and_take(request, of, read, batch_id)
    finally:
        read.rows.close()
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        count = await reading.count(tx, of.order.id, of.spec.name)
    return answer(_taken(of, read, batch_id, count), 201)


def _taken(of: OfOrder, read: FileRead, batch_id: UUID, count: int) -> RowsTaken:
    return RowsTaken(
        id=str(batch_id),
        list=of.spec.name,
        state="taken" if count else "storing",
        added=read.rows.count,
        stored=read.rows.count if count else 0,
        digest=read.rows.digest.hex(),
        count=count,
        mapping=read.mapping,
        warnings=read.unseen.warnings,
    )


def _order_of(upload: Upload) -> RowsOrder:
    """The rows of a JSON body: an object with them, or the bare array; raises Problem."""
    raw = upload.file.read() or b"{}"
    try:
        order = msgspec.json.decode(b'{"rows":' + raw + b"}" if raw.lstrip()[:1] == b"[" else raw, type=RowsOrder)
        refuse_repeated_keys(raw)
        return order
    except msgspec.ValidationError as error:
        raise Problem(422, "Not accepted", str(error).replace("`$.", "`")) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "Not readable", f"the body is not JSON: {error}") from None


def checked(read: FileRead) -> RowsChecked:
    """The findings about a file of which nothing is taken yet."""
    return RowsChecked(
        dry_run=True,
        rows=read.rows.count,
        header=read.header,
        mapping=read.mapping,
        sample=read.rows.sample,
        errors=read.mistakes.shown,
        error_count=read.mistakes.count,
        warnings=read.unseen.warnings,
    )


async def get_import(request: web.Request) -> web.StreamResponse:
    """The progress of an import: rows are stored one after the other, then taken all at once."""
    of, batch_id = await list_of(request), uuid_of(request.match_info["id"], "import")
    return answer(await state_of(request, of, batch_id))


async def state_of(request: web.Request, of: OfOrder, batch_id: UUID) -> RowsTaken:
    """The progress of an import; raises Problem."""
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        stored = await writing.batch(tx, batch_id)
        if stored is None or (stored.order_id, stored.list) != (of.order.id, of.spec.name):
            raise Problem(404, "No such import", "there is no import with this id: it was refused, or never started")
        rows = stored.count if stored.taken else await reading.count_stored(tx, of.order.id, of.spec.name, batch_id)
        count = await reading.count(tx, of.order.id, of.spec.name)
    return RowsTaken(
        id=str(stored.id),
        list=stored.list,
        state="taken" if stored.taken else "storing",
        added=stored.count,
        stored=rows,
        digest=stored.digest.hex(),
        count=count,
    )


async def change_row(request: web.Request) -> web.StreamResponse:
    """Replace a row's values."""
    of, body = await list_of(request), await body_of(request, RowChange)
    row_imports.require_may_change(request, of)
    row_id = uuid_of(request.match_info["id"], "row")
    await row_imports.edit(request, of, row_id, body.values)
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        row = await reading.find_row(tx, of.order.id, of.spec.name, row_id)
    assert row is not None
    return answer(RowChanged(str(row.id), row.values))


async def remove_row(request: web.Request) -> web.StreamResponse:
    """Remove a row."""
    of = await list_of(request)
    row_imports.require_may_change(request, of)
    await row_imports.edit(request, of, uuid_of(request.match_info["id"], "row"), None)
    return web.Response(status=204)


async def mail_rows(request: web.Request) -> web.StreamResponse:
    """Mail an order's rows to an address, now: a small table is attached, a large one or a workbook is linked to."""
    of, body = await list_of(request), await body_of(request, RowsMail)
    context = request.app[CONTEXT]
    now = context.orders.time.now()
    try:
        email = canonical_mail(body.email)
    except ValueError as error:
        raise Rejection(f"email: {error}") from None
    noted(request, people=[email])
    line = audit_line(request, "rows.mailed", *of.order.ref, list=of.spec.name)
    since = body.since or of.order.created
    wanted = exports.RowsExport(of.order, of.workflow, of.spec, min(since, now), now, body.format, new_uuid().hex)
    async with context.orders.ledger.transaction() as tx:
        mails = await exports.mails(tx, wanted, [email], context.settings.public_url, now)
        await outbox.put(tx, mails, now)
        await write_audit(tx, [line], now)
    context.orders.wakeups.wake({"relay"})
    return answer(RowsMailed(len(mails)), 202)
