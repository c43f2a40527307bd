"""A publisher's trace goes on through decide, commit and each send, as a collector sees it."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.collector import Collector
from tests.support.events import CUSTOMER, encoded, event
from tests.support.process import Process, environment
from tests.support.providers import Mailbox, Providers

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
        for _ in range(200):
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
