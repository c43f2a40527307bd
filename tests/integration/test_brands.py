"""Two brands in one service, from the event to what providers are asked to send, and back."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.integration.conftest import Caller
from tests.integration.test_opt_outs import say
from tests.integration.test_receipts import receipt
from tests.support.events import NOON, event
from tests.support.packs import copied
from tests.support.providers import Mailbox, Providers, Sent
from tests.support.world import ROOT, World, settings_for

ADA = {"name": "Ada", "phone": "+447400123456", "whatsapp": "+447400123456", "email": "ada@example.com", "locale": "en"}
SERVICE = "MG0123456789abcdef0123456789abcdef"


@cache
def bakery() -> Path:
    return copied(ROOT / "tests/data/packs/bakery")


@pytest.fixture
async def world(
    request: pytest.FixtureRequest, sqlite_url: str, providers: Providers, mailbox: Mailbox
) -> AsyncIterator[World]:
    """The service with the pack of two brands."""
    more: dict[str, Any] = {"database_url": sqlite_url, "workflows": bakery(), **getattr(request, "param", {})}
    w = World(settings_for(providers, mailbox, **more), providers, mailbox)
    await w.start()
    yield w
    await w.close()


async def ordered(world: World, order: str, status: str = "created", **more: Any) -> None:
    known: dict[str, Any] = {} if status != "created" else {"recipients": {"customer": ADA}}
    await world.accept(event(order, status, workflow="bakery", **known, **more))
    await world.settled()


def sender(sent: Sent) -> str:
    return str(sent.form.get("From") or sent.form["MessagingServiceSid"])


async def test_each_brand_has_its_senders_name_and_look(world: World, caller: Caller) -> None:
    for order, brand in (
        ("C-1", {"brand": "cedar"}),
        ("B-1", {"brand": "birch"}),
        ("U-1", {}),
        ("X-1", {"brand": "beech"}),
    ):
        await ordered(world, order, **brand)
    sms = {s.text.partition("/t/")[0]: sender(s) for s in world.providers.of("sms")}
    assert sms == {
        "Cedar Cakes: order C-1 is in. https://track.example": "+15005550010",
        "Thank you for choosing Birch & Sons! We bake B-1 for you. https://track.example": SERVICE,
        "Stagebell: order U-1 is in. https://track.example": "+15005550006",
        "Stagebell: order X-1 is in. https://track.example": "+15005550006",
    }
    mails = {str(m.message["From"]): (m.subject, str(m.message["Reply-To"]), m.sender) for m in world.mailbox.mails}
    assert mails == {
        '"Cedar, Orders" <orders@cedar.example>': (
            "Cedar Cakes has your order",
            "help@cedar.example",
            "orders@cedar.example",
        ),
        "Birch & Sons <orders@stagebell.example>": (
            "Birch & Sons has your order",
            "office@bakery.example",
            "orders@stagebell.example",
        ),
        "Stagebell <orders@stagebell.example>": (
            "Stagebell has your order",
            "office@bakery.example",
            "orders@stagebell.example",
        ),
    }
    looks = {m.subject: m.part("html") for m in world.mailbox.mails}
    assert "background: #7c2d12;color: #ffffff" in looks["Cedar Cakes has your order"]
    assert 'src="https://cedar.example/logo.png"' in looks["Cedar Cakes has your order"]
    assert "background: #facc15;color: #000000" in looks["Birch & Sons has your order"]
    assert "background: #14532d;color: #ffffff" in looks["Stagebell has your order"]
    await ordered(world, "C-1", "ready")
    await ordered(world, "U-1", "ready")
    contents = [(s.form["From"], s.form["ContentSid"][-1]) for s in world.providers.of("whatsapp")]
    assert contents == [("whatsapp:+15005550011", "e"), ("whatsapp:+15005550007", "f")]
    agent = await caller("agent")
    assert (await agent.get("/v1/orders/bakery/C-1"))[1]["brand"] == "cedar"


async def test_a_brands_pages_and_previews(world: World, caller: Caller) -> None:
    await ordered(world, "C-1", brand="cedar")
    await ordered(world, "U-1")
    agent, nobody = await caller("agent"), await caller("")
    pages = {}
    for order in ("C-1", "U-1"):
        url = (await agent.get(f"/v1/orders/bakery/{order}/link"))[1]["url"]
        async with nobody.session.get(world.http + url.removeprefix("https://track.example")) as got:
            pages[order] = (await got.text(), got.headers["Content-Security-Policy"])
    page, policy = pages["C-1"]
    assert 'alt="Cedar Cakes"' in page
    assert "+44 20 7946 0001" in page
    assert "<style>:root{--bell:#7c2d12;--bell-ink:#ffffff}" in page
    assert "style-src 'self' 'sha256-" in policy
    assert "img-src 'self' https://cedar.example;" in policy
    page, policy = pages["U-1"]
    assert '<p class="brand" dir="auto">Stagebell</p>' in page
    assert "+44 20 7946" not in page
    assert "<style>" not in page
    assert "style-src 'self';" in policy
    _, shown = await agent.post(
        "/v1/orders/bakery/C-1/notices", {"reason": "delay", "channels": ["sms"], "preview": True}
    )
    assert shown["messages"][0]["text"].startswith("Cedar Cakes: order C-1 will be late.")
    (mail,) = [m for m in world.mailbox.mails if "Cedar" in m.subject]
    leave = str(mail.message["List-Unsubscribe"]).strip("<>").removeprefix("https://track.example")
    assert "Cedar Cakes" in (await nobody.get(leave))[1]


async def test_the_publisher_hears_of_a_brand_that_there_is_not(world: World, caller: Caller) -> None:
    said = event("X-1", "created", workflow="bakery", recipients={"customer": ADA}, brand="ceder")
    _, answer = await (await caller("publisher")).post("/v1/events", said)
    (warning,) = answer["warnings"] if "warnings" in answer else answer["results"][0]["warnings"]
    assert warning["field"] == "data.brand"
    assert "did you mean 'cedar'" in warning["problem"]


async def test_a_stop_to_one_brand_is_a_stop_to_both(world: World) -> None:
    assert await say(world, "STOP", person=ADA["phone"], to="+15005550010") == 200
    await ordered(world, "B-1", brand="birch")
    assert world.providers.of("sms") == []
    states = {m["channel"]: m["state"] for m in (await world.view("B-1", "bakery"))["messages"]}
    assert states == {"sms": "suppressed", "email": "sent"}


async def test_a_receipt_finds_its_message_whatever_the_sender(world: World) -> None:
    await ordered(world, "B-1", brand="birch")
    (sms,) = [m for m in (await world.view("B-1", "bakery"))["messages"] if m["channel"] == "sms"]
    assert sms["provider"].endswith(f" from {SERVICE}")
    assert await receipt(world, sms["id"], "delivered") == 204
    (sms,) = [m for m in (await world.view("B-1", "bakery"))["messages"] if m["channel"] == "sms"]
    assert sms["state"] == "delivered"


@pytest.mark.parametrize("world", [{"max_per_number_per_day": 2}], indirect=True)
async def test_caps_count_all_senders_together(world: World) -> None:
    for n, brand in enumerate(("cedar", "birch", "cedar")):
        await ordered(world, f"O-{n}", brand=brand)
    assert len(world.providers.of("sms")) == 2


async def test_a_sender_that_is_refused_holds_up_no_other(world: World, caller: Caller) -> None:
    """Twilio, error 21606: the From number is not ours."""

    async def behave(sent: Sent) -> web.StreamResponse | None:
        if sent.form.get("From") != "+15005550010":
            return None
        return web.json_response({"code": 21606, "message": "not a valid From", "status": 400}, status=400)

    world.providers.behave = behave
    for n in range(3):
        await ordered(world, f"C-{n}", brand="cedar")
    await ordered(world, "B-1", brand="birch")
    await ordered(world, "U-1")
    assert sorted(sender(s) for s in world.providers.of("sms")) == ["+15005550006", SERVICE]
    states = [m["state"] for m in (await world.view("C-2", "bakery"))["messages"] if m["channel"] == "sms"]
    assert states == ["retrying"]
    (refusal,) = world.app.health.known()
    assert refusal.provider.endswith(" from +15005550010")
    world.providers.behave = None
    await world.travel_to(NOON + timedelta(minutes=15))
    assert sorted(sender(s) for s in world.providers.of("sms")).count("+15005550010") == 3
