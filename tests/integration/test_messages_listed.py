"""Messages of all orders, as CX looks for them: by channel, state, cause, time and person; a page or a table."""

import csv
import io
import re
from datetime import timedelta

import pytest
from aiohttp import web

from tests.integration.conftest import Caller
from tests.support.events import CUSTOMER, NOON, event, minutes, person
from tests.support.providers import Sent
from tests.support.world import World

pytestmark = pytest.mark.any_database


async def bad_number(sent: Sent) -> web.StreamResponse | None:
    """Twilio's answer to a number that is none, for one of the two people."""
    if sent.channel == "sms" and sent.to == person(2)["phone"]:
        return web.json_response({"code": 21211, "message": "not a number"}, status=400)
    return None


async def two_orders(world: World) -> None:
    world.providers.behave = bad_number
    await world.accept(
        event("M-1", "created", recipients={"customer": CUSTOMER}),
        event("M-2", "created", minutes(1), recipients={"customer": person(2)}),
    )
    await world.settled()


async def test_they_are_found_by_what_went_wrong(world: World, caller: Caller) -> None:
    await two_orders(world)
    agent = await caller("agent")
    _, page = await agent.get("/v1/messages?channel=sms&state=failed,undelivered")
    assert [(m["order_id"], m["error_code"], m["notice"]) for m in page["messages"]] == [
        ("M-2", "21211", "order_created")
    ]
    assert (await agent.get("/v1/messages?cause=21211"))[1]["messages"] == page["messages"]
    assert (await agent.get("/v1/messages?cause=21610"))[1]["messages"] == []
    tomorrow = (NOON + timedelta(days=1)).date().isoformat()
    assert (await agent.get(f"/v1/messages?from={tomorrow}"))[1]["messages"] == []
    assert (await agent.get(f"/v1/messages?to={tomorrow}&notice=order_created&limit=200"))[1]["messages"]


async def test_a_person_s_messages_are_theirs_alone_in_any_spelling(world: World, caller: Caller) -> None:
    await two_orders(world)
    agent = await caller("agent")
    national = "0" + str(CUSTOMER["phone"]).removeprefix("+91")
    _, page = await agent.get(f"/v1/messages?recipient={national}&country=IN")
    assert {(m["order_id"], m["address"]) for m in page["messages"]} == {("M-1", CUSTOMER["phone"])}


async def test_pages_follow_each_other_and_miss_none(world: World, caller: Caller) -> None:
    await two_orders(world)
    agent = await caller("agent")
    _, whole = await agent.get("/v1/messages?limit=200")
    found, cursor = [], ""
    while True:
        _, page = await agent.get(f"/v1/messages?limit=3&cursor={cursor}")
        found += [m["id"] for m in page["messages"]]
        if not (cursor := page["cursor"]):
            break
    assert found == [m["id"] for m in whole["messages"]]
    assert len(found) == len(set(found)) > 6


async def test_the_table_holds_no_formula_and_says_why(world: World, caller: Caller) -> None:
    world.providers.behave = bad_number
    formula = {**person(2), "name": "=HYPERLINK(1)"}
    await world.accept(event("M-2", "created", recipients={"customer": formula}))
    await world.settled()
    agent = await caller("agent")
    _, text = await agent.get("/v1/messages?state=failed&format=csv")
    (line,) = list(csv.DictReader(io.StringIO(text)))
    assert (line["order_id"], line["cause"], line["name"]) == ("M-2", "21211", "'=HYPERLINK(1)")


REFUSED = (
    ("state=faild", "did you mean 'failed'"), ("channel=smss", "did you mean 'sms'"), ("cursor=x", "cursor"),
     ("from=2026-11-24&to=2026-11-23", "to: must be after from"), ("recipient=x", "recipient"),
)  # fmt: skip


async def test_a_filter_that_is_none_is_refused(world: World, caller: Caller) -> None:
    agent = await caller("agent")
    for query, where in REFUSED:
        status, problem = await agent.get(f"/v1/messages?{query}")
        assert (status in (400, 422), where in problem["detail"]) == (True, True), query


async def test_notices_of_several_packs_can_be_told_apart_in_the_filter(world: World, caller: Caller) -> None:
    _, page = await (await caller("agent")).get("/desk/messages")
    (choice,) = re.findall(r'<select name="notice">(.*?)</select>', page.partition('id="hold"')[0])
    titles = re.findall(r"<option[^>]*>([^<]+)<", choice)
    assert len(titles) > 30
    assert sorted(set(titles)) == sorted(titles)
    assert any(title.startswith("Cancelled (") for title in titles)
