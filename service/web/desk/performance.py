"""The performance of a workflow: promises, assignees and teams, worst first; measures and stage times as charts."""

from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from service.domain.errors import Rejection
from service.domain.reports import PERFORMANCE
from service.web.auth import scope_of
from service.web.context import CONTEXT
from service.web.counted import PERIODS
from service.web.desk.charts import duration, promises_chart, stages_chart
from service.web.desk.page import render
from service.web.desk.titles import Titles
from service.web.known import workflows_of
from service.web.lifecycle import at_work, measures_of, workflow_of
from service.web.once import once_by_form
from service.web.params import form_of, whole_number
from service.web.performance import performance_of
from service.web.queries import query_of
from service.web.query_types import PerformanceQuery
from service.web.schemas.subscriptions import SubscriptionOrder
from service.web.subscriptions import SUNDAY, subscribe, subscription_lines, unsubscribe

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


async def performance(request: web.Request) -> web.StreamResponse:
    """This week compared with the last one, assignees' figures, and teams' response times."""
    orders = request.app[CONTEXT].orders
    workflow = await at_work(request, query_of(request, PerformanceQuery).workflow)
    m = await request.app[CONTEXT].counted.get(performance_of(request, workflow))
    if m is None:
        return await _being_counted(request, "Performance")
    pack = orders.packs.find(m.workflow)
    # Only callers who see the whole workflow see who gets the report.
    mails = await subscription_lines(request) if scope_of(request).is_of_workflows else None
    values = {
        "m": m,
        "since": request.query.get("since", "30d"),
        "measures": {x.name: x for x in pack.workflow.measures.values()} if pack else {},
        "workflows": [(w.name, w.title) for w in workflows_of(request)],
        "periods": PERIODS,
        "query": urlencode(
            {"workflow": m.workflow, **{k: v for k, v in request.query.items() if v and k not in ("format", "by")}}
        ),
        "shown": _shown,
        "mails": mails and [s for s in mails if (s.workflow, s.report) == (m.workflow, PERFORMANCE.name)],
        "days": DAYS,
    }
    return await render(request, "performance.html.j2", values, here="/desk/performance")


async def mail_weekly(request: web.Request) -> web.StreamResponse:
    """Mail the report to an address every week, and show the page again."""
    return await once_by_form(request, _mail_weekly)


async def _mail_weekly(request: web.Request) -> web.StreamResponse:
    form = await form_of(request)
    day = whole_number(form.get("day", "0"), 0, SUNDAY)
    if day is None:
        raise Rejection("day: 0 is Monday and 6 is Sunday")
    workflow = form.get("workflow", "")
    wanted = SubscriptionOrder(workflow, PERFORMANCE.name, form.get("email", "").strip(), "week", day=day)
    await subscribe(request, wanted)
    raise web.HTTPSeeOther(f"/desk/performance?{urlencode({'workflow': workflow})}#mail")


async def end_mail(request: web.Request) -> web.StreamResponse:
    """End that subscription, and show the page again."""
    workflow = (await form_of(request)).get("workflow", "")
    await unsubscribe(request)
    raise web.HTTPSeeOther(f"/desk/performance?{urlencode({'workflow': workflow})}#mail")


async def lifecycle(request: web.Request) -> web.StreamResponse:
    """The measures of one workflow."""
    workflow = workflow_of(request)
    context = request.app[CONTEXT]
    m, titles = await context.counted.get(measures_of(request, workflow)), Titles(context.orders.packs)
    if m is None:
        return await _being_counted(request, "Stages and measures")
    by_status = {s: m.by_status[s] for s in [*workflow.statuses, *m.by_status] if s in m.by_status}
    values = {
        "m": m,
        "title": workflow.title,
        "by_status": by_status,
        "since": request.query.get("since", "90d"),
        "workflows": [(w.name, w.title) for w in workflows_of(request)],
        "periods": PERIODS,
        "stages_chart": stages_chart(m.stages),
        "promises_chart": promises_chart(m.promises, lambda clock: titles.clock(workflow.name, clock)),
        "shown": _shown,
    }
    return await render(request, "lifecycle.html.j2", values, here="/desk/performance")


async def _being_counted(request: web.Request, title: str) -> web.StreamResponse:
    """A page that asks for itself again until its figures have been counted."""
    return await render(
        request, "being_counted.html.j2", {"title": title, "again": request.path_qs}, here="/desk/performance"
    )


def _shown(kind: str, value: Any) -> str:
    if value is None or not isinstance(value, (int, float)):
        return "none yet"
    if kind == "time":
        return duration(value)
    return f"{value:.1f} %" if kind == "rate" else f"{value:.2f}"
