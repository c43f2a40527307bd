"""A list of an order at the desk: paging, adding, changing and removing rows, and importing files."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

from aiohttp import web
from msgspec import Struct

from service.domain.lists import Column, ColumnType
from service.ledger.lists import reading
from service.lists.values import cell_of
from service.web import row_imports
from service.web.audited import noted
from service.web.auth import roles_of
from service.web.context import CALLER, CONTEXT
from service.web.desk.orders import path_of
from service.web.desk.page import render
from service.web.lists import after_of, checked, state_of
from service.web.once import once_by_form
from service.web.page_query_types import RowsPageQuery
from service.web.params import form_of, uuid_of
from service.web.problems import Problem
from service.web.queries import query_of
from service.web.row_imports import OfOrder, list_of
from service.web.schemas.lists import RowsChecked
from service.web.uploads import Upload, form_file

SHOWN: Final = 50
# More rows are added in the background, while the page shows the progress.
AT_ONCE: Final = 5000
_INPUTS: Final = {"number": "number", "date": "date", "email": "email", "phone": "tel"}


def list_path(of: OfOrder) -> str:
    """Where a list of an order stands on the desk."""
    return f"{path_of(*of.order.ref)}/lists/{quote(of.spec.name, safe='')}"


async def rows(request: web.Request) -> web.StreamResponse:
    """A page of a list."""
    return await _page(request, await list_of(request))


async def _page(request: web.Request, of: OfOrder, found: RowsChecked | None = None, status: int = 200) -> web.Response:
    q = query_of(request, RowsPageQuery) if request.method == "GET" else RowsPageQuery()
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        some = await reading.page(tx, of.order.id, of.spec.name, SHOWN + 1, after=after_of(q.cursor))
        count = await reading.count(tx, of.order.id, of.spec.name)
    locale = of.workflow.default_locale
    may = bool(of.spec.roles & roles_of(request[CALLER])) and of.order.status in of.spec.statuses
    values = {
        "o": of.order,
        "order_path": path_of(*of.order.ref),
        "base": list_path(of),
        "api": f"/v1{list_path(of).removeprefix('/desk')}",
        "title": of.spec.titles.get(locale, of.spec.name.replace("_", " ")),
        "columns": [_field(c, of.spec.title_of(c.name, locale)) for c in of.spec.columns.values()],
        "rows": [{"id": r.id, "added": r.added, "cells": _cells(of, r.values)} for r in some[:SHOWN]],
        "count": count,
        "next": some[SHOWN - 1].id.hex if len(some) > SHOWN else "",
        "may": may,
        "found": found,
        "first": _first(found),
        "chosen": {},
        "importing": q.importing,
        "unseen": q.unseen,
        "mapping": _open_headers(of, found),
    }
    return await render(request, "list.html.j2", values, here="/desk/orders", status=status)


class ColumnField(Struct, frozen=True):
    """A column as a field of a form. `type`: as HTML names kinds of inputs; `kind`: the column's own type."""

    name: str
    title: str
    type: str
    kind: ColumnType
    required: bool
    choices: Sequence[str]


def _field(column: Column, title: str) -> ColumnField:
    kind = _INPUTS.get(column.type, "text")
    return ColumnField(column.name, title, kind, column.type, column.required, column.choices)


def _cells(of: OfOrder, values: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    return {name: cell_of(values.get(name)) for name in of.spec.columns}


def _first(found: RowsChecked | None) -> list[Any]:
    """The first row that a file would bring, as a table shows it."""
    return [cell_of(value) for value in found.sample[0].values()] if found and found.sample else []


def _open_headers(of: OfOrder, found: RowsChecked | None) -> list[str]:
    """The file's columns, where some may still have to be mapped by hand."""
    return [name for name in found.header if name] if found and found.error_count else []


async def change(request: web.Request) -> web.StreamResponse:
    """Add a row, change one or remove one, and show the list again."""
    return await once_by_form(request, _change)


async def _change(request: web.Request) -> web.StreamResponse:
    of, form = await list_of(request), await form_of(request)
    row_imports.require_may_change(request, of)
    values = {name: form[f"c.{name}"] for name in of.spec.columns if form.get(f"c.{name}", "").strip()}
    if form.get("row"):
        row_id = uuid_of(form["row"], "row")
        removes = form.get("act") == "remove"
        noted(request, "row.removed" if removes else "row.changed")
        await row_imports.edit(request, of, row_id, None if removes else values)
    else:
        read = await row_imports.checked_rows(request, of, [values])
        row_imports.refuse(read)
        await row_imports.store_and_take(request, of, read, row_imports.new_batch())
        read.rows.close()
    raise web.HTTPSeeOther(list_path(of))


async def upload(request: web.Request) -> web.StreamResponse:
    """Check a file, or add its rows; errors are shown by row and column, and then nothing is taken."""
    of = await list_of(request)
    row_imports.require_may_change(request, of)
    form = await form_of(request, files=True)
    file = await form_file(request, "file")
    chosen = {name.removeprefix("map."): column for name, column in form.items() if name.startswith("map.") and column}
    chosen = {name: "" if column == "-" else column for name, column in chosen.items()}
    if form.get("act") == "check":
        noted(request, "rows.checked")
        read = await row_imports.checked_file(request, of, file, chosen)
        read.rows.close()
        found = checked(read)
        mapping = _open_headers(of, found)
        # The chosen mapping is sent again when the rows are added.
        values = {"found": found, "first": _first(found), "mapping": mapping, "columns": _choices(of), "chosen": chosen}
        return await render(request, "list_checked.html.j2", values)
    return await once_by_form(request, partial(_add_file, of=of, file=file, chosen=chosen))


def _choices(of: OfOrder) -> list[ColumnField]:
    return [_field(c, of.spec.title_of(c.name, of.workflow.default_locale)) for c in of.spec.columns.values()]


async def _add_file(request: web.Request, of: OfOrder, file: Upload, chosen: dict[str, str]) -> web.StreamResponse:
    read = await row_imports.checked_file(request, of, file, chosen)
    if read.mistakes.count:
        read.rows.close()
        return await _page(request, of, checked(read), 422)
    await row_imports.remember(request, of, read, chosen)
    batch_id = row_imports.new_batch()
    query: dict[str, str] = {"unseen": str(read.unseen.count)} if read.unseen.count else {}
    if read.rows.count > AT_ONCE:
        row_imports.add_beside(request, of, read, batch_id)
        raise web.HTTPSeeOther(f"{list_path(of)}?{urlencode({'importing': batch_id, **query})}")
    try:
        await row_imports.store_and_take(request, of, read, batch_id)
    finally:
        read.rows.close()
    raise web.HTTPSeeOther(f"{list_path(of)}?{urlencode(query)}" if query else list_path(of))


async def progress(request: web.Request) -> web.StreamResponse:
    """The progress of an import, for the list page's refresh."""
    of, batch_id = await list_of(request), uuid_of(request.match_info["id"], "import")
    try:
        state = await state_of(request, of, batch_id)
    except Problem:
        state = None
    return await render(request, "list_progress.html.j2", {"state": state, "base": list_path(of)})
