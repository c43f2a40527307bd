"""Every metric that docs/operating.md names is seen to move, by real parts wherever there are some."""

import asyncio
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aiohappyeyeballs import AddrInfoType
from aiohttp import ClientSession, TCPConnector, web
from prometheus_client import REGISTRY
from sqlalchemy import insert, select
from yarl import URL

from service import app as service_app
from service import conversations
from service.app import App
from service.conversations import IncomingReply
from service.domain.notices import Accepted
from service.domain.order import OrderRef
from service.intake.sightings import Sightings
from service.ledger.escalations.tables import escalation_stream
from service.telemetry import metrics
from tests.integration.test_receipts import receipt
from tests.support.client import Client, key_for
from tests.support.events import CUSTOMER, NOON, VENDOR, encoded, event
from tests.support.ports import free_port
from tests.support.providers import Mailbox, Providers, Sent
from tests.support.proxy import Proxy
from tests.support.world import ROOT, World, settings_for

PAGE = ROOT / "docs" / "operating.md"
MORE_THAN_ANYBODY_READS = 4_000
SMS_ONLY = {"phone": "+919812345678", "locale": "en"}


def documented(page: Path = PAGE) -> list[str]:
    """The metrics in the table of the page."""
    rows = [line.split("|")[1] for line in page.read_text().splitlines() if line.startswith("| `stagebell_")]
    return [name for row in rows for name in re.findall(r"stagebell_\w+", row)]


def values() -> dict[str, float]:
    """What each metric stands at, over all its labels."""
    found: dict[str, float] = {}
    for metric in REGISTRY.collect():
        for s in metric.samples:
            if s.name.startswith("stagebell_") and not s.name.endswith(("_created", "_bucket", "_sum")):
                name = s.name.removesuffix("_count")
                found[name] = found.get(name, 0.0) + s.value
    return found


class Seen:
    """Which metrics have changed since the start."""

    def __init__(self) -> None:
        self._before = values()
        self.moved: set[str] = set()

    def look(self) -> None:
        """Look again."""
        self.moved |= {name for name, value in values().items() if value != self._before.get(name, 0.0)}

    async def until(self, world: World, *names: str) -> None:
        """Wait until these have moved."""

        def have_moved() -> bool:
            self.look()
            return self.moved >= set(names)

        try:
            await world.until(have_moved)
        except AssertionError:
            raise AssertionError(f"these did not move: {set(names) - self.moved}") from None

    async def until_late(self, world: World, name: str) -> None:
        """Let time pass until this has moved."""
        async with asyncio.timeout(60):
            while name not in self.moved:
                world.clock.advance(seconds=3)
                await asyncio.sleep(0.1)
                self.look()


def with_little_room(address: AddrInfoType) -> socket.socket:
    """A socket that holds 64 KB of what is not read: left alone, Linux lets one grow to what `tcp_rmem` says."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    return made


async def wait_at_the_broker(seen: Seen, settings: Any, rabbit_url: str) -> None:
    """An event that nobody takes in."""
    process = App(settings, ("web",))
    await process.start()
    connection = await aio_pika.connect(rabbit_url)
    exchange = await (await connection.channel()).get_exchange("orders")
    await exchange.publish(aio_pika.Message(encoded(event("M-0", "created", NOON))), "order.status_changed")
    async with asyncio.timeout(60):
        while "stagebell_queue_depth" not in seen.moved:
            await asyncio.sleep(0.05)
            seen.look()
    await connection.close()
    await process.close()


async def lateness_and_teams_that_do_not_hear(seen: Seen, world: World) -> None:
    """A promise is broken; the call to the team goes nowhere for a day and more."""
    await world.accept(event("M-2", "pending_vendor_assignment", NOON))
    world.clock.advance(hours=2)
    names = (
        "clock_breaches_total",
        "escalations_total",
        "clock_lateness_seconds",
        "relayed_total",
    )
    await seen.until(world, *(f"stagebell_{n}" for n in names))
    world.clock.advance(hours=25)
    await seen.until(world, "stagebell_relay_given_up_total")


async def a_broker_that_is_away(seen: Seen, world: World, network: Proxy) -> None:
    """What must leave waits, however often it is tried."""
    await network.cut()
    await world.accept(event("M-6", "pending_vendor_assignment", world.clock.now()))
    world.clock.advance(hours=2)
    await seen.until_late(world, "stagebell_outbox_age_seconds")
    await network.mend()


async def providers_that_misbehave(seen: Seen, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code that nobody knows, a bug of a library, a refusal of the account."""
    said: dict[str, Any] = {"code": 99_999, "message": "never heard of", "status": 400}

    async def refuse(sent: Sent) -> web.StreamResponse | None:
        return web.json_response(said, status=said["status"]) if sent.channel == "sms" else None

    async def break_down(*_: Any) -> Accepted:
        raise RuntimeError("a bug of a library")

    world.providers.behave = refuse
    now = world.clock.now()
    await world.accept(event("M-3", "vendor_en_route", now, recipients={"customer": SMS_ONLY}, assignee=VENDOR))
    await seen.until(world, "stagebell_provider_unknown_codes_total")
    monkeypatch.setattr(world.app.routes["email"].providers[0], "send", break_down)
    mail_only = {"email": "asha@example.com", "locale": "en"}
    await world.accept(event("M-4", "created", now, recipients={"customer": mail_only}))
    await seen.until(world, "stagebell_provider_errors_total")
    said |= {"code": 20003, "message": "Authenticate", "status": 401}
    await world.accept(event("M-5", "vendor_en_route", now, recipients={"customer": SMS_ONLY}, assignee=VENDOR))
    await seen.until(world, "stagebell_provider_refuses", "stagebell_provider_breaker_open")
    await seen.until_late(world, "stagebell_oldest_pending_seconds")


