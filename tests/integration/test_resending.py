"""What reached nobody is told again: counted beforehand, by another channel, once, and not what makes no sense any more."""

from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from service import opt_outs
from tests.integration.conftest import Caller
from tests.support.events import event, minutes, person
from tests.support.providers import Sent
from tests.support.world import World

pytestmark = pytest.mark.any_database

FAILED: dict[str, Any] = {"channel": "whatsapp", "state": "failed"}
LIFE = (
    "pending_vendor_assignment", "assigned", "vendor_accepted", "vendor_en_route", "at_location", "inspection_started",
    "inspection_completed",
)  # fmt: skip


async def whatsapp_fails(sent: Sent) -> web.StreamResponse | None:
    if sent.channel == "whatsapp":
        return web.json_response({"code": 63024, "message": "invalid message recipient"}, status=400)
    return None


def reached(n: int, **more: Any) -> dict[str, Any]:
    return person(n, **{"channels": ["whatsapp", "sms"], "email": None, "push_tokens": [], **more})


async def told_by_whatsapp_alone(world: World, *numbers: int) -> None:
    """Orders whose customers are to hear of them by WhatsApp, which fails."""
    world.providers.behave = whatsapp_fails
    for n in numbers:
        await world.accept(event(f"R-{n}", "created", minutes(n), recipients={"customer": reached(n, phone=None)}))
    await world.settled()


async def given_numbers(world: World, *numbers: int) -> None:
    world.clock.advance(minutes=10)
    for n in numbers:
        said = event(f"R-{n}", at=minutes(10), kind="order.updated", recipients={"customer": reached(n)})
        await world.accept(said)
    await world.settled()


async def test_it_is_counted_and_then_sent_by_another_channel_once(world: World, caller: Caller) -> None:
    await told_by_whatsapp_alone(world, 1, 2, 3)
    await given_numbers(world, 1, 2)
    supervisor = await caller("supervisor")
    asked = {"filter": FAILED, "channel": "sms"}
    before = len(world.providers.sent)
    status, counted = await supervisor.post("/v1/messages/resend", {**asked, "dry_run": True})
    assert status == 200
    assert (counted["matched"], counted["planned"], counted["excluded"]) == (3, 2, {"no_address": 1})
    await world.settled()
    assert len(world.providers.sent) == before, "counting sends nothing"
    _, done = await supervisor.post("/v1/messages/resend", asked)
    assert [done[k] for k in ("matched", "planned", "excluded", "orders")] == [3, 2, {"no_address": 1}, 2]
    await world.move(seconds=1)
    assert [s.channel for s in world.providers.sent[before:]] == ["sms", "sms"]
    _, again = await supervisor.post("/v1/messages/resend", asked)
    assert (again["planned"], again["excluded"]) == (0, {"already_told": 2, "no_address": 1})
    _, order = await supervisor.get("/v1/orders/device_pickup/R-1")
    kinds = [t["kind"] for t in order["timeline"] if t["kind"].startswith("resend")]
    assert kinds == ["resend_planned", "resend_skipped"]


