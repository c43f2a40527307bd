"""`GET /v1/metrics/lifecycle`: acceptance, completion, time in stage, promises kept."""

from aiohttp import web

from service.domain.errors import Rejection
from service.domain.transitions import require_known
from service.domain.workflow import Workflow
from service.ledger.orders.performance_models import LifecycleMetrics
from service.ledger.orders.search import latest_workflow
from service.web.auth import scope_of
from service.web.context import CONTEXT
from service.web.counted import LIFECYCLE, WantedFigures, wanted_figures
from service.web.known import workflows_of
from service.web.params import answer
from service.web.queries import query_of
from service.web.query_types import LifecycleQuery


def workflow_of(request: web.Request) -> Workflow:
    """`?workflow=`, or the first one; raises Rejection."""
    return chosen(request, query_of(request, LifecycleQuery).workflow)


def chosen(request: web.Request, name: str) -> Workflow:
    """The workflow of this name, or the first one, of those that the caller may see; raises Rejection."""
    known = {w.name: w for w in workflows_of(request)}
    if name:
        require_known("workflow", name, known, "workflow")
        return known[name]
    if not known:
        raise Rejection("workflow: none that you may see is installed")
    return next(iter(known.values()))


async def at_work(request: web.Request, name: str) -> Workflow:
    """The workflow of this name, else the one with the latest activity that the caller may see."""
    if not name:
        async with request.app[CONTEXT].orders.ledger.reading() as tx:
            latest = await latest_workflow(tx, scope=scope_of(request))
        name = latest if latest in {w.name for w in workflows_of(request)} else ""
    return chosen(request, name)


async def get_lifecycle(request: web.Request) -> web.StreamResponse:
    """The measures of one workflow, over the last 90 days or `since=30d`."""
    return answer(await request.app[CONTEXT].counted.waited(measures_of(request, workflow_of(request))))


def measures_of(request: web.Request, workflow: Workflow) -> WantedFigures[LifecycleMetrics]:
    """The measures over the query's period."""
    return wanted_figures(LIFECYCLE, workflow, query_of(request, LifecycleQuery).since, scope_of(request))
