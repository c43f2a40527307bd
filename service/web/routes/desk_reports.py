"""Routes of the desk's figures."""

from service.web import query_types as q
from service.web.audited import AuditedAct
from service.web.desk import activity, performance
from service.web.desk import foresight as foresight_page
from service.web.desk import performance as lifecycle_page
from service.web.page_query_types import ActivityQuery, ForesightQuery
from service.web.route import Route
from service.web.routes.reasons import NUMBERS

DESK_REPORTS = (
    Route(
        "GET",
        "/desk/performance",
        lifecycle_page.performance,
        "supervisor",
        page=True,
        query=q.PerformanceQuery,
        reach="orders",
        audit=NUMBERS,
    ),
    Route(
        "GET",
        "/desk/lifecycle",
        lifecycle_page.lifecycle,
        "supervisor",
        page=True,
        query=q.LifecycleQuery,
        reach="orders",
        audit=NUMBERS,
    ),
    Route(
        "GET",
        "/desk/foresight",
        foresight_page.foresight,
        "supervisor",
        page=True,
        query=ForesightQuery,
        audit=AuditedAct("foresight.seen"),
    ),
    Route(
        "POST",
        "/desk/performance/mail",
        performance.mail_weekly,
        "supervisor",
        page=True,
        reach="workflows",
        audit=AuditedAct("subscription.made"),
    ),
    Route(
        "POST",
        "/desk/performance/mail/{id}/end",
        performance.end_mail,
        "supervisor",
        page=True,
        reach="workflows",
        audit=AuditedAct("subscription.ended"),
    ),
    Route(
        "GET",
        "/desk/activity",
        activity.activity,
        "supervisor",
        page=True,
        query=ActivityQuery,
        audit=AuditedAct("activity.seen"),
    ),
)
