"""The pack `parcel`: several parcels of one order, what their customer is told, and what they may say."""

from datetime import timedelta
from typing import Any

import pytest

from service.domain.causes import ReplyReceived
from tests.support.events import CUSTOMER, event, part_of
from tests.support.family import Family
from tests.support.life import after
from tests.support.packs import all_packs

PACK = all_packs().get("parcel")
HOUR = 60


def parcel(order_id: str, status: str, hours: float, **data: Any) -> dict[str, Any]:
    return event(order_id, status, timedelta(hours=hours), workflow="parcel", **data)


def three(**data: Any) -> Family:
    """An order of three parcels, which are all on their way after an hour."""
    family = Family(PACK)
    people: dict[str, Any] = {"recipients": {"customer": CUSTOMER}}
    family.take(parcel("W", "announced", 0, attributes={"parcels": 3, **data}, **people))
    for n in (1, 2, 3):
        family.take(part_of("W", f"P{n}", at=timedelta(hours=1), eta=after(30 * HOUR).isoformat(), **people))
    return family


def test_the_order_tells_what_is_of_all_and_each_parcel_what_is_its_own() -> None:
    family = three()
    for n in (1, 2, 3):
        family.take(parcel(f"P{n}", "out_for_delivery", 20))
    family.take(parcel("P1", "delivered", 22))
    family.take(parcel("P2", "failed_attempt", 23))
    family.take(parcel("P3", "delivered", 24))
    family.take(parcel("P2", "held_at_counter", 30))
    family.take(parcel("P2", "collected", 40))
    assert family.status("W") == "delivered"
    assert family["W"].told == ["announced", "on_its_way", "partly_delivered", "partly_delivered", "delivered"]
    assert (family["P1"].told, family["P3"].told) == (["out_for_delivery"], ["out_for_delivery"])
    assert family["P2"].told == ["out_for_delivery", "attempt_failed", "held_at_counter"]
    texts = [family["W"].text_of(n) for n in family["W"].messages.values() if n.channel == "whatsapp"]
    assert [f"{n} of 3" in t for n, t in enumerate(texts)] == [False, True, True, False]
    assert any("all 3 parcels" in t for t in texts)


def test_where_not_all_of_it_arrives_the_order_ends_too() -> None:
    family = three()
    family.take(parcel("P1", "delivered", 22))
    family.take(parcel("P2", "lost", 23))
    family.take(parcel("P3", "going_back", 24, attributes={"return_reason": "refused"}))
    assert family.status("W") == "partly_delivered"
    family.take(parcel("P3", "returned", 60))
    assert (family.status("W"), family["W"].told[-1]) == ("partly_returned", "partly_returned")
    family = three()
    for n in (1, 2, 3):
        family.take(parcel(f"P{n}", "returned", 50 + n))
    assert family.status("W") == "returned"


def test_one_clock_looks_at_all_of_it() -> None:
    family = three(promised=after(48 * HOUR).isoformat())
    for n in (1, 2):
        family.take(parcel(f"P{n}", "delivered", 22))
    family.travel_to(after(49 * HOUR))
    called = [c.escalation.reason for c in family["W"].escalations.values()]
    assert called == ["order_incomplete"]
    assert [c.escalation.reason for c in family["P3"].escalations.values()] == ["parcel_late"]


@pytest.mark.parametrize(
    ("status", "text", "reply"),
    [
        ("out_for_delivery", "Neighbour", "neighbour"),
        ("out_for_delivery", "beim Nachbarn", "neighbour"),
        ("failed_attempt", "Filiale!", "to_counter"),
        ("delivered", "Not here", "not_here"),
        ("delivered", "ist nicht da", "not_here"),
        ("in_transit", "Wo ist mein Paket?", "where_is_it"),
        ("delivered", "neighbour", "neighbour"),
    ],
)
def test_what_customers_say(status: str, text: str, reply: str) -> None:
    family = Family(PACK)
    family.take(parcel("P", status, 0, recipients={"customer": CUSTOMER}))
    (said,) = family["P"].cause(ReplyReceived(family.now, "whatsapp", str(CUSTOMER["phone"]), text)).replies
    assert said.reply == reply
    assert said.outcome == ("too_late" if (status, reply) == ("delivered", "neighbour") else "counted")
