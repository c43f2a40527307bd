"""Every route in one table: the application and the OpenAPI document are made from it."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from msgspec import Struct

from service.domain.events import MAX_BODY_BYTES
from service.erasing import Erasure
from service.ledger.person_data import PersonData
from service.web import (
    audit,
    callbacks,
    contract,
    dead,
    escalations,
    events,
    lifecycle,
    ops,
    orders,
    people,
    shapes,
    stream,
    subscriptions,
    suppressions,
    tracking,
    unsubscribe,
)
from service.web.audited import Act, Audit, Unaudited
from service.web.desk import audit as audit_page
from service.web.desk import board, sign_in, tools
from service.web.desk import lifecycle as lifecycle_page
from service.web.desk import orders as order_pages
from service.web.events import MAX_BATCH_BYTES
from service.web.oidc import begin_oidc, end_oidc

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Route(Struct, frozen=True):
    """A method and path, and what goes in and comes out. `query`: its parameters and what they mean.

    Parameters that are not declared are refused, unless the route is `lenient`: addresses that others call for us, and
    the customer's link, to which mail programs and click counters add parameters of their own.
    `audit`: what the audit log says of it; a route that declares nothing is kept there under its method and path.
    `most_bytes`: how large a body is taken. Whoever is nobody to us can send forms, too: they must cost little to read.
    """

    method: str
    path: str
    handler: Handler
    body: Any = None
    answer: Any = None
    status: int = 200
    query: dict[str, str] = {}
    media: str = "application/json"
    lenient: bool = False
    audit: Audit | None = None
    most_bytes: int = MAX_BODY_BYTES


_COUNTRY = {"country": "ISO 3166: where a number without a country code is"}
_LIST = {
    "workflow": "its name", "status": "one or more, comma-separated", "stage": "its name", "assignee": "their id",
    "recipient": "a phone number or email address", "q": "an order id's beginning, a phone number or an email address",
    **_COUNTRY, "overdue": "true or false", "open": "true: not ended",
    "archived": "true: also those in statuses that lists leave out", "stuck_for": "so long in one status, such as 3d",
    "ends_from": "expected end from this moment", "ends_before": "expected end before this moment",
    "attributes.NAME": "the value of an attribute that the packs' lists show, such as attributes.campaign=Spring",
    "sort": "activity, submitted, expected_end or due", "cursor": "from the page before", "limit": "1 to 200",
    "format": "csv for a table of all",
}  # fmt: skip
_LETTER = {"key": "the letter's own; without it, whatever stands at that place by now"}
_SUPPRESSED = {"recipient": "a phone number or email address", **_COUNTRY}
_ESCALATIONS = {
    "state": "active (not resolved), open, acknowledged, snoozed or resolved", "team": "its name",
    "workflow": "its name", "severity": "low to critical", "older_than": "such as 10m", "limit": "1 to 1000",
    "offset": "how many to leave out",
}  # fmt: skip
_AUDIT = {
    "who": "a name, with or without its kind: key:NAME, oidc:NAME, cli:USER", "act": "its name, or its first words",
    "order": "an order id", "person": "a phone number or email address that lines are about",
    "from": "since this day or moment", "to": "before this day or moment", "cursor": "from the page before",
    "limit": "1 to 1000",
}  # fmt: skip
_LIFECYCLE = {"workflow": "its name", "since": "so far back, such as 30d"}
_NEXT = {"next": "where at the desk to go on"}

_PROBE = Unaudited("shows whether the service works, and nothing of orders or people")
_NUMBERS = Unaudited("shows numbers, of nobody in particular")
_PUBLIC = Unaudited("is public")
_OWN = Unaudited("a customer's own page of their own order, opened by mail programs and link previews too")
_TIMELINE = Unaudited("reads nothing; what it changes stands in the order's timeline and the inbox of events")

OPERATIONS = (
    Route("GET", "/healthz", ops.healthz, audit=_PROBE),
    Route("GET", "/readyz", ops.readyz, audit=_PROBE),
    Route("GET", "/metrics", ops.metrics, media="text/plain", audit=_NUMBERS),
)
API = (
    Route(
        "POST", "/v1/events", events.post_events, body=dict, answer=shapes.EventResults, audit=_TIMELINE,
        most_bytes=MAX_BATCH_BYTES,
    ),
    Route("GET", "/v1/orders", orders.list_orders, answer=shapes.OrderPage, query=_LIST, audit=Act("orders.listed")),
    Route("GET", "/v1/audit", audit.get_audit, answer=shapes.AuditPage, query=_AUDIT, audit=Act("audit.read")),
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}", orders.get_order, answer=shapes.OrderDocument,
        audit=Act("order.seen"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/notices", orders.post_notice, shapes.NoticeOrder,
        shapes.NoticeAnswer, 201,
        audit=Act("notice.sent"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/issues", orders.post_issue, shapes.IssueReport, shapes.Escalated, 201,
        audit=Act("issue.reported"),
    ),
    Route(
        "GET", "/v1/orders/{workflow}/{order_id}/link", orders.get_link, answer=shapes.LinkAnswer,
        audit=Act("link.made"),
    ),
    Route(
        "POST", "/v1/orders/{workflow}/{order_id}/link/revoke", orders.revoke_links, answer=shapes.LinkAnswer,
        audit=Act("links.revoked"),
    ),
    Route(
        "GET", "/v1/escalations", escalations.list_escalations, answer=shapes.EscalationPage, query=_ESCALATIONS,
        audit=Act("escalations.listed"),
    ),
    Route(
        "GET", "/v1/escalations/stream", stream.stream, media="text/event-stream",
        query={
            "team": "only this team's", "workflow": "only this workflow's",
            "last_event_id": "go on after this one, where a header cannot be sent",
        },
        audit=Act("escalations.streamed", before=True),
    ),
    Route(
        "POST", "/v1/escalations/{id}/acknowledge", escalations.acknowledge, shapes.Remark, shapes.Handled,
        audit=Act("escalation.acknowledge"),
    ),
    Route(
        "POST", "/v1/escalations/{id}/resolve", escalations.resolve, shapes.Remark, shapes.Handled,
        audit=Act("escalation.resolve"),
    ),
    Route(
        "POST", "/v1/escalations/{id}/snooze", escalations.snooze, shapes.Snooze, shapes.Handled,
        audit=Act("escalation.snooze"),
    ),
    Route(
        "POST", "/v1/escalations/{id}/comment", escalations.comment, shapes.Remark, shapes.Handled,
        audit=Act("escalation.comment"),
    ),
    Route(
        "GET", "/v1/metrics/lifecycle", lifecycle.get_lifecycle, answer=shapes.LifecycleMetrics,
        query=_LIFECYCLE,
        audit=_NUMBERS,
    ),
    Route(
        "GET", "/v1/subscriptions", subscriptions.list_subscriptions, answer=shapes.Subscriptions,
        audit=Act("subscriptions.listed"),
    ),
    Route(
        "POST", "/v1/subscriptions", subscriptions.subscribe, shapes.SubscriptionOrder, shapes.SubscriptionLine, 201,
        audit=Act("subscription.made"),
    ),
    Route("DELETE", "/v1/subscriptions/{id}", subscriptions.unsubscribe, status=204, audit=Act("subscription.ended")),
    Route(
        "GET", "/v1/dead-letters", dead.list_dead, answer=shapes.DeadLetterPage, query={"limit": "1 to 500"},
        audit=Act("dead_letters.listed"),
    ),
    Route(
        "POST", "/v1/dead-letters/{number}/replay", dead.replay_dead, answer=shapes.Count, query=_LETTER,
        audit=Act("dead_letter.replay", before=True),
    ),
    Route(
        "DELETE", "/v1/dead-letters/{number}", dead.drop_dead, answer=shapes.Count, query=_LETTER,
        audit=Act("dead_letter.drop", before=True),
    ),
    Route(
        "GET", "/v1/suppressions", suppressions.list_suppressions, answer=shapes.Suppressions, query=_SUPPRESSED,
        audit=Act("suppressions.listed"),
    ),
    Route(
        "DELETE", "/v1/suppressions", suppressions.lift_suppression, answer=shapes.Count,
        query={**_SUPPRESSED, "channel": "sms, whatsapp, email or push"},
        audit=Act("suppression.lifted"),
    ),
    Route(
        "GET", "/v1/people/{address}", people.get_person, answer=PersonData, query=_COUNTRY, audit=Act("person.seen"),
    ),
    Route(
        "GET", "/v1/people/{address}/orders", people.get_orders_of_person, answer=shapes.PersonOrders,
        query={**_COUNTRY, "cursor": "from the page before", "limit": "1 to 200"},
        audit=Act("person.orders_listed"),
    ),
    Route(
        "DELETE", "/v1/people/{address}", people.erase, answer=Erasure, query=_COUNTRY,
        audit=Act("person.erasure_asked", before=True),
    ),
    Route(
        "GET", "/t/{token}.json", tracking.get_tracking_data, answer=shapes.Tracking, query={"lang": "a language"},
        audit=_OWN,
    ),
)  # fmt: skip
PAGES = (
    Route("GET", "/desk/audit", audit_page.audit, query=_AUDIT, audit=Act("audit.read")),
    Route("POST", "/callbacks/twilio/status", callbacks.twilio_status, lenient=True, audit=_TIMELINE),
    Route("POST", "/callbacks/twilio/inbound", callbacks.twilio_inbound, lenient=True, audit=_TIMELINE),
    Route("GET", "/asyncapi.json", contract.get_asyncapi, audit=_PUBLIC),
    Route("GET", "/schemas/{type}.json", contract.get_schema, audit=_PUBLIC),
    Route("GET", "/t/{token}", tracking.get_tracking_page, lenient=True, audit=_OWN),
    Route("GET", "/u/{token}", unsubscribe.get_page, lenient=True, audit=_OWN),
    Route("POST", "/u/{token}", unsubscribe.unsubscribe, lenient=True, audit=_OWN),
    Route("GET", "/desk", board.board, query=_ESCALATIONS, audit=Act("escalations.listed", renews=True)),
    Route("GET", "/desk/board", board.board_rows, query=_ESCALATIONS, audit=Act("escalations.listed", renews=True)),
    Route("GET", "/desk/orders", order_pages.orders, query=_LIST, audit=Act("orders.listed")),
    Route("GET", "/desk/orders/{workflow}/{order_id}", order_pages.order, audit=Act("order.seen")),
    Route(
        "POST", "/desk/orders/{workflow}/{order_id}/preview", order_pages.preview_notice, audit=Act("notice.previewed")
    ),
    Route("POST", "/desk/orders/{workflow}/{order_id}/notices", order_pages.send_notice, audit=Act("notice.sent")),
    Route("POST", "/desk/orders/{workflow}/{order_id}/issues", order_pages.report_issue, audit=Act("issue.reported")),
    Route(
        "POST",
        "/desk/orders/{workflow}/{order_id}/suppressions",
        order_pages.lift_suppression,
        audit=Act("suppression.lifted"),
    ),
    Route("GET", "/desk/inbox", tools.inbox, audit=Act("inbox.seen", renews=True)),
    Route("GET", "/desk/messages/{id}", tools.mail, audit=Act("mail.seen")),
    Route("GET", "/desk/dead", tools.dead, audit=Act("dead_letters.listed")),
    Route(
        "POST",
        "/desk/dead/{number}/{act:replay|drop}",
        tools.act_on_dead,
        query=_LETTER,
        audit=Act("dead_letter", before=True),
    ),
    Route("GET", "/desk/health", tools.health, audit=_NUMBERS),
    Route("GET", "/desk/lifecycle", lifecycle_page.lifecycle, query=_LIFECYCLE, audit=_NUMBERS),
    Route("GET", "/desk/sign-in", sign_in.show_sign_in, query=_NEXT, audit=_PUBLIC),
    Route("POST", "/desk/sign-in", sign_in.sign_in, audit=Act("signed_in")),
    Route("POST", "/desk/sign-out", sign_in.sign_out, audit=Act("signed_out")),
    Route("GET", "/desk/sign-in/oidc", begin_oidc, query=_NEXT, audit=_PUBLIC),
    Route("GET", "/desk/sign-in/oidc/callback", end_oidc, lenient=True, audit=Act("signed_in")),
)
