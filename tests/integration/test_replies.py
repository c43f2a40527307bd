"""What people say comes in by SMS, WhatsApp and mail: kept once, given to the right order, told to the order system."""

import asyncio
import re
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select
from twilio.request_validator import RequestValidator

from service.domain.order import Order
from service.domain.scopes import EVERYTHING
from service.ledger.conversations import reading
from service.ledger.conversations.tables import replies
from service.ledger.messages.tables import outbox
from service.ledger.orders.locking import find
from tests.integration.conftest import Caller
from tests.support.events import VENDOR, event
from tests.support.packs import copied
from tests.support.providers import TOKEN, Mailbox, Providers
from tests.support.world import World, settings_for

pytestmark = pytest.mark.any_database

ASHA = "+919812345678"
OURS = "+15005550006"


async def say(world: World, text: str, *, person: str = ASHA, sid: str = "", channel: str = "sms", **more: str) -> int:
    """As Twilio brings it, signed."""
    prefix = "whatsapp:" if channel == "whatsapp" else ""
    form = {"From": prefix + person, "To": prefix + OURS, "Body": text, "MessageSid": sid or f"SM{abs(hash(text))}"}
    url = "/callbacks/twilio/inbound"
    signed = RequestValidator(TOKEN).compute_signature("https://track.example" + url, form | more)
    async with (
        aiohttp.ClientSession() as session,
        session.post(world.http + url, data=form | more, headers={"X-Twilio-Signature": signed}) as answer,
    ):
        return answer.status


async def told(world: World, order_id: str, status: str = "vendor_en_route", **customer: Any) -> None:
    """The order is in this status, and its customer was told of it."""
    people = {"customer": {"name": "Asha", "phone": ASHA, "whatsapp": ASHA, **customer}}
    await world.accept(event(order_id, status, assignee=VENDOR, recipients=people))
    await world.settled()


async def said(world: World, order_id: str) -> list[reading.ConversationMessage]:
    """The order's conversation."""
    order = await stored(world, order_id)
    workflow = world.app.packs.get("device_pickup").workflow
    async with world.ledger.reading() as tx:
        return await reading.conversation(tx, order.id, workflow)


async def unmatched(world: World) -> list[reading.WaitingConversation]:
    async with world.ledger.reading() as tx:
        return await reading.unmatched(tx, 50, scope=EVERYTHING)


async def stored(world: World, order_id: str) -> Order:
    """The order's record."""
    async with world.ledger.reading() as tx:
        order = await find(tx, "device_pickup", order_id, scope=EVERYTHING)
    assert order is not None
    return order


async def test_free_text_is_kept_sealed_waits_and_is_told_without_its_words(world: World) -> None:
    await told(world, "O-1")
    assert await say(world, "my dog is\nnot friendly") == 200
    (line,) = await said(world, "O-1")
    assert (line.direction, line.channel, line.text, line.reply) == ("in", "sms", "my dog is\nnot friendly", None)
    order = await stored(world, "O-1")
    assert order.conversation is not None
    assert order.conversation.unanswered_since == world.clock.now()
    async with world.ledger.reading() as tx:
        kept = (await tx.execute(select(replies))).all()
        leaving = (await tx.execute(select(outbox.c.body))).scalars().all()
    assert "friendly" not in str(kept)
    assert b"friendly" not in b"".join(leaving)
    assert "friendly" not in str((await world.view("O-1"))["timeline"])


async def test_what_has_no_words_or_more_than_words_waits_for_a_person(world: World) -> None:
    await told(world, "O-1", "inspection_completed")
    place = {"Latitude": "19.07", "Longitude": "72.87", "Label": "Hill Road", "Address": "Mumbai 400050"}
    cases: list[tuple[str, dict[str, str], str]] = [
        ("", {"NumMedia": "2", "MediaUrl0": "https://api.twilio.com/x"}, "[2 files, not kept]"),
        ("yes", {"NumMedia": "1"}, "yes\n[1 file, not kept]"),
        ("", place, "Hill Road Mumbai 400050 [19.07, 72.87]"),
        ("", {}, "[without words]"),
        ("👍", {"OriginalRepliedMessageSid": "SM0"}, "👍"),
        ("", {"ListId": "no_such", "ListTitle": "Another day"}, "Another day"),
    ]
    for n, (text, form, _) in enumerate(cases):
        await say(world, text, sid=f"MM{n}", channel="whatsapp", **form)
    assert [(s.text, s.reply) for s in await said(world, "O-1")] == [(shown, None) for *_, shown in cases]
    await say(world, "", sid="MM9", channel="whatsapp", ListId="confirm_price", ListTitle="Yes, I agree")
    assert (await said(world, "O-1"))[-1].reply == "confirm_price"


async def test_yes_is_an_answer_and_brings_messages_back_to_whoever_ended_them(world: World) -> None:
    await told(world, "O-1")
    await say(world, "Yes", sid="SM1")
    await say(world, "yes, thank you", sid="SM2", OptOutType="START")
    assert [s.text for s in await said(world, "O-1")] == ["Yes", "yes, thank you"]
    await say(world, "STOP", sid="SM3")
    await say(world, "yes", sid="SM4")
    assert len(await said(world, "O-1")) == 2
    assert [t["kind"] for t in (await world.view("O-1"))["timeline"]].count("opted_in") == 1


