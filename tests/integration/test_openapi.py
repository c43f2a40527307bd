"""The OpenAPI document is true: generated calls with every role find no 5xx, and answers match their schemas."""

from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis.strategies import SearchStrategy
from jsonschema import Draft202012Validator

from service.ledger.access.api_keys import Role
from service.web.asyncapi import asyncapi, pack_json_schema
from service.web.openapi import document
from tests.support.client import ROLES, key_for
from tests.support.events import CUSTOMER, VENDOR, event
from tests.support.examples import LONG
from tests.support.packs import all_packs
from tests.support.world import ROOT, World

# Of each operation. In the short form the admin, whom nothing is refused, tries what values do; others, who may what.
EXAMPLES, OF_OTHERS = (12, 12) if LONG else (4, 1)
SLOW = ("/v1/escalations/stream",)


def hammer(base: str, keys: dict[Role, str]) -> list[str]:
    """Every operation with generated calls of each role; what went wrong."""
    schema = schemathesis.openapi.from_dict(document())
    schema.config.base_url = base
    wrong: list[str] = []
    sessions = {role: requests.Session() for role in keys}
    for role, session in sessions.items():
        session.headers["Authorization"] = f"Bearer {keys[role]}"
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr] # a document that is read has no Err
        if operation.path in SLOW:
            continue
        calls = operation.as_strategy()  # made once: that takes longer than most calls
        for role, session in sessions.items():
            count = EXAMPLES if role == "admin" else OF_OTHERS
            problems = problems_of(operation, calls, base, session, count)
            wrong += [f"{role} {operation.label}: {problem}" for problem in problems]
    return wrong


def problems_of(
    operation: Any, calls: SearchStrategy[Any], base: str, session: requests.Session, count: int
) -> list[str]:
    """5xx answers, and answers that are not as the document says."""
    wrong: list[str] = []

    @hypothesis_settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=calls)
    def once(case: Any) -> None:
        response = case.call(base_url=base, session=session, timeout=10)
        if response.status_code == 503:  # a part is away for a moment; asked again, as the answer says
            response = case.call(base_url=base, session=session, timeout=10)
        if response.status_code >= 500:
            wrong.append(f"{response.status_code} {response.text[:200]}")
            return
        try:
            operation.validate_response(response)
        except Exception as error:
            wrong.append(f"{response.status_code} {str(error)[:300]}")

    once()
    return wrong


@pytest.mark.any_database
async def test_generated_calls_of_every_role(world: World) -> None:
    import asyncio

    world.settings.failures_per_minute = 0
    await world.accept(event("A-1", "vendor_en_route", recipients={"customer": CUSTOMER}, assignee=VENDOR))
    await world.settled()
    keys = {role: await key_for(world, role) for role in ROLES}
    assert await asyncio.to_thread(hammer, world.http, keys) == []


def test_asyncapi_is_valid_for_its_own_schema() -> None:
    import json

    schema = json.loads((ROOT / "tests/data/asyncapi-3.0.0.schema.json").read_text())
    from jsonschema import Draft7Validator

    document = asyncapi("http://x", [p.workflow for p in all_packs()])
    assert [e.message[:200] for e in Draft7Validator(schema).iter_errors(document)] == []


@pytest.mark.parametrize(
    ("attributes", "good"),
    [
        ({"quote_expires": "2026-12-27", "leads": ["l1"], "free": 7}, True),
        ({"quote_expires": None}, True),
        ({"quote_expires": 20261227}, False),
        ({"leads": "l1"}, False),
    ],
)
def test_a_packs_own_schema_says_the_types_of_its_attributes(attributes: dict[str, Any], good: bool) -> None:
    schema = pack_json_schema(all_packs().get("marketing_services").workflow)
    said = event("M-1", "pending_quotes", workflow="marketing_services", attributes=attributes)
    assert Draft202012Validator(schema).is_valid(said) is good
    assert not Draft202012Validator(schema).is_valid(event("M-1", "created", workflow="marketing_services"))


@pytest.mark.parametrize(
    "event_type", ["order.status_changed", "order.note_added", "order.issue_reported", "order.updated"]
)
def test_json_schemas_agree_with_the_decoder(event_type: str) -> None:
    from service.domain.errors import Rejection
    from service.domain.event_decoding import decode
    from service.web.asyncapi import json_schema
    from tests.support.events import encoded

    validator = Draft202012Validator(json_schema(event_type))
    data: dict[str, dict[str, Any]] = {
        "order.status_changed": {"status": "created"},
        "order.note_added": {"note": {"text": "x"}},
        "order.issue_reported": {"issue": {"reason": "app_error"}},
        "order.updated": {},
    }
    good = event("S-1", kind=event_type, **data[event_type])
    assert list(validator.iter_errors(good)) == []
    decode(encoded(good))
    wrong: list[tuple[str, Any]] = [
        ("workflow", 7),
        ("eta", "soon"),
        ("recipients", {"customer": {"phone": 7}}),
        ("secrets", [1]),
    ]
    for field, value in wrong:
        bad = {**good, "data": {**good["data"], field: value}}
        with pytest.raises(Rejection, match=rf"data\.{field}"):
            decode(encoded(bad))
        if field != "eta":
            assert list(validator.iter_errors(bad)), field
