"""Hundreds of orders from a plain RabbitMQ publisher to the providers: none missing, none twice, in order."""

import asyncio
import random
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from tests.support import reference
from tests.support.events import encoded
from tests.support.process import Process, environment, packs_with
from tests.support.providers import Mailbox, Providers

ORDERS = 500
SOME_ORDERS = 100
WORDS = {
    "order_created": "we have your order",
    "vendor_assigned": "will pick up your device",
    "vendor_reassigned": "now takes over",
    "vendor_en_route": "is on the way",
    "vendor_arrived": "has arrived",
    "final_price_ready": "final price",
    "payment_otp_sent": "is your payment code",
    "order_failed": "could not be completed",
    "payment_completed": "is done",
}


@pytest.fixture
async def service(
    tmp_path: Path, postgres_url: str, rabbit_url: str, providers: Providers, mailbox: Mailbox
) -> AsyncIterator[Process]:
    # A generous grace: this is about completeness, and a slow machine must not make messages stale.
    packs = packs_with(tmp_path, grace="grace: 1h")
    env = environment(tmp_path, postgres_url, rabbit_url, providers, mailbox, WORKFLOWS=str(packs))
    process = Process(tmp_path, env)
    await process.ready()
    yield process
    process.close()


async def publish(url: str, events: list[dict[str, Any]]) -> None:
    """As any other service would: plain aio-pika."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange("orders")
        for e in events:
            message = aio_pika.Message(encoded(e), content_type="application/cloudevents+json", message_id=e["id"])
            await exchange.publish(message, routing_key="order.status_changed")


def told_of(providers: Providers, mailbox: Mailbox) -> dict[str, dict[str, list[str]]]:
    """By customer number and channel, the notices in the order in which they came."""
    told: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for s in providers.sent:
        number = s.to.removeprefix("token-") if s.channel == "push" else str(int(s.to[5:]))
        told[number][s.channel].append(notice_of(s.text))
    for m in mailbox.mails:
        number = re.match(r"c(\d+)@", m.to)[1]  # type: ignore[index]
        told[number]["email"].append(notice_of(m.part("plain")))
    return told


def notice_of(text: str) -> str:
    found = [notice for notice, words in WORDS.items() if words in text.replace("We have", "we have")]
    if "We have received your order" in text:
        return "order_created"
    assert len(found) >= 1, text
    return found[0]


def interleaved(lives: list[list[dict[str, Any]]], dice: random.Random) -> list[dict[str, Any]]:
    """All events, each order's in its own order, mixed with the others'."""
    turns = [i for i, life in enumerate(lives) for _ in life]
    dice.shuffle(turns)
    waiting = [iter(life) for life in lives]
    return [next(waiting[i]) for i in turns]


async def check(
    lives: list[list[dict[str, Any]]], rabbit_url: str, providers: Providers, mailbox: Mailbox, dice: random.Random
) -> None:
    wanted = {str(n): reference.expected(life) for n, life in enumerate(lives)}
    total = sum(len(names) for told, _ in wanted.values() for names in told.values())
    await publish(rabbit_url, interleaved(lives, dice))
    async with asyncio.timeout(240):
        while len(providers.sent) + len(mailbox.mails) < total:
            await asyncio.sleep(0.2)
    await asyncio.sleep(1.5)  # long enough for one too many to show up
    told = told_of(providers, mailbox)
    for n, (names, _) in wanted.items():
        assert {c: told[n][c] for c in names} == names, f"order {n}: {[e['data']['status'] for e in lives[int(n)]]}"
    assert len(providers.sent) + len(mailbox.mails) == total
    connection = await aio_pika.connect(rabbit_url)
    async with connection:
        channel = await connection.channel()
        refused = sum(refused for _, refused in wanted.values())
        async with asyncio.timeout(60):
            while await letters(channel) < refused:
                await asyncio.sleep(0.1)
        assert await letters(channel) == refused


async def letters(channel: aio_pika.abc.AbstractChannel) -> int:
    dead = await channel.declare_queue("stagebell.dead", passive=True)
    return dead.declaration_result.message_count or 0


@pytest.mark.long
async def test_500_mixed_orders(service: Process, rabbit_url: str, providers: Providers, mailbox: Mailbox) -> None:
    start = datetime.now(UTC) - timedelta(seconds=60)
    await check(
        reference.orders(ORDERS, 1, start, timedelta(seconds=1)), rabbit_url, providers, mailbox, random.Random(1)
    )


@pytest.mark.parametrize("orders", [SOME_ORDERS, pytest.param(ORDERS, marks=pytest.mark.long)])
async def test_orders_with_duplicates_and_swaps(
    service: Process, rabbit_url: str, providers: Providers, mailbox: Mailbox, orders: int
) -> None:
    dice = random.Random(2)
    lives = reference.orders(orders, 2, datetime.now(UTC) - timedelta(seconds=60), timedelta(seconds=1))
    for life in lives:
        for i in range(len(life) - 1, 0, -1):
            if dice.random() < 0.1:
                life[i - 1], life[i] = life[i], life[i - 1]
        for i in range(len(life) - 1, -1, -1):
            if dice.random() < 0.2:
                life.insert(dice.randrange(i, len(life)) + 1, life[i])
    await check(lives, rabbit_url, providers, mailbox, dice)
