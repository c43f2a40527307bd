"""`GET /v1/metrics/performance`: promises kept this week and last, assignees' figures, and teams' response times."""

from datetime import timedelta
from typing import Final

from aiohttp import web

from service.domain.workflow import Workflow
from service.ledger.orders.performance import performance
from service.ledger.orders.performance_models import PerformanceMetrics
from service.ledger.orders.performance_said import performance_csv
from service.web.auth import scope_of
from service.web.context import CONTEXT
from service.web.counted import COUNTED
from service.web.lifecycle import chosen
from service.web.params import answer
from service.web.queries import query_of
from service.web.query_types import PerformanceQuery

USUAL: Final = timedelta(days=30)


async def get_performance(request: web.Request) -> web.StreamResponse:
    """The figures of one workflow, over the last 30 days or `since=90d`; `format=csv`: the assignees as a table."""
    m = await performance_of(request)
    if query_of(request, PerformanceQuery).format:
        headers = {"Content-Disposition": f'attachment; filename="performance-{m.workflow}.csv"'}
        return web.Response(text=performance_csv(m), content_type="text/csv", headers=headers)
    return answer(m)


async def performance_of(request: web.Request, workflow: Workflow | None = None) -> PerformanceMetrics:
    """The figures that the query asks for, or those of this workflow; raises Rejection."""
    orders, q = request.app[CONTEXT].orders, query_of(request, PerformanceQuery)
    of, since, scope = workflow or chosen(request, q.workflow), q.since or USUAL, scope_of(request)

    async def count() -> PerformanceMetrics:
        now = orders.time.now()
        async with orders.ledger.reading() as tx:
            return await performance(tx, of, now - since, now, scope=scope)

    return await request.app[COUNTED].get(("performance", of.name, of.version, since, scope), count)
