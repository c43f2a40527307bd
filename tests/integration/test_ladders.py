"""Ladders in the whole service: rungs skipped without a request, the next one once, whatever restarts or races."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from service.broker.port import BrokerMessage
from service.clock.clock import ClockLoop
from service.dispatch.settle import Outcome, Settler
from service.domain.notices import Receipt
from service.ledger.messages import tables
from tests.integration.channels.whatsapp.test_whatsapp_window import SID, whatsapp
from tests.integration.conftest import Caller
from tests.integration.test_replies import say, told
from tests.support.packs import copied
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for

LADDER = "[{channels: [whatsapp]}, {channels: [sms], after: 2m, unless: delivered}]"


@cache
def packs() -> Path:
    """The pack, with notices on a ladder, and a template on another: windows hold."""
    folder = copied("device_pickup")
    file = folder / "device_pickup/workflow.yaml"
    content = f'whatsapp_content: {{en: {{sid: {SID}, variables: {{"1": "{{{{ order.id }}}}"}}}}}}'
    text = file.read_text().replace("fallback: {whatsapp: sms}", "fallback: {}")
    text = text.replace(
        "vendor_en_route: {channels: [sms, whatsapp, push]}", f"vendor_en_route: {{channels: {LADDER}}}"
    )
    text = text.replace(
        "looking_into_it:\n    channels: [sms, whatsapp, push]", f"looking_into_it:\n    channels: {LADDER}"
    )
    text = text.replace("vendor_arrived: {channels:", f"vendor_arrived: {{{content}, channels:")
    assert text.count(LADDER) == 2
    assert SID in text
    file.write_text(text)
    return folder


async def started(url: str, providers: Providers, mailbox: Mailbox, folder: Path) -> World:
    world = World(settings_for(providers, mailbox, database_url=url, workflows=folder), providers, mailbox)
    await world.start()
    return world


@pytest.fixture
async def world(sqlite_url: str, providers: Providers, mailbox: Mailbox) -> AsyncIterator[World]:
    world = await started(sqlite_url, providers, mailbox, packs())
    yield world
    await world.close()


async def on_the_way(world: World, order_id: str, phone: str, *, opens: bool = True) -> None:
    """The partner is on the way to somebody who has just written to us, unless not."""
    if opens:
        await say(world, "hello", person=phone, channel="whatsapp", sid=f"WA{phone}", To="whatsapp:+15005550007")
    await told(world, order_id, phone=phone, whatsapp=phone)


def texts(world: World, phone: str) -> int:
    """How many SMS went there."""
    return len(world.providers.of("sms", phone))


async def climbed(world: World, order_id: str) -> list[tuple[str, str, int, str]]:
    found = (await world.view(order_id))["messages"]
    return [(m["channel"], m["state"], m["rung"], m["error_code"]) for m in found if m["notice"] == "vendor_en_route"]


async def receipt(world: World, order_id: str, channel: str, status: Any) -> None:
    """As the provider's callback is settled."""
    (n,) = [m for m in (await world.view(order_id))["messages"] if m["channel"] == channel and m["rung"]]
    async with world.ledger.reading() as tx:
        order = (
            await tx.execute(select(tables.messages.c.order_id).where(tables.messages.c.id == UUID(n["id"])))
        ).scalar_one()
    await world.app.settler.write([Outcome(UUID(n["id"]), order, Receipt(status, ""))])
    await world.settled()


