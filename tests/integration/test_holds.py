"""What people hold back waits as `held` and is released; it is decided all the same, and its promises run on."""

from typing import Any

import pytest

from tests.integration.conftest import Caller
from tests.support.client import Client
from tests.support.events import CUSTOMER, VENDOR, event, minutes
from tests.support.world import World

pytestmark = pytest.mark.any_database


async def held(world: World, supervisor: Client, **what: Any) -> str:
    """The id of a new hold, which every loop knows of."""
    status, hold = await supervisor.post("/v1/holds", what)
    assert status == 201
    await world.until(lambda: not world.app.holds.is_empty, "held")
    return str(hold["id"])


async def states(world: World, order_id: str) -> dict[str, str]:
    return dict(await world.messages(order_id))


async def created(world: World, *order_ids: str) -> None:
    for order_id in order_ids:
        await world.accept(event(order_id, "created", recipients={"customer": CUSTOMER}))


async def test_a_channel_is_held_and_released(world: World, caller: Caller) -> None:
    supervisor = await caller("supervisor")
    hold = await held(world, supervisor, channel="sms", why="wrong sender")
    await created(world, "H-1")
    await world.settled()
    assert "sms" not in {s.channel for s in world.providers.sent}
    _, page = await supervisor.get("/v1/messages?state=held")
    (message,) = page["messages"]
    assert (message["channel"], message["error"].startswith("held by supervisor since 2")) == ("sms", True)
    assert message["error"].endswith("UTC: wrong sender")
    _, listed = await supervisor.get("/v1/holds")
    assert [(h["channel"], h["by"], h["why"], h["waiting"]) for h in listed["holds"]] == [
        ("sms", "supervisor", "wrong sender", 1)
    ]
    assert (await supervisor.call("DELETE", f"/v1/holds/{hold}"))[0] == 204
    await world.until(lambda: "sms" in {s.channel for s in world.providers.sent}, "released")
    await world.settled()
    assert [s.channel for s in world.providers.sent].count("sms") == 1
    assert (await supervisor.get("/v1/holds"))[1] == {"holds": []}
    assert (await supervisor.call("DELETE", f"/v1/holds/{hold}"))[0] == 404


async def test_a_hold_of_one_notice_lets_others_pass(world: World, caller: Caller) -> None:
    supervisor = await caller("supervisor")
    await held(world, supervisor, workflow="device_pickup", notice="vendor_assigned")
    await created(world, "H-1")
    await world.settled()
    assert "sms" in {s.channel for s in world.providers.sent}


async def test_what_another_hold_covers_stays(world: World, caller: Caller) -> None:
    supervisor = await caller("supervisor")
    first = await held(world, supervisor, channel="sms")
    await held(world, supervisor, workflow="device_pickup", channel="sms")
    await created(world, "H-1")
    await world.settled()
    await supervisor.call("DELETE", f"/v1/holds/{first}")
    await world.move(seconds=2)
    assert "sms" not in {s.channel for s in world.providers.sent}


async def test_its_deadline_runs_on(world: World, caller: Caller) -> None:
    supervisor = await caller("supervisor")
    await held(world, supervisor, channel="sms")
    await created(world, "H-1")
    await world.settled()
    await world.move(hours=25)

    async def expired() -> bool:
        return bool((await supervisor.get("/v1/messages?channel=sms&state=expired"))[1]["messages"])

    await world.until(expired, "expired")
    assert "sms" not in {s.channel for s in world.providers.sent}


async def test_a_promise_that_a_hold_breaks_says_so(world: World, caller: Caller) -> None:
    supervisor = await caller("supervisor")
    for channel in ("sms", "whatsapp", "push", "email"):
        await held(world, supervisor, channel=channel, why="a mistake in the text")
    await created(world, "H-1")
    await world.settled()
    await world.accept(event("H-1", "pending_vendor_assignment", minutes(1)))
    await world.accept(event("H-1", "assigned", minutes(2), assignee=VENDOR))
    await world.settled()
    await world.move(minutes=8)
    _, page = await supervisor.get("/v1/escalations")
    details = [e["detail"] for e in page["escalations"] if "held by supervisor" in e["detail"]]
    assert details, page


async def test_a_hold_of_nothing_is_refused(world: World, caller: Caller) -> None:
    supervisor = await caller("supervisor")
    wrongs: tuple[dict[str, str], ...] = (
        {}, {"channel": "smss"}, {"workflow": "none"}, {"notice": "none"}, {"chanel": "sms"},
    )  # fmt: skip
    for wrong in wrongs:
        assert (await supervisor.post("/v1/holds", wrong))[0] in (400, 422), wrong