async def test_what_still_waits_goes_the_other_way_and_is_withdrawn(world: World, caller: Caller) -> None:
    async def away(sent: Sent) -> web.StreamResponse | None:
        return web.json_response({}, status=429) if sent.channel == "whatsapp" else None

    world.providers.behave = away
    said = reached(1, channels=["whatsapp"])
    await world.accept(event("R-1", "created", recipients={"customer": said}))
    supervisor = await caller("supervisor")

    async def tried() -> bool:
        return bool((await supervisor.get("/v1/messages?state=retrying"))[1]["messages"])

    await world.until(tried, "tried once")
    asked: dict[str, Any] = {"filter": {"channel": "whatsapp", "state": ["retrying", "pending"]}}
    assert (await supervisor.post("/v1/messages/resend", asked))[1]["excluded"] == {"still_waits": 1}
    _, done = await supervisor.post("/v1/messages/resend", {**asked, "channel": "sms"})
    assert (done["planned"], done["excluded"]) == (0, {"not_wanted": 1}), "they asked for WhatsApp alone"
    wider = {**said, "channels": None}
    await world.accept(event("R-1", at=minutes(1), kind="order.updated", recipients={"customer": wider}))
    _, done = await supervisor.post("/v1/messages/resend", {**asked, "channel": "sms"})
    assert done["planned"] == 1
    world.providers.behave = None
    await world.move(minutes=10)
    assert [s.channel for s in world.providers.sent if s.channel == "sms"] == ["sms"]
    _, page = await supervisor.get("/v1/messages?channel=whatsapp&state=superseded")
    assert [m["error"] for m in page["messages"]] == ["told by sms instead, as supervisor asked"]


async def test_codes_and_what_is_over_stay_untold(world: World, caller: Caller) -> None:
    await told_by_whatsapp_alone(world, 1)
    otp = {"otp": {"value": "481920", "expires": (world.clock.now() + timedelta(hours=1)).isoformat()}}
    world.clock.advance(minutes=10)
    for n, status in enumerate(LIFE, 2):
        await world.accept(event("R-1", status, minutes(n)))
    await world.accept(event("R-1", "payment_initiated", minutes(10), secrets=otp))
    await world.settled()
    await given_numbers(world, 1)
    asked = {"filter": FAILED, "channel": "sms", "dry_run": True}
    _, done = await (await caller("supervisor")).post("/v1/messages/resend", asked)
    assert done["excluded"]["code"] == 1
    assert done["excluded"]["stale"] >= 2


async def test_an_opt_out_holds_for_what_is_told_again(world: World, caller: Caller) -> None:
    await told_by_whatsapp_alone(world, 1)
    await given_numbers(world, 1)
    await opt_outs.stop(world.app.orders, "sms", person(1)["phone"], [""], "they wrote so")
    asked = {"filter": FAILED, "channel": "sms", "dry_run": True}
    _, done = await (await caller("supervisor")).post("/v1/messages/resend", asked)
    assert done["excluded"] == {"opted_out": 1}


async def test_they_leave_spread_over_time(world: World, caller: Caller) -> None:
    await told_by_whatsapp_alone(world, 1, 2, 3)
    await given_numbers(world, 1, 2, 3)
    supervisor = await caller("supervisor")
    before = len(world.providers.sent)
    _, done = await supervisor.post("/v1/messages/resend", {"filter": FAILED, "channel": "sms", "per_minute": 1})
    assert done["planned"] == 3
    await world.quiet()
    assert len(world.providers.sent) == before + 1
    await world.travel_to(world.clock.now() + timedelta(minutes=3))
    assert len(world.providers.sent) == before + 3


async def test_an_agent_tells_one_message_again_and_hears_why_not(world: World, caller: Caller) -> None:
    await told_by_whatsapp_alone(world, 1)
    agent = await caller("agent")
    _, page = await agent.get("/v1/messages?state=failed")
    (failed,) = page["messages"]
    path = f"/v1/messages/{failed['id']}/resend"
    status, problem = await agent.post(path, {"channel": "sms"})
    assert (status, problem["detail"]) == (409, "they have no address on that channel")
    await given_numbers(world, 1)
    assert (await agent.post(path, {"channel": "sms"}))[0] == 200
    assert (await agent.post(path, {"channel": "smss"}))[1]["detail"].endswith("did you mean 'sms'?")
    assert (await agent.post("/v1/messages/00000000-0000-7000-8000-000000000000/resend", {}))[0] == 404


async def test_everything_at_once_is_refused(world: World, caller: Caller) -> None:
    status, problem = await (await caller("supervisor")).post("/v1/messages/resend", {"filter": {}})
    assert (status, "which messages" in problem["detail"]) == (422, True)
