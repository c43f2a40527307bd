"""Two clock processes, one of them killed again and again, while promises run out: each is broken once, and told."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aio_pika

from tests.support.events import encoded, event
from tests.support.nodes import connect
from tests.support.ports import free_port
from tests.support.process import Process, environment, without_incidents
from tests.support.providers import Mailbox, Providers

# Status, how long an order may stay in it, and the reason that is then raised.
PROMISES = (
    ("created", timedelta(minutes=30), "no_vendor_assigned"),
    ("vendor_accepted", timedelta(minutes=60), "vendor_not_moving"),
    ("payment_initiated", timedelta(minutes=15), "payment_stuck"),
)
REASONS = {reason for _, _, reason in PROMISES}  # nobody sends messages here, which is escalated too
EACH = 90
TEAMS = ("vendor_ops", "finance", "tech")
ROUND_S = 1.0
LEAD_S = 4.0


@dataclass
class Rounds:
    """What was expected, and what RabbitMQ and the ledger have of it."""

    expected: set[tuple[str, str]] = field(default_factory=set)
    opened: dict[str, tuple[str, str]] = field(default_factory=dict)
    copies: int = 0
    breaches: int = 0
    kills: int = 0

    def line(self) -> str:
        """One line for the table."""
        told = set(self.opened.values())
        return (
            f"{self.kills} kills, {len(self.expected)} promises broken: {len(self.expected - told)} not told, "
            f"{len(self.opened) - len(told)} told under two ids, {self.copies} repeats with the same id, "
            f"{self.breaches} breaches in the ledger"
        )


async def _publish(broker: str, seconds: float) -> set[tuple[str, str]]:
    """Orders whose promises run out evenly over the coming `seconds`; what must be escalated."""
    expected: set[tuple[str, str]] = set()
    start = datetime.now(UTC) + timedelta(seconds=LEAD_S)
    async with await aio_pika.connect(broker) as connection:
        exchange = await (await connection.channel()).get_exchange("orders")
        for n in range(EACH):
            for status, within, reason in PROMISES:
                name = f"{reason}-{n}"
                e = event(name, status, start + timedelta(seconds=seconds * n / EACH) - within)
                await exchange.publish(aio_pika.Message(encoded(e), delivery_mode=2), "order.status_changed")
                expected.add((name, reason))
    return expected


async def _collect(broker: str, found: Rounds) -> None:
    async with await aio_pika.connect(broker) as connection:
        channel = await connection.channel()
        for team in TEAMS:
            queue = await channel.get_queue(f"escalations.{team}")
            while (message := await queue.get(fail=False, no_ack=True)) is not None:
                body = json.loads(message.body)
                if body["type"] == "escalation.opened" and body["data"]["reason"] in REASONS:
                    found.copies += body["id"] in found.opened
                    found.opened[body["id"]] = (body["subject"], body["data"]["reason"])


async def run(
    folder: Path, database: str, broker: str, providers: Providers, mailbox: Mailbox, rounds: int, seconds: float
) -> Rounds:
    """Kill and start again for `rounds` rounds; `seconds`: over how long the promises run out."""

    packs = without_incidents(folder / "packs")

    def launch(roles: str) -> Process:
        port = str(free_port())
        env = environment(folder, database, broker, providers, mailbox, HTTP_PORT=port, WORKFLOWS=str(packs))
        return Process(folder, env, "--roles", roles)

    others, clocks = launch("intake,relay"), [launch("clock"), launch("clock")]
    found = Rounds()
    try:
        for process in (others, *clocks):
            await process.ready()
        found.expected = await _publish(broker, seconds)
        all_due = datetime.now(UTC) + timedelta(seconds=seconds + LEAD_S)
        for n in range(rounds):
            pause = asyncio.create_task(asyncio.sleep(ROUND_S))
            clocks[n % 2].kill()
            found.kills += 1
            clocks[n % 2] = launch("clock")
            await clocks[n % 2].ready()
            await pause
        connection = await connect(database)
        broken = "SELECT count(*) FROM clocks WHERE state = 'breached' AND name IN ('no_vendor', 'not_moving', 'payment_waiting')"
        patience = max(all_due, datetime.now(UTC)) + timedelta(seconds=30)
        while datetime.now(UTC) < patience:
            found.breaches = await connection.fetchval(broken)
            if found.breaches >= len(found.expected) and not await connection.fetchval("SELECT count(*) FROM outbox"):
                break
            await asyncio.sleep(0.1)
        await connection.close()
        await _collect(broker, found)
    finally:
        for process in (others, *clocks):
            process.close()
    return found
