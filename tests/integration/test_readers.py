"""Addresses and readers: one canonical form, one message for one address, wishes on every way out."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from service.domain.scopes import EVERYTHING
from service.keyring import Keyring
from service.ledger.orders.locking import find
from service.ledger.orders.records import seal_json
from service.ledger.orders.tables import ORDER_STATE, orders
from tests.integration.conftest import Caller
from tests.support.events import VENDOR, event
from tests.support.world import World

pytestmark = pytest.mark.any_database
ASHA = "+919812345678"


async def told(world: World, order_id: str = "A-1", status: str = "vendor_en_route", **recipients: Any) -> None:
    await world.accept(event(order_id, status, recipients=recipients, assignee=VENDOR))
    await world.settled()


async def outcomes(world: World, order_id: str = "A-1") -> list[tuple[str, str, str]]:
    return [(m["channel"], m["address"], m["state"]) for m in (await world.view(order_id))["messages"] if m["address"]]


async def lines(world: World, kind: str, order_id: str = "A-1") -> list[dict[str, Any]]:
    return [t for t in (await world.view(order_id))["timeline"] if t["kind"] == kind]


SPELLINGS = (
    "+91 98123 45678", "+91-98123-45678", "00919812345678", "+919812345678 ", "+919812345678\n", "98123 45678",
    "٩٨١٢٣٤٥٦٧٨", "+९१९८१२३४५६७८", "tel:+91-98123-45678", "whatsapp:+919812345678", "(+91) 98123\u00a045678",
)  # fmt: skip


async def test_numbers_are_read_as_people_write_them(world: World) -> None:
    for n, written in enumerate(SPELLINGS):
        await world.accept(event(f"A-{n}", "vendor_en_route", recipients={"customer": {"phone": written}}))
        assert (await world.view(f"A-{n}"))["recipients"]["customer"][0]["phone"] == ASHA
    await world.settled()
    assert [s.to for s in world.providers.of("sms")] == [ASHA] * len(SPELLINGS)


async def test_a_persons_country_comes_before_the_packs_and_is_kept(world: World) -> None:
    await told(world, customer={"phone": "06 12 34 56 78", "country": "fr"})
    assert await outcomes(world) == [("sms", "+33612345678", "sent")]
    await world.accept(event("A-1", "at_location", recipients={"customer": {"phone": "06 12 34 56 79"}}))
    await world.settled()
    assert (await outcomes(world))[-1] == ("sms", "+33612345679", "sent")


async def test_assignees_are_read_alike(world: World) -> None:
    vendor = {**VENDOR, "phone": "98000 00000"}
    await world.accept(event("A-1", "vendor_en_route", recipients={}, assignee=vendor))
    assert (await world.view("A-1"))["assignee"]["phone"] == "+919800000000"


async def test_what_can_be_no_address_is_told_to_the_publisher_and_the_order_goes_on(
    world: World, caller: Caller
) -> None:
    publisher = await caller("publisher")
    recipients = {
        "customer": {"phone": "call me", "whatsapp": "+91 123", "email": "nobody", "country": "Elbonia"},
        "partner": [{"phone": ASHA}, {"phone": "12"}],
    }
    assignee = {**VENDOR, "phone": "no number"}
    said = event("A-1", "vendor_en_route", recipients=recipients, assignee=assignee)
    status, answered = await publisher.post("/v1/events", said)
    assert status == 200
    (result,) = answered["results"]
    assert result["outcome"] == "accepted"
    fields = [w["field"] for w in result["warnings"]]
    assert fields == [
        "data.recipients.customer.country", "data.recipients.customer.phone", "data.recipients.customer.whatsapp",
        "data.recipients.customer.email", "data.recipients.partner[1].phone", "data.assignee.phone",
    ]  # fmt: skip
    assert "call me" not in str(result["warnings"])
    assert [t["field"] for t in await lines(world, "warning")] == fields
    await world.settled()
    assert await outcomes(world) == []
    assert {(m["state"], m["error"]) for m in (await world.view("A-1"))["messages"] if m["channel"] == "sms"} == {
        ("suppressed", "no sms address is known")
    }
    status, answered = await publisher.post(
        "/v1/events", event("A-2", "created", recipients={"customer": {"phone": ASHA}})
    )
    assert answered["results"][0]["warnings"] == []


async def test_orders_of_earlier_releases_are_put_right_when_they_are_next_decided(world: World) -> None:
    await told(world, customer={"phone": ASHA, "locale": "en"})
    keyring: Keyring = world.ledger.keyring
    async with world.ledger.transaction() as tx:
        order = await find(tx, "device_pickup", "A-1", scope=EVERYTHING)
        assert order is not None
        (person,) = order.recipients["customer"]
        old = msgspec.structs.replace(person, phone="+91-98123 45678 ")
        order = msgspec.structs.replace(order, recipients={"customer": (old,)})
        await tx.execute(update(orders).values(sealed_state=seal_json(keyring, order, ORDER_STATE.of(order.id))))
    await world.accept(event("A-1", "at_location"))
    await world.settled()
    assert (await outcomes(world))[-1] == ("sms", ASHA, "sent")


async def test_one_address_gets_one_message_whatever_its_roles(world: World) -> None:
    twice = [{"phone": ASHA, "name": "Asha"}, {"phone": "98123 45678", "locale": "hi"}]
    await told(world, customer=twice)
    assert await outcomes(world) == [("sms", ASHA, "sent")]
    (message,) = [m for m in (await world.view("A-1"))["messages"] if m["address"]]
    assert message["locale"] == "hi", "asked for; the other one asked for nothing"
    assert message["name"] == "Asha"


async def test_what_one_role_does_not_want_is_not_sent_to_its_address_by_another(world: World) -> None:
    await told(world, customer=[{"phone": ASHA}, {"phone": ASHA, "channels": ["email"]}])
    assert await outcomes(world) == [("sms", ASHA, "suppressed")]


async def test_two_forms_of_one_number_are_one_address(world: World) -> None:
    await told(world, customer=[{"phone": "+5215512345678"}, {"phone": "+525512345678"}])
    assert len(world.providers.of("sms")) == 1


async def test_late_events_do_not_put_addresses_back(world: World) -> None:
    await told(world, customer={"phone": ASHA, "email": "asha@example.com"})
    await world.accept(event("A-1", "at_location", timedelta(0), recipients={"customer": {"email": None}}))
    (person,) = (await world.view("A-1"))["recipients"]["customer"]
    assert person["phone"] == ASHA
    assert "email" not in person
