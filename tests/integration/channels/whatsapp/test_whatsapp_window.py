"""WhatsApp's 24 hours: words within them, templates outside, the next channel at once where there is none, no refusal."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.integration.conftest import Caller
from tests.integration.test_replies import ASHA, say, told
from tests.support.events import VENDOR, event
from tests.support.packs import copied
from tests.support.process import stagebell
from tests.support.providers import Mailbox, Providers, Sent
from tests.support.world import ROOT, World, settings_for

SID = "HX0123456789abcdef0123456789abcdef"


@cache
def packs() -> Path:
    """A pack of which one notice has a template."""
    folder = copied("device_pickup")
    file = folder / "device_pickup/workflow.yaml"
    content = f'whatsapp_content: {{en: {{sid: {SID}, variables: {{"1": "{{{{ order.id }}}}"}}}}}}'
    text, n = re.subn(
        r"(?m)^  vendor_arrived: \{channels: (\[.*?\]),",
        rf"  vendor_arrived: {{{content}, channels: \1,",
        file.read_text(),
    )
    assert n == 1
    file.write_text(text)
    return folder


@pytest.fixture
async def strict(sqlite_url: str, providers: Providers, mailbox: Mailbox) -> AsyncIterator[World]:
    """The service with it, and a provider that refuses what stands outside the window."""
    more = {"database_url": sqlite_url, "workflows": str(packs())}
    world = World(settings_for(providers, mailbox, **more), providers, mailbox)
    await world.start()
    yield world
    await world.close()


@pytest.fixture
async def lenient(sqlite_url: str, providers: Providers, mailbox: Mailbox) -> AsyncIterator[World]:
    """The packs as they are, which name no templates."""
    world = World(settings_for(providers, mailbox, database_url=sqlite_url), providers, mailbox)
    await world.start()
    yield world
    await world.close()


@pytest.fixture
async def world(strict: World) -> World:
    """For the callers."""
    return strict


def whatsapp(world: World) -> list[dict[str, Any]]:
    return [s.form for s in world.providers.of("whatsapp")]


async def states(world: World, order_id: str, notice: str) -> dict[str, str]:
    found = (await world.view(order_id))["messages"]
    return {m["channel"]: m["state"] for m in found if m["notice"] == notice and m["address"]}


async def test_outside_a_template_or_the_next_channel_at_once_and_inside_our_own_words(strict: World) -> None:
    await told(strict, "O-1", "vendor_en_route", channels=["whatsapp"])
    assert whatsapp(strict) == [], "nothing that is bound to be refused"
    assert (await states(strict, "O-1", "vendor_en_route"))["whatsapp"] == "failed"
    await told(strict, "O-1", "at_location")
    (form,) = whatsapp(strict)
    assert form["ContentSid"] == SID
    await say(strict, "hello", channel="whatsapp", sid="WA1", To="whatsapp:+15005550007")
    await told(strict, "O-1", "inspection_completed")
    assert "Body" in whatsapp(strict)[-1]
    await told(strict, "O-2", "at_location")
    assert "Body" in whatsapp(strict)[-1], "a template may be out of step with what was just said"
    strict.clock.advance(hours=24)
    sent = len(whatsapp(strict))
    people = {"customer": {"phone": ASHA, "whatsapp": ASHA}}
    await strict.accept(event("O-3", "vendor_en_route", strict.clock.now(), assignee=VENDOR, recipients=people))
    await strict.settled()
    assert len(whatsapp(strict)) == sent
    assert (await states(strict, "O-3", "vendor_en_route"))["sms"] == "sent"


async def test_by_a_template_that_is_not_approved_nothing_is_tried(strict: World, caller: Caller) -> None:
    strict.providers.approvals[SID] = {"status": "rejected", "rejection_reason": "promotional"}
    await strict.app.templates.refresh()
    await told(strict, "O-1", "at_location")
    assert whatsapp(strict) == []
    assert (await states(strict, "O-1", "vendor_arrived"))["sms"] == "sent"
    supervisor = await caller("supervisor")
    _, page = await supervisor.get("/desk/health")
    assert "promotional" in str(page)
    strict.providers.approvals[SID] = {"status": "approved"}
    await strict.app.templates.refresh()
    await told(strict, "O-2", "at_location")
    assert [f["ContentSid"] for f in whatsapp(strict)] == [SID]


async def test_check_asks_for_the_state_of_templates(strict: World) -> None:
    settings = strict.settings
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "STAGEBELL_TWILIO_ACCOUNT_SID": settings.twilio_account_sid,
        "STAGEBELL_TWILIO_AUTH_TOKEN": settings.twilio_auth_token.get_secret_value(),
        "STAGEBELL_TWILIO_WHATSAPP_FROM": settings.twilio_whatsapp_from,
        "STAGEBELL_TWILIO_BASE_URL": strict.providers.url,
    }
    said = {}
    for status in ("pending", "approved"):
        strict.providers.approvals[SID] = {"status": status}
        check = partial(stagebell, "check", "--providers", str(settings.workflows), env=env, cwd=ROOT)
        done = await asyncio.to_thread(check)
        said[status] = (done.returncode, f"{SID} device_pickup/vendor_arrived in en: {status}" in done.stdout)
    assert said == {"pending": (1, True), "approved": (0, True)}


async def test_another_sender_of_ours_is_another_window(strict: World) -> None:
    await say(strict, "hello", channel="whatsapp", sid="WA1", To="whatsapp:+15005550999")
    await told(strict, "O-1", "vendor_en_route")
    assert whatsapp(strict) == []


async def test_one_refusal_teaches_that_the_rule_holds(lenient: World) -> None:
    world = lenient

    async def refuse(sent: Sent) -> web.StreamResponse | None:
        if sent.channel != "whatsapp":
            return None
        return web.json_response({"code": 63016, "message": "outside the allowed window", "status": 400}, status=400)

    world.providers.behave = refuse
    await told(world, "O-1", "vendor_en_route", channels=["whatsapp", "sms"])
    tried = len([s for s in world.providers.seen if s.channel == "whatsapp"])
    assert (await states(world, "O-1", "vendor_en_route"))["whatsapp"] == "failed"
    await told(world, "O-2", "vendor_en_route", phone="+919812345001", whatsapp="+919812345001")
    assert len([s for s in world.providers.seen if s.channel == "whatsapp"]) == tried


async def test_who_is_about_to_answer_sees_whether_words_of_their_own_go_through(strict: World, caller: Caller) -> None:
    agent, talk = await caller("agent"), "/v1/orders/device_pickup/O-1/conversation"
    page = "/desk/orders/device_pickup/O-1/conversation"
    await told(strict, "O-1")
    never = {"channel": "whatsapp", "takes_words": False, "until": None}
    assert never in (await agent.get(talk))[1]["ways"]
    await say(strict, "hello", channel="whatsapp", sid="WA1", To="whatsapp:+15005550007")
    usual, *others = (await agent.get(talk))[1]["ways"]
    assert (usual["channel"], usual["takes_words"]) == ("whatsapp", True)
    assert {"channel": "sms", "takes_words": True, "until": None} in others
    assert "WhatsApp takes words of your own until" in (await agent.get(page))[1]
    strict.clock.advance(hours=24)
    usual = (await agent.get(talk))[1]["ways"][0]
    assert (usual["channel"], usual["takes_words"]) == ("whatsapp", False)
    assert usual["until"]
    html = (await agent.get(page))[1]
    assert "they wrote there last more than a day ago" in html
    assert "Answer by SMS" in html
    _, html = await agent.get("/desk/orders/device_pickup/O-1")
    assert '<option value="sms">SMS</option>' in html
