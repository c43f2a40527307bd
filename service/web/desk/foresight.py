"""The back-test page: a version of a pack, or a draft of texts, tried on recorded orders, texts side by side."""

from datetime import timedelta

from aiohttp import web

from service.foresight.backtesting import beside_others
from service.foresight.differing import by_reader, differences
from service.ledger.orders import packs as pack_store
from service.web.backtests import ORDERS, USUAL, backtested
from service.web.context import CONTEXT, Context
from service.web.desk.page import render
from service.web.desk.titles import language
from service.web.page_query_types import ForesightQuery
from service.web.page_values import PageValues
from service.web.params import uuid_of
from service.web.queries import query_of
from service.web.word_drafts import draft_asked
from service.workflows.pack_bundles import unbundle
from service.workflows.packs import Pack, PackError, with_texts


async def foresight(request: web.Request) -> web.StreamResponse:
    """Choose a version; with one, or with a draft, show what it would have done to the newest orders."""
    context, query = request.app[CONTEXT], query_of(request, ForesightQuery)
    async with context.orders.ledger.reading() as tx:
        versions = await pack_store.versions(tx)
    values: PageValues = {
        "versions": versions,
        "current": {p.workflow.name: p.workflow.version for p in context.orders.packs},
        "chosen": query.pack,
        "since": request.query.get("since", "7d"),
        "most": ORDERS,
        "language": language,
    }
    workflow, _, version = query.pack.partition(":")
    if query.draft:
        draft = await draft_asked(request, uuid_of(query.draft, "draft"))
        in_use = context.orders.packs.get(draft.workflow)
        pack = with_texts(in_use, draft.texts)
        values |= {"draft": draft, "chosen": f"{draft.workflow}:{in_use.workflow.version}"}
        values |= await _tried(context, pack, query.since or USUAL)
    elif query.pack:
        found = await _pack_of(context, workflow, version)
        if found is None:
            values["problem"] = "This version is not kept, or this release does not understand it any more."
        else:
            values |= await _tried(context, found, query.since or USUAL)
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


async def _tried(context: Context, pack: Pack, span: timedelta) -> PageValues:
    """What the page shows of this version."""
    brand = context.settings.brand
    done, tester = await backtested(context, pack, span)
    in_use = context.orders.packs.find(pack.workflow.name)
    texts = [
        (notice, channel, example.order_id, example.in_all_languages(brand))
        for (notice, channel), example in sorted(tester.examples.items())
    ]
    changes = by_reader(differences(in_use, pack).differences) if in_use else {}
    return {"done": done, "texts": texts, "changes": changes, "workflow": pack.workflow}