async def test_a_rung_that_cannot_be_is_skipped_without_a_request_and_the_next_goes_at_once(
    world: World, caller: Caller
) -> None:
    published: list[dict[str, Any]] = []
    publish = world.app.broker.publish

    async def keep(messages: Sequence[BrokerMessage]) -> list[bool]:
        published.extend(json.loads(m.body) for m in messages if m.exchange == "notifications")
        return await publish(messages)

    world.app.broker.publish = keep  # type: ignore[method-assign]
    closed, stopped, gone = "+919812345601", "+919812345602", "+919812345603"
    await on_the_way(world, "O-1", closed, opens=False)
    await say(world, "STOP", person=stopped, channel="whatsapp", sid="WA2", To="whatsapp:+15005550007")
    await on_the_way(world, "O-2", stopped, opens=False)
    await on_the_way(world, "O-3", gone)
    assert [len(whatsapp(world)), *(texts(world, p) for p in (closed, stopped, gone))] == [1, 1, 1, 0]
    for order_id in ("O-1", "O-2"):
        assert await climbed(world, order_id) == [("whatsapp", "suppressed", 1, "rung_skipped"), ("sms", "sent", 2, "")]
    supervisor = await caller("supervisor")
    _, page = await supervisor.get("/v1/messages?cause=rung_skipped")
    assert {(m["order_id"], m["state"], m["rung"]) for m in page["messages"]} == {
        ("O-1", "suppressed", 1),
        ("O-2", "suppressed", 1),
    }
    said = [e["data"] for e in published if e["type"] == "notification.suppressed"]
    assert {(d["order_id"], d["channel"], d["rung"], d["error_code"]) for d in said} == {
        ("O-1", "whatsapp", 1, "rung_skipped"),
        ("O-2", "whatsapp", 1, "rung_skipped"),
    }
    _, order = await supervisor.get("/v1/orders/device_pickup/O-3")
    (clock,) = [c for c in order["clocks"] if c["kind"] == "rung"]
    assert (clock["name"], clock["notice"], clock["state"]) == ("ladder.vendor_en_route", "vendor_en_route", "running")
    await receipt(world, "O-3", "whatsapp", "undelivered")
    assert texts(world, gone) == 1
    (line,) = [e for e in (await world.view("O-3"))["timeline"] if e["kind"] == "rung_planned"]
    assert (line["rung"], line["channel"]) == (2, "sms")
    _, shown = await supervisor.get("/desk/orders/device_pickup/O-3")
    assert "step 2" in str(shown)


async def test_what_waited_while_a_later_rung_went_is_not_sent_after_it(world: World, caller: Caller) -> None:
    supervisor, phone = await caller("supervisor"), "+919812345607"
    _, hold = await supervisor.post("/v1/holds", {"channel": "whatsapp", "why": "wrong sender"})
    await world.until(lambda: not world.app.holds.is_empty, "held")
    await on_the_way(world, "O-1", phone)
    assert [state for _, state, *_ in await climbed(world, "O-1")] == ["held"]
    await world.move(minutes=2)
    assert texts(world, phone) == 1, "a hold stops sending, and the ladder goes on"
    assert (await supervisor.call("DELETE", f"/v1/holds/{hold['id']}"))[0] == 204

    async def ended() -> bool:
        return (await climbed(world, "O-1"))[0][1] == "superseded"

    await world.until(ended, "it is not told twice")
    assert whatsapp(world) == []


