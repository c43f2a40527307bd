"""An agent finds a caller by whatever the caller says: a number in any spelling, an id or its end, a name."""

from urllib.parse import quote

import pytest

from service.domain.json_object import JsonObject
from tests.integration.conftest import Caller
from tests.support.events import CUSTOMER, VENDOR, event, minutes, person
from tests.support.world import World

pytestmark = pytest.mark.any_database

ASHA = {**CUSTOMER, "name": "Asha Ráo-Iyer", "phone": "+919812300000", "whatsapp": "+919812300000"}
RAVI = {**VENDOR, "name": "Ravi Kumar", "phone": "+919800000777"}


async def three_orders(world: World) -> None:
    await world.accept(
        event("ORD-1001", "created", recipients={"customer": ASHA}),
        event("ORD-2055", "created", minutes(1), recipients={"customer": person(2, name="Meera Rao")}),
        event("ORD-77451", "created", minutes(2), recipients={"customer": person(3, name="Kavya Iyer")}),
        event("ORD-1001", "assigned", minutes(3), assignee=RAVI),
    )
    await world.settled()


SAID: tuple[tuple[str, set[str]], ...] = (
    ("9812300000", {"ORD-1001"}), ("098123 00000", {"ORD-1001"}), ("+91 98123-00000", {"ORD-1001"}),
    ("0091 9812300000", {"ORD-1001"}), ("ord-1001", {"ORD-1001"}), ("ORD1001", {"ORD-1001"}),
    ("ord 1001", {"ORD-1001"}), ("1001", {"ORD-1001"}), ("7451", {"ORD-77451"}), ("77451", {"ORD-77451"}),
    ("87451", set()), ("ORD-", {"ORD-1001", "ORD-2055", "ORD-77451"}), ("asha", {"ORD-1001"}),
    ("ASHA RAO", {"ORD-1001"}), ("rao", {"ORD-1001", "ORD-2055"}), ("Rao, Meera", {"ORD-2055"}),
    ("iyer", {"ORD-1001", "ORD-77451"}), ("ravi kumar", {"ORD-1001"}), ("9800000777", {"ORD-1001"}),
    ("asha@example.com", {"ORD-1001"}), ("ord-10", {"ORD-1001"}), ("ORD-2", {"ORD-2055"}), ("nobody", set()), ("%", set()), ("_", set()), ("a", set()),
)  # fmt: skip


async def test_by_any_spelling_a_caller_uses(world: World, caller: Caller) -> None:
    await three_orders(world)
    agent = await caller("agent")
    wrong = {}
    for said, found in SAID:
        _, page = await agent.get(f"/v1/orders?q={quote(said)}")
        if (got := {o["order_id"] for o in page["orders"]}) != found:
            wrong[said] = got
    assert wrong == {}


# As telephone systems say who calls: RFC 3966 §3, RFC 3261 §19.1 and §20.10.
NUMBERS = (
    "09812300000", "919812300000", "00919812300000", "+91-98123-00000", "(+91) 98123.00000", "९८१२३०००००",
    "tel:+919812300000", "tel:+91-98123-00000;ext=5", "sip:+919812300000@pbx.example.com", "SIPS:9812300000@10.0.0.1;user=phone",
    '"Asha" <sip:%2B919812300000@pbx>;tag=1', "+919812300000;ext=5",
)  # fmt: skip


async def test_a_call_opens_the_caller_s_open_order(world: World, caller: Caller) -> None:
    await three_orders(world)
    agent = await caller("agent")

    async def opened(number: str) -> str:
        url = f"{world.http}/desk/call?from={quote(number)}"
        async with agent.session.get(url, headers=agent._headers, allow_redirects=False) as answer:
            assert answer.status == 302
            return answer.headers["Location"]

    for number in NUMBERS:
        assert await opened(number) == "/desk/orders/device_pickup/ORD-1001", number
    for withheld in ("", "anonymous", "Restricted", "sip:anonymous@anonymous.invalid", "205"):
        url = f"{world.http}/desk/call?from={quote(withheld)}"
        async with agent.session.get(url, headers=agent._headers, allow_redirects=False) as answer:
            assert (answer.status, "Number withheld" in await answer.text()) == (200, True), withheld
    await world.accept(event("ORD-3000", "created", minutes(4), recipients={"customer": ASHA}))
    assert (await opened("+919812300000")).startswith("/desk/orders?q=")
    await world.accept(event("ORD-3000", "customer_rejected", minutes(5)))
    assert await opened("+919812300000") == "/desk/orders/device_pickup/ORD-1001"
    assert (await opened("+919899999999")).startswith("/desk/orders?q=")


async def test_who_is_erased_is_found_by_name_no_more(world: World, caller: Caller) -> None:
    await three_orders(world)
    agent, admin = await caller("agent"), await caller("admin")
    assert (await admin.call("DELETE", f"/v1/people/{quote(str(ASHA['phone']))}"))[0] == 200
    for said in ("asha", "9812300000"):
        assert (await agent.get(f"/v1/orders?q={said}"))[1]["orders"] == []
    assert len((await agent.get("/v1/orders?q=1001"))[1]["orders"]) == 1


async def test_pages_have_each_order_once_however_they_are_sorted_and_by_whatever_they_are_found(
    world: World, caller: Caller
) -> None:
    ends: list[JsonObject] = [{"expected_end": f"2026-04-0{n}"} for n in (3, 1, 2)]
    for n, attributes in enumerate([*ends, {}, {}]):
        who = {"customer": person(n, name="Asha Rao")}
        at = minutes(n)
        await world.accept(event(f"R-{n}", "scheduled", at, workflow="repair", recipients=who, attributes=attributes))
    agent = await caller("agent")
    for sort in ("activity", "submitted", "expected_end", "due"):
        for more in ("", "&q=R-", "&q=asha", "&q=Rao+Asha", "&open=true", "&q=asha&open=true"):
            path = f"/v1/orders?sort={sort}{more}"
            _, whole = await agent.get(path)
            found, cursor = [], ""
            while True:
                _, page = await agent.get(f"{path}&limit=2&cursor={quote(cursor)}")
                found += [o["order_id"] for o in page["orders"]]
                cursor = page["cursor"]
                if not cursor:
                    break
            assert found == [o["order_id"] for o in whole["orders"]], path
            assert len(found) == 5
            if sort == "expected_end":
                assert found == ["R-1", "R-2", "R-0", "R-3", "R-4"], path
