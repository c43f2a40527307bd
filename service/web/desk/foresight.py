"""The page that looks ahead: a version of a pack tried on recorded orders, and its texts beside those of today."""

from datetime import timedelta
from typing import Any, Final

from aiohttp import web

from service.channels import registry
from service.foresight.backtesting import BackTester, beside_others
from service.foresight.differing import by_reader, differences
from service.ledger.database.engine import Ledger
from service.ledger.orders import packs as pack_store
from service.prices import current
from service.web.context import CONTEXT, Context
from service.web.desk.page import render
from service.web.queries import query_of
from service.web.query_types import ForesightQuery
from service.workflows.packs import Pack, PackError, unbundle

USUAL: Final = timedelta(days=7)
# Played while somebody waits for the page; `stagebell backtest` plays all.
ORDERS: Final = 200


async def foresight(request: web.Request) -> web.StreamResponse:
    """Choose a version; with one, what it would have done to the newest orders."""
    context, query = request.app[CONTEXT], query_of(request, ForesightQuery)
    async with context.orders.ledger.reading() as tx:
        versions = await pack_store.versions(tx)
    values: dict[str, Any] = {
        "versions": versions,
        "current": {p.workflow.name: p.workflow.version for p in context.orders.packs},
        "chosen": query.pack,
        "since": request.query.get("since", "7d"),
        "most": ORDERS,
    }
    workflow, _, version = query.pack.partition(":")
    if query.pack:
        pack = await _pack_of(context, workflow, version)
        if pack is None:
            values["problem"] = "This version is not kept, or this release does not understand it any more."
        else:
            values |= await _tried(context, pack, query.since or USUAL)
    return await render(request, "foresight.html.j2", values, here="/desk/foresight")


async def _pack_of(context: Context, workflow: str, version: str) -> Pack | None:
    in_use = context.orders.packs.find(workflow)
    if in_use is not None and in_use.workflow.version == version:
        return in_use
    async with context.orders.ledger.reading() as tx:
        bundled = await pack_store.find(tx, workflow, version)
    try:
        return beside_others(unbundle(bundled, version), in_use) if bundled else None
    except PackError:
        return None


async def _tried(context: Context, pack: Pack, span: timedelta) -> dict[str, Any]:
    """What the page shows of this version; played over a connection that can write nothing."""
    orders, brand = context.orders, context.settings.brand
    now = orders.time.now()
    prices = current(context.settings.prices, registry.channels())
    tester = BackTester(orders.packs, {pack.workflow.name: pack}, prices, brand)
    reader = Ledger(context.settings.database_url, orders.keyring, read_only=True)
    try:
        await reader.look()
        done = await tester.run(reader, now - span, now, at_most=ORDERS)
    finally:
        await reader.close()
    in_use = orders.packs.find(pack.workflow.name)
    texts = [
        (notice, channel, example.order_id, example.in_all_languages(brand))
        for (notice, channel), example in sorted(tester.examples.items())
    ]
    said = by_reader(differences(in_use, pack).differences) if in_use else {}
    return {"done": done, "texts": texts, "said": said, "workflow": pack.workflow}