@pytest.mark.uninterrupted
async def test_every_documented_metric_moves(
    postgres_url: str, rabbit_url: str, providers: Providers, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_app, "ALIGN_EVERY_S", 0.05)
    dead_end = {team: [f"webhook+http://127.0.0.1:{free_port()}/"] for team in ("vendor_ops", "tech", "finance")}
    network = Proxy("127.0.0.1", int(URL(rabbit_url).port or 0))
    await network.start()
    there = str(URL(rabbit_url).with_port(network.port))
    parts = {"database_url": postgres_url, "broker_url": there, "team_urls": dead_end, "max_sms_per_day": 5}
    settings = settings_for(providers, mailbox, **parts)
    # As other tests may have left them.
    metrics.listening.set(0)
    metrics.provider_refuses.clear()
    seen = Seen()
    await wait_at_the_broker(seen, settings, rabbit_url)
    world = World(settings, providers, mailbox)
    await world.start()
    created = event("M-1", "vendor_en_route", NOON, recipients={"customer": CUSTOMER}, assignee=VENDOR)
    await world.accept(created)
    other: Sequence[Any] = await world.take({**created, "data": {**created["data"], "attributes": {"x": 1}}})
    assert other[0].outcome == "duplicate"
    await world.settled()
    (sms,) = [m for m in (await world.view("M-1"))["messages"] if m["channel"] == "sms"]
    assert await receipt(world, str(sms["id"]), "delivered") < 300
    await conversations.take(world.app.orders, IncomingReply("m-1", "sms", str(CUSTOMER["phone"]), "where are you"))
    await seen.until(world, "stagebell_replies_total")
    for n in range(4):
        who = {"customer": {"phone": f"+91981234500{n}", "locale": "en"}}
        await world.accept(event(f"C-{n}", "vendor_en_route", NOON, recipients=who, assignee=VENDOR))
    await seen.until(world, "stagebell_caps_near_total", "stagebell_receipts_total", "stagebell_listening")
    await lateness_and_teams_that_do_not_hear(seen, world)
    await providers_that_misbehave(seen, world, monkeypatch)
    await a_broker_that_is_away(seen, world, network)
    client = Client(world, await key_for(world, "supervisor"))
    slow = ClientSession(connector=TCPConnector(socket_factory=with_little_room))
    answer = await slow.get(f"{world.http}/v1/escalations/stream", headers=client._headers)
    await seen.until(world, "stagebell_stream_listeners")
    async with world.ledger.transaction() as tx:
        first = (await tx.execute(select(escalation_stream).order_by(escalation_stream.c.seq).limit(1))).one()._asdict()
        # More than the buffers between the two sides hold.
        line = {k: v for k, v in first.items() if k != "seq"} | {"body": first["body"] + " " * 6000}
        await tx.execute(insert(escalation_stream), [line] * MORE_THAN_ANYBODY_READS)
    world.app.wakeups.wake_all()
    await seen.until(world, "stagebell_stream_dropped_total")
    sightings = Sightings(world.app.orders, 2)
    for partition in range(2):
        sightings.saw(OrderRef("device_pickup", "M-1"), partition)
    await world.close()
    answer.close()
    await slow.close()
    await client.close()
    await network.close()
    seen.look()
    assert set(documented()) - seen.moved == set()
