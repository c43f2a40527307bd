"""Routes of metrics, report mails and dead letters."""

from service.ledger.orders.performance_models import LifecycleMetrics, PerformanceMetrics
from service.web import costs, dead, lifecycle, performance, subscriptions
from service.web import query_types as q
from service.web.audited import AuditedAct
from service.web.route import Answer, Route
from service.web.routes.reasons import NUMBERS
from service.web.schemas.dead_letters import DeadLetterPage
from service.web.schemas.fields import Count
from service.web.schemas.subscriptions import SubscriptionLine, SubscriptionOrder, Subscriptions

REPORTS = (
    Route(
        "GET", "/v1/metrics/lifecycle", lifecycle.get_lifecycle, "supervisor", answer=LifecycleMetrics,
        query=q.LifecycleQuery, reach="orders", audit=NUMBERS,
    ),
    Route(
        "GET", "/v1/metrics/costs", costs.get_costs, "supervisor", answer=costs.CostsShown, query=q.CostsQuery,
        reach="orders", audit=NUMBERS,
    ),
    Route(
        "GET", "/v1/metrics/performance", performance.get_performance, "supervisor", answer=PerformanceMetrics,
        also={200: Answer("a table of those who handle orders", str, "text/csv")}, query=q.PerformanceQuery,
        reach="orders", audit=AuditedAct("performance.seen"),
    ),
    Route(
        "GET", "/v1/subscriptions", subscriptions.list_subscriptions, "supervisor", answer=Subscriptions,
        reach="workflows", audit=AuditedAct("subscriptions.listed"),
    ),
    Route(
        "POST", "/v1/subscriptions", subscriptions.add_subscription, "supervisor", SubscriptionOrder,
        SubscriptionLine, 201, also={202: Answer("sent once, now", Count)},
        reach="workflows", audit=AuditedAct("subscription.made"),
    ),
    Route(
        "DELETE", "/v1/subscriptions/{id}", subscriptions.end_subscription, "supervisor", status=204,
        reach="workflows", audit=AuditedAct("subscription.ended"),
    ),
    Route(
        "GET", "/v1/dead-letters", dead.list_dead_letters, "supervisor", answer=DeadLetterPage,
        query=q.LettersQuery, audit=AuditedAct("dead_letters.listed"),
    ),
    Route(
        "POST", "/v1/dead-letters/{number}/replay", dead.replay_dead_letter, "admin", answer=Count,
        query=q.LetterQuery, audit=AuditedAct("dead_letter.replay", before=True),
    ),
    Route(
        "DELETE", "/v1/dead-letters/{number}", dead.drop_dead_letter, "admin", answer=Count,
        query=q.LetterQuery, audit=AuditedAct("dead_letter.drop", before=True),
    ),
)  # fmt: skip
