"""`GET /v1/metrics/lifecycle`: acceptance, completion, time in stage, promises kept."""

from datetime import timedelta
from typing import Final

from aiohttp import web

from service.ledger.measures import lifecycle
from service.web.auth import needs
from service.web.bodies import answer, duration_of
from service.web.context import CONTEXT
from service.web.problems import Problem

USUAL: Final = timedelta(days=90)


@needs("supervisor")
async def get_lifecycle(request: web.Request) -> web.StreamResponse:
    """Of one workflow, over the last 90 days or `since=30d`."""
    core = request.app[CONTEXT].core
    name = request.query.get("workflow", "")
    pack = core.packs.find(name) or (next(iter(core.packs)) if not name else None)
    if pack is None:
        known = ", ".join(p.workflow.name for p in core.packs)
        raise Problem(404, "No such workflow", f"workflow: known are {known}")
    since = core.time.now() - (duration_of(request, "since") or USUAL)
    async with core.ledger.reading() as tx:
        return answer(await lifecycle(tx, pack.workflow, since))
