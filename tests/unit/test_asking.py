"""Manual notices: where they are offered, what the agent fills in, and what stands in while they do not."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from service.domain.attributes import Attribute, AttributeType
from service.domain.causes import EventReceived, SendNotice
from service.domain.decide import decide
from service.domain.draft import Decision
from service.domain.errors import NotNow, Rejection
from service.domain.event_decoding import decode
from service.domain.notice_rules import Ask
from service.domain.order import Order, order_uuid
from service.ledger.database.engine import new_uuid
from service.workflows.values import Links, TextReader, template_values
from tests.support.events import CUSTOMER, NOON, VENDOR, encoded, event
from tests.support.packs import all_packs, device_pickup

PACK = device_pickup().workflow
SOON = (NOON + timedelta(minutes=40)).isoformat()
PAST = (NOON - timedelta(minutes=40)).isoformat()


def order_in(status: str, **data: Any) -> Order:
    said = event("A-1", status, recipients={"customer": CUSTOMER}, assignee=VENDOR, **data)
    return decide(None, EventReceived(NOON, decode(encoded(said))), PACK, order_uuid(new_uuid())).order


def sent(order: Order, reason: str = "traffic_delay", **inputs: Any) -> Decision:
    return decide(order, SendNotice(NOON, reason, "Meera", ("sms",), inputs), PACK, order.id)


def asked(decision: Decision) -> Mapping[str, Any]:
    return decision.notices[0].context.asked


@pytest.mark.parametrize("status", ["assigned", "vendor_accepted", "vendor_en_route"])
def test_it_is_sent_where_it_makes_sense(status: str) -> None:
    decision = sent(order_in(status), new_time=SOON)
    assert asked(decision) == {"new_time": SOON}
    (line,) = [e for e in decision.entries if e.kind == "notice_planned"]
    assert line.detail["asked"] == {"new_time": SOON}
    assert decision.order.eta is None


@pytest.mark.parametrize("status", ["created", "at_location", "completed", "vendor_failed"])
def test_elsewhere_it_is_refused_in_words(status: str) -> None:
    with pytest.raises(NotNow, match=f"'traffic_delay' is not sent in '{status}'; it is in assigned, vendor_accepted"):
        sent(order_in(status), new_time=SOON)


def test_some_make_sense_after_the_end_too() -> None:
    for pack in all_packs():
        if "looking_into_it" in pack.workflow.notices:
            assert not pack.workflow.notices["looking_into_it"].statuses
    assert sent(order_in("completed"), "looking_into_it").notices


def test_an_eta_stands_in_while_it_lies_ahead() -> None:
    assert asked(sent(order_in("vendor_en_route", eta=SOON))) == {"new_time": SOON.replace("+00:00", "+00:00")}
    other = (NOON + timedelta(hours=2)).isoformat()
    assert asked(sent(order_in("vendor_en_route", eta=SOON), new_time=other)) == {"new_time": other}
    for eta in ({}, {"eta": PAST}):
        for inputs in ({}, {"new_time": ""}, {"new_time": None}):
            with pytest.raises(Rejection, match=r"inputs\.new_time: is needed for 'traffic_delay'"):
                sent(order_in("vendor_en_route", **eta), **inputs)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (PAST, "must lie ahead"),
        ("soon", "a moment in ISO 8601"),
        (7, "a moment in ISO 8601"),
        ("2026-12-27", "a time of day is needed"),
        ("x" * 501, "at most 500 characters"),
    ],
)
def test_what_cannot_be_the_new_time_is_refused_by_its_name(given: Any, why: str) -> None:
    with pytest.raises(Rejection, match=rf"inputs\.new_time: {why}"):
        sent(order_in("vendor_en_route"), new_time=given)


def test_what_is_not_asked_is_refused() -> None:
    with pytest.raises(Rejection, match=r"inputs\.new_tme: is not asked for 'traffic_delay'; asked is new_time"):
        sent(order_in("vendor_en_route", eta=SOON), new_tme=SOON)
    with pytest.raises(Rejection, match="asked is nothing"):
        sent(order_in("vendor_en_route"), "looking_into_it", new_time=SOON)


def test_a_time_without_an_offset_is_the_packs() -> None:
    assert asked(sent(order_in("vendor_en_route"), new_time="2026-03-02T12:40")) == {
        "new_time": "2026-03-02T07:10:00+00:00"
    }


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("number", "12.5", "12.5"),
        ("boolean", "true", "True"),
        ("money", {"amount": 12, "currency": "EUR"}, "{'amount': '12', 'currency': 'EUR'}"),
        ("list", ["a", "b"], "['a', 'b']"),
        ("date", "2026-12-27", "2026-12-27"),
        ("text", "a broken bridge", "a broken bridge"),
    ],
)
def test_every_type_reaches_templates_as_a_value(kind: AttributeType, given: Any, value: str) -> None:
    notice = replace(PACK.notices["looking_into_it"], asks={"x": Ask(Attribute("x", kind))})
    workflow = replace(PACK, notices={**PACK.notices, notice.name: notice})
    order = order_in("assigned")
    cause = SendNotice(NOON, notice.name, "Meera", (), {"x": given})
    (planned,) = decide(order, cause, workflow, order.id).notices
    values = template_values(
        workflow, notice.name, planned.context, TextReader("customer", "en"), brand="", links=Links(""), secrets={}
    )
    assert str(values["asked"]["x"]) == value
