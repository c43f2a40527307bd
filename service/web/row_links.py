"""`/l/{token}`: rows that a mail links to, as a download, while the link is valid."""

from functools import partial
from typing import IO

from aiohttp import web

from service.domain.scopes import EVERYTHING
from service.ledger.lists import reading
from service.ledger.orders.locking import find_by_id
from service.lists.exporting import MEDIA, writer_of
from service.lists.links import read_rows_token
from service.pacing import aside
from service.web.clients import refuse_guess
from service.web.context import CONTEXT
from service.web.problems import Problem


async def get_linked_rows(request: web.Request) -> web.StreamResponse:
    """Download the rows that the order has now."""
    orders = request.app[CONTEXT].orders
    rows = read_rows_token(orders.keyring, request.match_info["token"], orders.time.now())
    order = None
    if rows is not None:
        async with orders.ledger.reading() as tx:
            order = await find_by_id(tx, rows.order_id, scope=EVERYTHING)
    pack = orders.packs.find(order.workflow, order.version) if order else None
    spec = pack.workflow.lists.get(rows.list) if pack and rows else None
    if rows is None or spec is None:
        raise await refuse_guess(request, Problem(404, "No such page", "the link is not valid, or not valid any more"))
    writer = writer_of(rows.format, spec)
    async for some in reading.all_rows(orders.ledger, rows.order_id, rows.list, rows.since, rows.before):
        await aside(partial(writer.add, [(r.added, r.values) for r in some]))
    file: IO[bytes] = await aside(writer.finish)
    headers = {
        "Content-Disposition": f'attachment; filename="{rows.list}-{rows.before:%Y-%m-%d}.{rows.format}"',
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
    }
    return web.Response(body=file, content_type=MEDIA[rows.format], headers=headers)
