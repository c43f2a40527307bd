"""Publishers of other makes: clients of RabbitMQ, the official SDK over HTTP, and our own command."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import kombu
import pika
import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent

from service.domain.scopes import EVERYTHING
from service.ledger.orders.locking import find
from tests.integration.conftest import Caller
from tests.support.client import key_for
from tests.support.events import CUSTOMER, NOON, encoded, event
from tests.support.process import bare, stagebell
from tests.support.world import ROOT, World

pytestmark = pytest.mark.any_database

STRUCTURED = "application/cloudevents+json"
DATA: dict[str, Any] = {"workflow": "device_pickup", "status": "created"}


def headers_of(order_id: str, **more: Any) -> dict[str, Any]:
    e = event(order_id)
    named = {k: e[k] for k in ("specversion", "id", "source", "type", "subject", "time")}
    return {f"cloudEvents:{k}": v for k, v in {**named, **more}.items()}


def by_pika(url: str) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.basic_publish("orders", "order.a", encoded(event("PIKA-1", "created")), pika.BasicProperties(STRUCTURED))
    binary = headers_of("PIKA-2", time=NOON.replace(tzinfo=None))
    channel.basic_publish("orders", "order.a", json.dumps(DATA).encode(), pika.BasicProperties(headers=binary))
    connection.close()


def by_kombu(url: str) -> None:
    with kombu.Connection(url) as connection:
        producer = connection.Producer()
        producer.publish(event("KOMBU-1", "created"), exchange="orders", routing_key="order.a", serializer="json")
        producer.publish(
            json.dumps(DATA).encode(), exchange="orders", routing_key="order.a", content_type="application/json",
            content_encoding="binary", headers=headers_of("KOMBU-2", time=int(NOON.timestamp() * 1000)),
        )  # fmt: skip


async def reached(world: World, order_id: str, status: str) -> bool:
    async with world.ledger.reading() as tx:
        order = await find(tx, "device_pickup", order_id, scope=EVERYTHING)
    return order is not None and order.status == status


@pytest.mark.parametrize("publish", [by_pika, by_kombu])
async def test_other_clients_are_understood_in_both_modes(world: World, publish: Any) -> None:
    if world.settings.broker_url.startswith("memory"):
        return
    await asyncio.to_thread(publish, world.settings.broker_url)
    name = publish.__name__.removeprefix("by_").upper()
    for n in (1, 2):
        await world.until(partial(reached, world, f"{name}-{n}", "created"), f"{name}-{n}")


@pytest.mark.parametrize("mode", [to_structured, to_binary])
async def test_the_official_sdk_over_http(world: World, caller: Caller, mode: Any) -> None:
    publisher = await caller("publisher")
    made = CloudEvent(
        {"type": "order.status_changed", "source": "/sdk", "subject": "SDK-Ü", "time": NOON.isoformat()}, DATA
    )
    headers, body = mode(made)
    headers = {k: v.replace("Ü", "%C3%9C") for k, v in headers.items()}
    headers["Authorization"] = f"Bearer {await key_for(world, 'publisher', 'sdk')}"
    async with publisher.session.post(world.http + "/v1/events", data=body, headers=headers) as response:
        answer = await response.json()
    assert (response.status, answer["results"][0]["order_id"]) == (200, "SDK-Ü")


async def test_binary_mode_over_http_may_leave_the_datas_type_out(world: World, caller: Caller) -> None:
    publisher = await caller("publisher")
    headers = {k.replace("cloudEvents:", "ce-"): v for k, v in headers_of("BARE-1").items()}
    headers["Authorization"] = f"Bearer {await key_for(world, 'publisher', 'bare')}"
    body = json.dumps(DATA).encode()
    url = world.http + "/v1/events"
    session = publisher.session
    async with session.post(url, data=body, headers=headers, skip_auto_headers=["Content-Type"]) as response:
        assert (response.status, (await response.json())["results"][0]["outcome"]) == (200, "accepted")
    headers["Content-Type"] = "application/vnd.orders+json"
    async with session.post(url, data=body, headers=headers) as response:
        assert (response.status, (await response.json())["results"][0]["outcome"]) == (200, "duplicate")


async def test_an_empty_batch_is_a_batch(world: World, caller: Caller) -> None:
    publisher = await caller("publisher")
    status, answer = await publisher.call(
        "POST", "/v1/events", [], headers={"Content-Type": "application/cloudevents-batch+json"}
    )
    assert (status, answer["results"]) == (200, [])


@pytest.mark.parametrize("media_type", ["application/json", "application/cloudevents-batch+json"])
async def test_a_batch_may_begin_with_a_byte_order_mark_and_is_utf_8(
    world: World, caller: Caller, media_type: str
) -> None:
    publisher = await caller("publisher")
    body = b"\xef\xbb\xbf [" + json.dumps(event("BOM-1", "created")).encode() + b"]"
    url = world.http + "/v1/events"
    key = {"Authorization": f"Bearer {await key_for(world, 'publisher', 'bom')}"}
    async with publisher.session.post(url, data=body, headers={**key, "Content-Type": media_type}) as response:
        assert (response.status, (await response.json())["results"][0]["outcome"]) == (200, "accepted")
    headers = {**key, "Content-Type": f"{media_type}; charset=utf-16"}
    async with publisher.session.post(url, data=body, headers=headers) as response:
        assert (response.status, "utf-8" in await response.text()) == (415, True)


async def test_a_file_is_published_in_its_order(world: World, tmp_path: Path) -> None:
    if world.settings.broker_url.startswith("memory"):
        return
    lines = []
    for n in range(40):
        note = {"text": "line\u2028separator"}
        lines.append(event(f"F-{n}", "created", recipients={"customer": CUSTOMER}))
        lines.append(event(f"F-{n}", kind="order.note_added", note=note))
        lines.append(event(f"F-{n}", kind="order.issue_reported", issue={"reason": "app_error"}))
        lines.append(event(f"F-{n}", "assigned"))
    file = tmp_path / "events.jsonl"
    text = "\r\n".join(json.dumps(e, ensure_ascii=False) for e in lines) + "\r\n\r\n"
    file.write_bytes(text.encode("utf-8-sig"))  # as editors on Windows write it
    env = bare() | {"STAGEBELL_BROKER_URL": world.settings.broker_url}
    done = await asyncio.to_thread(partial(stagebell, "publish", str(file), env=env, cwd=ROOT))
    assert (done.returncode, done.stdout.strip()) == (0, "160 published, 0 not events, 0 not published"), done.stderr
    await world.until(partial(reached, world, "F-39", "assigned"), "the last order")
    for n in (0, 20, 39):
        kinds = [line["kind"] for line in (await world.view(f"F-{n}"))["timeline"]]
        seen = [k for k in kinds if k in ("adopted", "status_changed", "note_added", "issue_reported")]
        assert seen == ["status_changed", "note_added", "issue_reported", "status_changed"]
