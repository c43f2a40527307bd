"""`GET /v1/metrics/performance`: promises kept this week and last, assignees' figures, and teams' response times."""

from aiohttp import web

from service.domain.workflow import Workflow
from service.ledger.orders.performance_models import PerformanceMetrics
from service.ledger.orders.performance_text import parties_csv, performance_csv
from service.web.auth import scope_of
from service.web.context import CONTEXT
from service.web.counted import PERFORMANCE, WantedFigures, wanted_figures
from service.web.lifecycle import chosen
from service.web.params import answer
from service.web.queries import query_of
from service.web.query_types import PerformanceQuery


async def get_performance(request: web.Request) -> web.StreamResponse:
    """The figures of one workflow, over the last 30 days or `since=90d`; `format=csv`: people, as a table."""
    q = query_of(request, PerformanceQuery)
    m = await request.app[CONTEXT].counted.waited(performance_of(request, chosen(request, q.workflow)))
    if q.format:
        headers = {"Content-Disposition": f'attachment; filename="performance-{m.workflow}.csv"'}
        table = parties_csv(m) if q.by == "party" else performance_csv(m)
        return web.Response(text=table, content_type="text/csv", headers=headers)
    return answer(m)


def performance_of(request: web.Request, workflow: Workflow) -> WantedFigures[PerformanceMetrics]:
    """The figures over the query's period."""
    return wanted_figures(PERFORMANCE, workflow, query_of(request, PerformanceQuery).since, scope_of(request))