async def test_the_next_rung_survives_a_restart_and_goes_once(
    sqlite_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    folder, late, soon = packs(), "+919812345604", "+919812345605"
    first = await started(sqlite_url, providers, mailbox, folder)
    await on_the_way(first, "O-1", late)
    await on_the_way(first, "O-2", soon)
    await receipt(first, "O-2", "whatsapp", "delivered")
    await first.close()
    again = await started(sqlite_url, providers, mailbox, folder)
    again.clock.move_to(first.clock.now())
    assert [texts(again, p) for p in (late, soon)] == [0, 0]
    await again.move(seconds=119)
    assert [texts(again, p) for p in (late, soon)] == [0, 0]
    await again.move(seconds=2)
    await again.move(minutes=30)
    assert [texts(again, p) for p in (late, soon)] == [1, 0]
    await again.close()


async def test_a_rung_that_waits_goes_no_more_once_an_earlier_one_has_arrived(world: World, caller: Caller) -> None:
    supervisor, arrives, does_not = await caller("supervisor"), "+919812345606", "+919812345607"
    _, hold = await supervisor.post("/v1/holds", {"channel": "sms", "why": "wrong sender"})
    await world.until(lambda: not world.app.holds.is_empty, "held")
    await on_the_way(world, "O-1", arrives)
    await on_the_way(world, "O-2", does_not)
    await world.move(seconds=121)
    assert [c[1] for c in await climbed(world, "O-1")] == ["sent", "held"]
    await receipt(world, "O-1", "whatsapp", "delivered")
    assert (await supervisor.call("DELETE", f"/v1/holds/{hold['id']}"))[0] == 204

    async def ended() -> bool:
        return texts(world, does_not) == 1 and (await climbed(world, "O-1"))[1][1] == "superseded"

    await world.until(ended, "told once")
    assert await climbed(world, "O-1") == [
        ("whatsapp", "delivered", 1, ""), ("sms", "superseded", 2, "rung_not_needed"),
    ]  # fmt: skip
    assert [texts(world, p) for p in (arrives, does_not)] == [0, 1]


async def test_clocks_of_several_processes_and_a_receipt_at_one_moment_tell_once(
    postgres_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    world = await started(postgres_url, providers, mailbox, packs())
    people = [f"+9198123457{n:02d}" for n in range(12)]
    for n, phone in enumerate(people):
        await on_the_way(world, f"O-{n}", phone)
    async with world.ledger.reading() as tx:
        rows = (
            await tx.execute(
                select(tables.messages.c.id, tables.messages.c.order_id).where(tables.messages.c.channel == "whatsapp")
            )
        ).all()
    world.clock.advance(minutes=2)
    arrived = [Outcome(r.id, r.order_id, Receipt("delivered", "")) for r in rows]
    clocks = [ClockLoop(world.app.orders).fire_due() for _ in range(3)]
    await asyncio.gather(*clocks, *(Settler(world.app.orders).write([o]) for o in arrived))
    await world.move(minutes=5)
    for n, phone in enumerate(people):
        first, second = await climbed(world, f"O-{n}")
        assert (first[:3], second[0], second[2]) == (("whatsapp", "delivered", 1), "sms", 2)
        # What was planned and not sent yet when the receipt came is not sent after it.
        assert (second[1], second[3], texts(world, phone)) in (("sent", "", 1), ("superseded", "rung_not_needed", 0))
    await world.close()


async def test_a_preview_has_every_rung_when_it_would_go_and_sends_nothing(world: World, caller: Caller) -> None:
    await on_the_way(world, "O-1", "+919812345111")
    await world.settled()
    agent, before = await caller("agent"), len(world.providers.sent)
    notices = "/v1/orders/device_pickup/O-1/notices"
    _, shown = await agent.post(notices, {"reason": "looking_into_it", "preview": True})
    due = world.clock.now() + timedelta(minutes=2)
    assert [(m["channel"], m["rung"], m["due"], m["unless"]) for m in shown["messages"]] == [
        ("whatsapp", 1, None, ""), ("sms", 2, due.isoformat().replace("+00:00", "Z"), "delivered"),
    ]  # fmt: skip
    form = [("reason", "looking_into_it"), ("csrf_token", ""), ("channels", "whatsapp")]
    _, page = await agent.call("POST", "/desk/orders/device_pickup/O-1/preview", data=form)
    assert "unless" not in page, "by one channel it goes at once, and by no other"
    _, page = await agent.call("POST", "/desk/orders/device_pickup/O-1/preview", data=[*form, ("channels", "sms")])
    assert "unless delivered before" in page
    await world.settled()
    assert len(world.providers.sent) == before
    assert [n for n in await world.notices("O-1") if n == "looking_into_it"] == []
    # Whom the first rung does not reach is told by the next at once.
    await told(world, "O-2", whatsapp=None)
    _, shown = await agent.post("/v1/orders/device_pickup/O-2/notices", {"reason": "looking_into_it", "preview": True})
    assert [(m["channel"], m["state"], m["due"]) for m in shown["messages"]] == [
        ("whatsapp", "suppressed", None), ("sms", "pending", None),
    ]  # fmt: skip