async def test_a_tap_on_a_message_that_nobody_knows_counts_for_none_of_several_orders(world: World) -> None:
    tap = {"channel": "whatsapp", "ButtonPayload": "confirm_price", "OriginalRepliedMessageSid": "SMunknown"}
    await told(world, "O-1", "inspection_completed")
    await say(world, "Confirm", sid="WA1", **tap)
    await told(world, "O-2", "inspection_completed")
    await say(world, "Confirm", sid="WA2", **tap)
    assert [s.reply for o in ("O-1", "O-2") for s in await said(world, o)] == ["confirm_price", None]


async def test_a_redelivery_counts_once_even_at_the_same_time(world: World) -> None:
    await told(world, "O-1")
    await asyncio.gather(*(say(world, "hello?", sid="SM1") for _ in range(5)))
    assert len(await said(world, "O-1")) == 1
    await say(world, "hello?", sid="SM2")
    assert len(await said(world, "O-1")) == 2


async def test_the_order_last_told_there_is_meant_else_the_newest_and_a_stranger_waits_in_the_tray(
    world: World,
) -> None:
    await told(world, "O-1")
    await told(world, "O-2", channels=["whatsapp"])
    await say(world, "to the first", sid="SM1")
    await say(world, "to the second", sid="SM2", channel="whatsapp")
    assert [s.text for s in await said(world, "O-1")] == ["to the first"]
    assert [s.text for s in await said(world, "O-2")] == ["to the second"]
    await say(world, "who are you?", sid="SM3", person="+919812345000")
    (stranger,) = await unmatched(world)
    assert (stranger.text, stranger.name) == ("who are you?", "+919812345000")


async def test_an_answer_to_one_of_our_messages_goes_to_its_order_even_when_that_has_ended(world: World) -> None:
    await told(world, "O-1", "payment_successful")
    await told(world, "O-1", "completed")
    (ours,) = [m for m in (await world.view("O-1"))["messages"] if m["channel"] == "whatsapp"]
    await told(world, "O-2")
    await say(world, "thanks!", channel="whatsapp", OriginalRepliedMessageSid=ours["provider_id"])
    assert [s.text for s in await said(world, "O-1")] == ["thanks!"]
    assert await said(world, "O-2") == []


@pytest.mark.parametrize("word", ["STOP", "start", "Stop. Thank you"])
async def test_words_about_messages_are_no_talk(world: World, word: str) -> None:
    await told(world, "O-1")
    await say(world, word)
    assert await said(world, "O-1") == []
    assert await unmatched(world) == []


async def test_who_is_erased_has_said_nothing(world: World, caller: Caller) -> None:
    await told(world, "O-1")
    await say(world, "I am Asha of Hill Road", sid="SM1")
    await say(world, "nobody knows me", sid="SM2", person="+919812345000")
    admin = await caller("admin")
    _, data = await admin.get("/v1/people/%2B919812345678")
    assert [w["text"] for w in data["words"]] == ["I am Asha of Hill Road"]
    for person in ("%2B919812345678", "%2B919812345000"):
        status, _ = await admin.call("DELETE", f"/v1/people/{person}")
        assert status == 200
    (line,) = await said(world, "O-1")
    assert (line.text, line.by) == ("", "")
    assert await unmatched(world) == []
    order = await stored(world, "O-1")
    assert order.conversation is not None
    assert (order.conversation.address, order.conversation.unanswered_since) == ("", None)


@cache
def bundling_packs() -> Path:
    """Prices wait half a minute, to leave in one message with others to the same person."""
    folder = copied("device_pickup")
    file = folder / "device_pickup/workflow.yaml"
    price = "final_price_ready: {channels: [sms], bundle: {within: 30s, by: person}, replies: [confirm_price]}"
    text, n = re.subn(r"(?m)^  final_price_ready: \{channels.*$", f"  {price}", file.read_text())
    assert n == 1
    file.write_text(text)
    return folder


@pytest.fixture
async def bundling(sqlite_url: str, providers: Providers, mailbox: Mailbox) -> AsyncIterator[World]:
    more = {"database_url": sqlite_url, "workflows": bundling_packs()}
    world = World(settings_for(providers, mailbox, **more), providers, mailbox)
    await world.start()
    yield world
    await world.close()


async def test_a_word_is_for_the_order_told_last_in_a_bundle_too_and_for_none_of_several_in_one(
    bundling: World,
) -> None:
    for order_id in ("O-1", "O-2"):
        await told(bundling, order_id, "at_location")
        bundling.clock.advance(minutes=1)
    # The later order is told of its price first.
    for order_id in ("O-2", "O-1"):
        await told(bundling, order_id, "inspection_completed")
        await bundling.move(minutes=1)
    await say(bundling, "yes", sid="SM1")
    assert [len(await said(bundling, o)) for o in ("O-1", "O-2")] == [1, 0]
    assert (await said(bundling, "O-1"))[0].reply == "confirm_price"
    for order_id in ("O-3", "O-4"):
        await told(bundling, order_id, "at_location", phone="+919812345999", whatsapp="+919812345999")
        await told(bundling, order_id, "inspection_completed", phone="+919812345999", whatsapp="+919812345999")
    await bundling.move(minutes=1)
    assert sum(s.text.count("https") > 1 for s in bundling.providers.of("sms", "+919812345999")) == 1
    await say(bundling, "yes", person="+919812345999", sid="SM2")
    heard = [line for o in ("O-3", "O-4") for line in await said(bundling, o)]
    assert [(line.reply, line.text) for line in heard] == [(None, "yes")], "which of them, a person has to ask"
