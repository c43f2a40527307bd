"""Routes of people: what is known of them, what is suppressed, who looked."""

from service.erasing import Erasure
from service.ledger.people.person_data import PersonData
from service.web import audit, people, suppressions
from service.web import query_types as q
from service.web.audited import AuditedAct
from service.web.route import Route
from service.web.schemas.fields import Count
from service.web.schemas.people import AuditPage, PersonOrders, Suppressions

PEOPLE = (
    Route(
        "GET", "/v1/audit", audit.list_audit_lines, "admin", answer=AuditPage, query=q.AuditQuery,
        audit=AuditedAct("audit.read"),
    ),
    Route(
        "GET", "/v1/suppressions", suppressions.list_suppressions, "agent", answer=Suppressions,
        query=q.SuppressionsQuery, reach="orders", audit=AuditedAct("suppressions.listed"),
    ),
    Route(
        "DELETE", "/v1/suppressions", suppressions.lift_suppression, "agent", answer=Count,
        query=q.SuppressionQuery, reach="orders", audit=AuditedAct("suppression.lifted"),
    ),
    Route(
        "GET", "/v1/people/{address}", people.get_person, "admin", answer=PersonData, query=q.OfCountry,
        audit=AuditedAct("person.seen"),
    ),
    Route(
        "GET", "/v1/people/{address}/orders", people.list_orders_of_person, "publisher", answer=PersonOrders,
        query=q.PersonOrdersQuery, reach="workflows", audit=AuditedAct("person.orders_listed"),
    ),
    Route(
        "DELETE", "/v1/people/{address}", people.forget_person, "admin", answer=Erasure, query=q.OfCountry,
        audit=AuditedAct("person.erasure_asked", before=True),
    ),
)  # fmt: skip
