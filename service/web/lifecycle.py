"""`GET /v1/metrics/lifecycle`: acceptance, completion, time in stage, promises kept."""

from datetime import timedelta
from typing import Final

from aiohttp import web

from service.domain.lifecycle import require_known
from service.domain.workflow import Workflow
from service.ledger.measures import lifecycle
from service.web.bodies import answer
from service.web.context import CONTEXT
from service.web.queries import query_of
from service.web.query_types import LifecycleQuery

USUAL: Final = timedelta(days=90)


def workflow_of(request: web.Request) -> Workflow:
    """`?workflow=`, or the first one; raises Rejection."""
    packs, name = request.app[CONTEXT].core.packs, query_of(request, LifecycleQuery).workflow
    if name:
        require_known("workflow", name, (p.workflow.name for p in packs), "workflow")
    pack = packs.find(name) if name else None
    return (pack or next(iter(packs))).workflow


async def get_lifecycle(request: web.Request) -> web.StreamResponse:
    """Of one workflow, over the last 90 days or `since=30d`."""
    core = request.app[CONTEXT].core
    workflow = workflow_of(request)
    since = core.time.now() - (query_of(request, LifecycleQuery).since or USUAL)
    async with core.ledger.reading() as tx:
        return answer(await lifecycle(tx, workflow, since))
