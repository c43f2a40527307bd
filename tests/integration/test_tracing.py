"""A publisher's trace goes on through decide, commit and each send, as a collector sees it."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
from aiohttp import web
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from sqlalchemy import select

from service.ledger.escalations.tables import escalation_stream
from tests.support.collector import Collector
from tests.support.events import CUSTOMER, NOON, encoded, event
from tests.support.process import Process, environment
from tests.support.providers import Mailbox, Providers, Sent
from tests.support.world import World

TRACE, PUBLISHER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


async def test_a_trace_goes_from_the_publisher_through_decide_commit_and_send(
    tmp_path: Path, postgres_url: str, rabbit_url: str, providers: Providers, mailbox: Mailbox, collector: Collector
) -> None:
    env = environment(tmp_path, postgres_url, rabbit_url, providers, mailbox)
    process = Process(tmp_path, {**env, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    await process.ready()
    created = event("T-1", "created", datetime.now(UTC), recipients={"customer": CUSTOMER})
    untraced = event("T-2", "created", datetime.now(UTC), recipients={"customer": CUSTOMER})
    async with await aio_pika.connect(rabbit_url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange("orders")
        headers: dict[str, Any] = {"traceparent": f"00-{TRACE}-{PUBLISHER}-01"}
        await exchange.publish(aio_pika.Message(encoded(created), headers=headers), "order.status_changed")
        await exchange.publish(aio_pika.Message(encoded(untraced)), "order.status_changed")
        for _ in range(1200):
            if len(providers.sent) + len(mailbox.mails) >= 8:
                break
            await asyncio.sleep(0.05)
    assert await process.terminate() == 0
    process.close()

    by_name: dict[str, list[Span]] = {}
    for span in collector.of_trace(TRACE):
        by_name.setdefault(span.name, []).append(span)
    (decide,) = by_name["decide"]
    assert decide.parent_span_id.hex() == PUBLISHER
    assert {a.key: a.value.string_value for a in decide.attributes} == {"order_id": "T-1", "event_id": created["id"]}
    (commit,) = by_name["commit"]
    assert commit.parent_span_id == decide.span_id
    assert commit.start_time_unix_nano >= decide.start_time_unix_nano
    sends = by_name["send"]
    assert {s.parent_span_id for s in sends} == {decide.span_id}
    assert all(s.kind == Span.SPAN_KIND_CLIENT for s in sends)
    channels = sorted(a.value.string_value for s in sends for a in s.attributes if a.key == "channel")
    assert channels == ["email", "push", "sms", "whatsapp"]
    assert set(by_name) == {"decide", "commit", "send"}
    others = [s for s in collector.spans if s.trace_id.hex() != TRACE]
    assert sum(s.name == "decide" for s in others) == 1


async def no_such_number(sent: Sent) -> web.Response | None:
    """Twilio, error 21211, for every SMS."""
    said = {"code": 21211, "message": "invalid 'To' number", "status": 400}
    return web.json_response(said, status=400) if sent.channel == "sms" else None


async def test_refusals_standard_variables_and_what_goes_on_to_teams(
    tmp_path: Path, postgres_url: str, rabbit_url: str, providers: Providers, mailbox: Mailbox, collector: Collector
) -> None:
    providers.behave = no_such_number
    env = environment(tmp_path, postgres_url, rabbit_url, providers, mailbox)
    otel = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "orders-eu",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}  # fmt: skip
    process = Process(tmp_path, {**env, **otel})
    await process.ready()
    now = datetime.now(UTC)
    created = event("T-3", "created", now, recipients={"customer": CUSTOMER})
    issue = event("T-3", None, now, kind="order.issue_reported", issue={"reason": "double_deduction"})
    async with await aio_pika.connect(rabbit_url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange("orders")
        headers: dict[str, Any] = {"traceparent": f"00-{TRACE}-{PUBLISHER}-01"}
        for e in (created, issue):
            await exchange.publish(aio_pika.Message(encoded(e), headers=headers), str(e["type"]))
        queue = await channel.get_queue("escalations.finance")
        async with asyncio.timeout(60):
            while (told := await queue.get(fail=False)) is None:
                await asyncio.sleep(0.05)
        await told.ack()
        for _ in range(1200):
            if len(providers.sent) + len(mailbox.mails) >= 4:
                break
            await asyncio.sleep(0.05)
    assert await process.terminate() == 0
    process.close()

    carried = json.loads(told.body)["traceparent"]
    assert carried == told.headers["traceparent"]
    assert carried.split("-")[1] == TRACE
    assert collector.resource["service.name"] == "orders-eu"
    assert collector.resource["deployment.environment.name"] == "test"
    sends = [s for s in collector.of_trace(TRACE) if s.name == "send"]
    refused = [s for s in sends if s.status.code == Status.STATUS_CODE_ERROR]
    said = {a.key: a.value.string_value for s in refused for a in s.attributes}
    assert (said["outcome"], said["error.type"], said["channel"]) == ("permanent", "21211", "sms")
    assert str(CUSTOMER["phone"]).encode() not in collector.raw


async def test_what_a_clock_raises_goes_on_with_the_orders_trace(world: World) -> None:
    said = f"00-{TRACE}-{PUBLISHER}-01"
    created = event("T-4", "created", NOON, recipients={"customer": CUSTOMER})
    await world.accept({**created, "traceparent": said})
    await world.accept({**event("T-4", "pending_vendor_assignment", NOON), "traceparent": said})
    await world.accept(event("T-5", "pending_vendor_assignment", NOON))
    await world.move(hours=2)
    async with world.ledger.reading() as tx:
        told = [json.loads(body) for body in (await tx.execute(select(escalation_stream.c.body))).scalars()]
    traces = {b["subject"]: b.get("traceparent") for b in told if b["type"] == "escalation.opened"}
    assert traces == {"T-4": said, "T-5": None}
