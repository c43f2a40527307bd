"""The table of routes holds together, and the OpenAPI document says what stands in it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from aiohttp.test_utils import make_mocked_request
from msgspec import Struct

from service.domain.errors import Rejection
from service.ledger.access.api_keys import ROLES
from service.web.openapi import document
from service.web.problems import Problem
from service.web.queries import check_parameters, parameters_of, query_of, read_query
from service.web.query_types import AuditQuery, EscalationsQuery, LifecycleQuery, MessagesQuery, OrdersQuery
from service.web.route import NoQuery, Open, Route
from service.web.routes.table import API, OPERATIONS, PAGES

ROUTES = (*OPERATIONS, *API, *PAGES)


def read(kind: type[Any], query: str) -> Any:
    request = make_mocked_request("GET", f"/x?{query}")
    check_parameters(request, kind)
    read_query(request, kind)
    return query_of(request, kind)


def test_a_route_without_access_cannot_be_made() -> None:
    with pytest.raises(TypeError):
        Route("GET", "/x", API[0].handler)  # type: ignore[call-arg]
    for route in ROUTES:
        assert route.access.why if isinstance(route.access, Open) else route.access in ROLES, route.path


def test_each_route_is_there_once_and_only_pages_send_people_to_sign_in() -> None:
    assert max(Counter((r.method, r.path) for r in ROUTES).values()) == 1
    assert {r.path for r in PAGES if r.role} == {r.path for r in ROUTES if r.page}


def test_the_document_has_each_route_of_the_api_with_its_role_and_parameters() -> None:
    found = {(m.upper(), path): o for path, by in document()["paths"].items() for m, o in by.items()}
    assert found.keys() == {(r.method, r.path) for r in (*OPERATIONS, *API)}
    assert max(Counter(o["operationId"] for o in found.values()).values()) == 1
    for route in (*OPERATIONS, *API):
        operation = found[route.method, route.path]
        assert operation.get("x-role") == route.role
        assert bool(operation["security"]) == (route.role is not None)
        asked = {p["name"] for p in operation["parameters"] if p["in"] == "query"}
        assert asked == {p.name for p in parameters_of(route.query)}
        assert set(operation["responses"]) >= {str(route.status), *map(str, route.also), "400"}
        assert ("401" in operation["responses"]) == (route.role is not None)
        assert len(operation["tags"]) == 1
        assert operation["tags"][0] in {t["name"] for t in document()["tags"]}


def test_lists_are_paged_in_one_way() -> None:
    for route in API:
        names = {p.name for p in parameters_of(route.query)}
        assert not names & {"offset", "page", "per_page", "after"}, route.path
        if "cursor" in names:
            assert "limit" in names
            assert "cursor" in route.answer.__struct_fields__, route.path


def test_a_query_is_read_into_its_type() -> None:
    q = read(OrdersQuery, "overdue=true&stuck_for=3d&ends_from=2026-01-01T00:00:00Z&sort=due&limit=7&q=%2049")
    assert (q.overdue, q.stuck_for, q.sort, q.limit, q.q) == (True, timedelta(days=3), "due", 7, " 49")
    assert q.ends_from == datetime(2026, 1, 1, tzinfo=UTC)
    assert read(AuditQuery, "from=2026-01-02").since == datetime(2026, 1, 2, tzinfo=UTC)
    # Who says a zone reads days as people there do: the last one is taken in.
    days = read(MessagesQuery, "from=2026-01-02&to=2026-01-02&zone=Asia/Kolkata")
    assert days.since == datetime(2026, 1, 1, 18, 30, tzinfo=UTC)
    assert days.until == datetime(2026, 1, 2, 18, 30, tzinfo=UTC)
    # What is left empty is as if it was left out, unless empty is a value of its own.
    assert read(OrdersQuery, "overdue=&limit=&sort=&stuck_for=") == OrdersQuery()
    assert read(EscalationsQuery, "state=").state == ""
    assert read(EscalationsQuery, "").state == "active"


@pytest.mark.parametrize(
    ("kind", "query", "why"),
    [
        (OrdersQuery, "limit=0", "limit: a whole number from 1 to 200"),
        (OrdersQuery, "limit=" + "9" * 5000, "limit: a whole number"),
        (OrdersQuery, "overdue=maybe", "overdue: true or false"),
        (OrdersQuery, "sort=dew", "sort: unknown sort 'dew'; did you mean 'due'"),
        (OrdersQuery, "stage=" + "x" * 501, "stage: at most 500 characters"),
        (OrdersQuery, "ends_from=2026-01-01", "ends_from: an ISO 8601 date with an offset"),
        (AuditQuery, "to=2026-02-30", "to: there is no such day"),
        (AuditQuery, "to=2026-01-01&zone=Mars", "zone: a time zone such as Asia/Kolkata is expected"),
        (LifecycleQuery, "since=soon", "since: "),
        (EscalationsQuery, "state=activ", "did you mean 'active'"),
    ],
)
def test_a_value_that_cannot_be_read_is_named(kind: type[Struct], query: str, why: str) -> None:
    with pytest.raises(Rejection) as refused:
        read(kind, query)
    assert why in refused.value.reason


@pytest.mark.parametrize(
    ("kind", "query", "why"),
    [
        (OrdersQuery, "stats=x", "did you mean 'status'?"),
        (OrdersQuery, "stage=a&stage=b", "more than once"),
        (NoQuery, "limit=1", "known are: none"),
    ],
)
def test_what_a_route_would_ignore_is_refused(kind: type[Struct], query: str, why: str) -> None:
    with pytest.raises(Problem) as refused:
        read(kind, query)
    assert refused.value.status == 400
    assert why in refused.value.detail


def test_every_parameter_has_a_meaning() -> None:
    unsaid = [(r.path, p.name) for r in ROUTES for p in parameters_of(r.query) if not p.description]
    assert unsaid == []
    assert get_args(Route.__annotations__["access"])


OF_EVERYTHING = (
    "/v1/audit",
    "/v1/dead-letters",
    "/desk/admin",
    "/desk/audit",
    "/desk/dead",
    "/desk/foresight",
    "/desk/health",
)


def test_what_is_about_everything_serves_nobody_who_is_limited() -> None:
    guarded = [r for r in (*API, *PAGES) if r.role is not None]
    for route in guarded:
        if route.path.startswith(OF_EVERYTHING) or route.role == "admin":
            assert route.reach == "all", route.path
    of_parties = {r.path for r in guarded if r.reach == "parties"}
    assert {"/v1/orders", "/v1/orders/{workflow}/{order_id}", "/desk/orders"} <= of_parties
    assert not any("conversation" in path or "messages" in path or "escalations" in path for path in of_parties)
