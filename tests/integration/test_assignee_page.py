"""The page of whoever handles an order: buttons by a signed link, each counts once, and the link is theirs alone."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from tests.integration.conftest import Caller
from tests.integration.test_tracking_replies import page
from tests.support.events import CUSTOMER, OTHER_VENDOR, VENDOR, event, minutes
from tests.support.world import World

pytestmark = pytest.mark.any_database


async def link(world: World, caller: Caller, order_id: str = "O-1", workflow: str = "device_pickup") -> str:
    agent = await caller("agent")
    _, body = await agent.get(f"/v1/orders/{workflow}/{order_id}/link")
    return str(body.get("assignee_url", "")).removeprefix("https://track.example")


async def press(world: World, path: str, text: str, act: str, **typed: str) -> tuple[int, str]:
    """Press this button of a page that was shown."""
    found = re.search(
        rf'action="{path}/{act}(?:\?lang=\w+)?"[^>]*><input type="hidden" name="form" value="([^"]+)"', text
    )
    assert found, f"{act} is not offered: {text}"
    return await post(world, f"{path}/{act}", {"form": found[1], **typed})


async def post(world: World, path: str, data: dict[str, str]) -> tuple[int, str]:
    async with ClientSession() as session, session.post(world.http + path, data=data) as answer:
        return answer.status, await answer.text()


async def status(world: World, order_id: str = "O-1") -> str:
    return str((await world.view(order_id))["status"])


async def test_a_pickup_is_worked_from_the_link_in_the_notice_to_the_vendor(world: World, caller: Caller) -> None:
    vendor = {**VENDOR, "locale": "hi"}
    await world.accept(event("O-1", "assigned", recipients={"customer": CUSTOMER}, assignee=vendor))
    agent = await caller("agent")
    notice = {"reason": "vendor_update_request", "channels": ["sms"]}
    assert (await agent.post("/v1/orders/device_pickup/O-1/notices", notice))[0] == 201
    await world.settled()
    (sms,) = [s for s in world.providers.of("sms") if s.to == VENDOR["phone"]]
    found = re.search(r"https://track\.example(/a/[\w-]+)", sms.text)
    assert found, sms.text
    path = found[1]
    shown, text = await page(world, path)
    assert shown == 200
    assert len(text) < 20_000
    assert "यात्रा शुरू" in text
    assert "<script" not in text
    assert "+919812345678" not in text, "of the customer it says nothing"
    assert (await page(world, path))[0] == 200, "scanners open links"
    assert await status(world) == "assigned"
    # A doubled tap counts once.
    taps = await asyncio.gather(*(press(world, path, text, "start_trip") for _ in range(3)))
    assert {s for s, _ in taps} == {200}
    assert await status(world) == "vendor_en_route"
    entered = [t for t in (await world.view("O-1"))["timeline"] if t["kind"] == "status_changed"]
    assert [(t["to"], t.get("by")) for t in entered if t.get("by")] == [("vendor_en_route", "Ravi")]
    _, late = await press(world, path, text, "accept")
    assert "अब यह संभव नहीं है" in late
    _, text = await page(world, f"{path}?lang=en")
    _, text = await press(world, path, text, "arrived")
    refused, wrong = await press(world, path, text, "inspected", **{"price.amount": "a lot", "price.currency": "INR"})
    assert refused == 422
    assert 'value="a lot"' in wrong
    assert "aria-invalid" in wrong
    await press(world, path, wrong, "inspected", **{"price.amount": "12500,50", "price.currency": "inr"})
    assert (await world.view("O-1"))["price"]["amount"] == "12500.50"
    _, text = await page(world, path)
    assert "payment" not in text.lower(), "a code is never typed here"
    otp = {"otp": {"value": "481920", "expires": (world.clock.now() + timedelta(minutes=9)).isoformat()}}
    await world.accept(event("O-1", "payment_initiated", minutes(1), secrets=otp))
    _, text = await page(world, path)
    await press(world, path, text, "paid")
    assert await status(world) == "payment_successful"
    await world.accept(event("O-1", "completed", minutes(2)))
    gone, text = await page(world, path)
    assert gone == 410
    assert "<form" not in text


async def test_the_link_is_the_assignees_alone_and_ends(world: World, caller: Caller) -> None:
    await world.accept(event("O-1", "assigned", recipients={"customer": CUSTOMER}, assignee=VENDOR))
    path = await link(world, caller)
    _, text = await page(world, path)
    headers = await _headers(world, path)
    assert headers["Cache-Control"] == "no-store"
    assert "noindex" in headers["X-Robots-Tag"]
    await world.accept(event("O-1", at=minutes(1), kind="order.updated", assignee=OTHER_VENDOR))
    assert (await page(world, path))[0] == 404
    assert (await press(world, path, text, "start_trip"))[0] == 404
    theirs = await link(world, caller)
    assert theirs != path
    # Tracking links and links of other orders open nothing here, and this one nothing there.
    token = theirs.rpartition("/")[2]
    for other in (f"/t/{token}", f"/a/{token[:-1]}{'A' if token[-1] != 'A' else 'B'}", f"/a/{'x' * 32}"):
        assert (await page(world, other))[0] in (404, 429), other
    supervisor = await caller("supervisor")
    await supervisor.post("/v1/orders/device_pickup/O-1/link/revoke")
    assert (await page(world, theirs))[0] == 404
    again = await link(world, caller)
    world.clock.advance(days=world.settings.link_days)
    assert (await page(world, again))[0] == 200
    world.clock.advance(days=1)
    assert (await page(world, again))[0] == 404


async def test_could_not_has_a_reason_and_ends_the_order_once(
    world: World, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts: list[dict[str, Any]] = []
    publish = world.app.broker.publish

    async def seen(messages: Any) -> list[bool]:
        acts.extend(msgspec.json.decode(m.body) for m in messages if m.exchange == "orders.acts")
        return await publish(messages)

    monkeypatch.setattr(world.app.broker, "publish", seen)
    await world.accept(event("O-1", "vendor_en_route", recipients={"customer": CUSTOMER}, assignee=VENDOR))
    path = await link(world, caller)
    _, text = await page(world, path)
    assert (await press(world, path, text, "could_not"))[0] == 422, "a reason is needed"
    typed = {"choice": "not_there", "note.text": "Rang <twice>"}
    for said in ("Thank you", "already"):
        shown, after = await press(world, path, text, "could_not", **typed)
        assert (shown, said in after) == (410, True), after
    assert await status(world) == "unable_to_reach"
    await world.settled()
    (told,) = acts
    assert told["source"] == "/assignee"
    assert told["data"]["actor"] == {"id": "v-9", "name": "Ravi", "role": "vendor"}
    (verdict,) = await world.take({**event("O-1", "completed", minutes(1)), "source": "/assignee"})
    assert "Stagebell's own" in verdict.reason


async def test_a_technician_reports_what_kept_them(world: World, caller: Caller) -> None:
    technician = {"role": "technician", "id": "t-1", "name": "Nuria"}
    people = {"customer": {"phone": "+34600000001"}}
    await world.accept(event("O-1", "scheduled", workflow="home_service", recipients=people, assignee=technician))
    path = await link(world, caller, workflow="home_service")
    _, text = await page(world, path)
    await press(world, path, text, "could_not", choice="not_home")
    _, again = await press(world, path, text, "could_not", choice="not_home")
    assert "already" in again
    view = await world.view("O-1", "home_service")
    assert [(e["reason"], e["causes"]) for e in view["escalations"]] == [("customer_not_home", 1)]
    assert view["status"] == "scheduled"


async def _headers(world: World, path: str) -> dict[str, str]:
    async with ClientSession() as session, session.get(world.http + path) as answer:
        return dict(answer.headers)
