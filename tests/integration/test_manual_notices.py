"""Manual notices over HTTP: offered and taken where they make sense, with what the agent filled in."""

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.conftest import Caller
from tests.support.client import key_for
from tests.support.events import CUSTOMER, NOON, VENDOR, event, minutes
from tests.support.world import World

pytestmark = pytest.mark.any_database

ORDER = "/v1/orders/device_pickup/M-1"
DELAY: dict[str, Any] = {"reason": "traffic_delay", "channels": ["sms"]}


async def on_the_way(world: World, **data: Any) -> None:
    await world.accept(event("M-1", "vendor_en_route", recipients={"customer": CUSTOMER}, assignee=VENDOR, **data))
    await world.settled()


async def test_the_agent_gives_the_new_time(world: World, caller: Caller) -> None:
    await on_the_way(world, eta=(NOON + minutes(10)).isoformat())
    world.clock.advance(hours=2)
    agent = await caller("agent")
    _, order = await agent.get(ORDER)
    (offer,) = [n for n in order["manual_notices"] if n["reason"] == "traffic_delay"]
    assert offer["asks"] == [
        {"name": "new_time", "title": "New time", "type": "datetime", "ahead": True, "required": True, "default": None}
    ]
    for more in ({}, {"preview": True}):
        status, problem = await agent.post(f"{ORDER}/notices", {**DELAY, **more})
        assert status == 422
        assert "inputs.new_time" in problem["detail"]
    said = {**DELAY, "inputs": {"new_time": (NOON + timedelta(hours=3)).isoformat()}}
    _, shown = await agent.post(f"{ORDER}/notices", {**said, "preview": True})
    assert "3:00 pm" in shown["messages"][0]["text"]
    before = len(world.providers.sent)
    assert (await agent.post(f"{ORDER}/notices", said))[0] == 201
    await world.settled()
    assert [s.text for s in world.providers.sent[before:]] == [shown["messages"][0]["text"]]
    _, order = await agent.get(ORDER)
    (line,) = [t for t in order["timeline"] if t.get("notice") == "traffic_delay" and t["kind"] == "notice_planned"]
    assert line["asked"] == said["inputs"]
    assert order["eta"] == (NOON + minutes(10)).isoformat().replace("+00:00", "Z")
    for wrong, where in (({"new_time": "soon"}, "new_time"), ({"when": "x"}, "when"), ({"new_time": 1}, "new_time")):
        status, problem = await agent.post(f"{ORDER}/notices", {**DELAY, "inputs": wrong})
        assert (status, where in problem["detail"]) == (422, True)


async def test_it_is_offered_and_taken_before_arrival_alone(world: World, caller: Caller) -> None:
    await on_the_way(world, eta=(NOON + minutes(40)).isoformat())
    agent = await caller("agent")
    assert (await agent.post(f"{ORDER}/notices", DELAY))[0] == 201
    world.clock.advance(minutes=1)
    await world.accept(event("M-1", "completed", at=minutes(1)))
    before = len(world.providers.sent)
    status, problem = await agent.post(f"{ORDER}/notices", DELAY)
    assert (status, "'completed'" in problem["detail"]) == (409, True)
    _, order = await agent.get(ORDER)
    offered = {n["reason"] for n in order["manual_notices"]}
    assert "looking_into_it" in offered
    assert offered.isdisjoint({"traffic_delay", "vendor_failure", "vendor_update_request"})
    await world.settled()
    assert len(world.providers.sent) == before


@pytest.mark.parametrize("doubled", [True, False])
async def test_a_form_of_the_desk_counts_once(world: World, caller: Caller, doubled: bool) -> None:
    await on_the_way(world)
    agent = await caller("agent")
    base = f"{world.http}/desk/orders/device_pickup/M-1"
    headers = {"Authorization": f"Bearer {await key_for(world, 'agent', 'desk')}"}
    async with agent.session.get(base, headers=headers) as response:
        page = await response.text()
    assert 'name="traffic_delay.new_time" value=""' in page
    form_id = page.partition('name="form_id" value="')[2].partition('"')[0]
    form = {
        "reason": "traffic_delay",
        "channels": "sms",
        "traffic_delay.new_time": "2026-03-02T13:30",
        "csrf_token": "",
    }
    for n in range(2):
        said = {**form, "form_id": form_id if doubled else f"{form_id}{n}"}
        async with agent.session.post(f"{base}/notices", data=said, headers=headers, allow_redirects=False) as sent:
            assert (sent.status, sent.headers["Location"]) == (303, "/desk/orders/device_pickup/M-1")
        world.clock.advance(seconds=30)
    await world.settled()
    texts = [s.text for s in world.providers.sent if "traffic" in s.text]
    assert len(texts) == (1 if doubled else 2)
    assert "1:30 pm" in texts[0]
