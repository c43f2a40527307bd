"""A running service that is treated badly, and the checker that knows from the published events what must arrive.

Real RabbitMQ and PostgreSQL behind TCP proxies of ours, providers that record everything. The service's clock runs
faster, so that leases and waiting times pass in seconds.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
from yarl import URL

from service.broker.port import INTAKE
from tests.e2e.test_orders_end_to_end import interleaved, notice_of
from tests.support import reference
from tests.support.events import encoded
from tests.support.nodes import connect
from tests.support.process import Process, environment, packs_with
from tests.support.providers import Mailbox, Providers
from tests.support.proxy import Proxy

SPEED = 25.0
SETTLED_WITHIN_S = 100.0
CONFIRMED_WITHIN_S = 5.0
GROUP = 10
MOST_WITHHELD = 20
NEVER_RESENT = ("payment_completed",)
# What clocks tell of an order that stands still meanwhile: rightly, but not by its events.
BY_CLOCKS = ("is running late", "waits for your answer", "did your pickup go")


@dataclass
class Findings:
    """What the checker found. Doubles are named."""

    expected: int = 0
    lost: list[str] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    unclean: list[str] = field(default_factory=list)
    kills: int = 0

    def line(self) -> str:
        """One line for the table."""
        return (
            f"{self.expected} expected, {len(self.lost)} lost, {len(self.withheld)} withheld, "
            f"{len(self.doubled)} doubled, "
            f"{len(self.unexpected)} unexpected, {self.unclean or 0} unclean, {self.kills} kills"
        )


class Scene:
    """The parts, and what was published."""

    def __init__(
        self,
        folder: Path,
        database: str,
        broker: str,
        providers: Providers,
        mailbox: Mailbox,
        ways: tuple[str, str] | None = None,
    ) -> None:
        """`ways`: the addresses of database and broker that the service is given, in place of proxies before these two.

        `broker` may name several, comma separated: we publish to the first that takes it.
        """
        self.folder, self.providers, self.mailbox = folder, providers, mailbox
        self._database, self._brokers = database, broker.split(",")
        self._ways = ways
        self.to_database = Proxy("127.0.0.1", 0 if ways else int(URL(database).port or 0))
        self.to_broker = Proxy("127.0.0.1", 0 if ways else int(URL(broker).port or 0))
        self.lives: list[list[dict[str, Any]]] = []
        self.processes: list[Process] = []
        self.kills = 0
        self.confirmed = 0
        self._env: dict[str, str] = {}
        # Asked again and again: opening one costs the engines more than they are asked.
        self._ledger: asyncpg.Connection[asyncpg.Record] | None = None
        self._queues: aio_pika.abc.AbstractConnection | None = None

    @property
    def _broker(self) -> str:
        return self._brokers[0]

    async def _reached(self) -> tuple[str, str]:
        if self._ways:
            return self._ways
        for proxy in (self.to_database, self.to_broker):
            await proxy.start()
        database = str(URL(self._database).with_port(self.to_database.port))
        return database, str(URL(self._broker).with_port(self.to_broker.port))

    async def start(
        self,
        roles: tuple[str, ...] = ("intake,dispatch,clock,relay,web",),
        wrapped: Mapping[str, str] | None = None,
        failpoint: str = "",
        **settings: str,
    ) -> None:
        """Proxies, then processes; `wrapped`: more of their environment; `failpoint`: of the first one."""
        database, broker = await self._reached()
        packs = packs_with(self.folder, grace="grace: 48h")
        more = {"WORKFLOWS": str(packs), "TIME_SPEED": str(SPEED), "PROVIDER_TIMEOUT": "5", **settings}
        self._env = {
            **environment(self.folder, database, broker, self.providers, self.mailbox, **more),
            **(wrapped or {}),
        }
        self.roles = roles
        await self.launch(0, failpoint)
        await asyncio.gather(*(self.launch(i) for i in range(1, len(roles))))

    async def launch(self, i: int, failpoint: str = "") -> Process:
        """Start (again) the i-th process."""
        from tests.support.ports import free_port

        env = {**self._env, "STAGEBELL_HTTP_PORT": str(free_port())}
        if failpoint:
            env["STAGEBELL_FAILPOINT"] = failpoint
        process = Process(self.folder, env, "--roles", self.roles[i])
        self.processes[i : i + 1] = [process]
        with contextlib.suppress(AssertionError):
            await process.ready()
        return process

    async def publish(self, count: int, seed: int, per_second: float = 0.0) -> None:
        """Orders of mixed lives, as any service would publish them: straight to the broker."""
        await self.send(self.compose(count, seed), seed, per_second)

    def compose(self, count: int, seed: int) -> list[list[dict[str, Any]]]:
        """The events of orders with mixed lives; the checker expects them from now on."""
        lives = reference.orders(count, seed, datetime.now(UTC) - timedelta(seconds=60), timedelta(seconds=1))
        offset = len(self.lives)
        for n, life in enumerate(lives):
            person = life[0]["data"]["recipients"]["customer"]
            person["phone"] = person["whatsapp"] = f"+9198{offset + n:08d}"
            person["email"], person["push_tokens"] = f"c{offset + n}@example.com", [f"token-{offset + n}"]
        self.lives += lives
        return lives

    async def send(self, lives: list[list[dict[str, Any]]], seed: int, per_second: float = 0.0) -> None:
        """Publish these, each order's events in their order; at a steady rate each happens when it is sent."""
        await self._publish(interleaved(lives, random.Random(seed)), per_second, at_its_time=bool(per_second))

    async def _publish(self, events: list[dict[str, Any]], per_second: float, at_its_time: bool = False) -> None:
        """Publish, and take off the list what the broker has confirmed."""
        connection = await aio_pika.connect(self._broker, timeout=CONFIRMED_WITHIN_S)
        async with connection:
            async with asyncio.timeout(CONFIRMED_WITHIN_S):
                channel = await connection.channel(publisher_confirms=True)
                exchange = await channel.get_exchange("orders")
            while events:
                e = events[0]
                if at_its_time:
                    e["time"] = datetime.now(UTC).isoformat()
                message = aio_pika.Message(
                    encoded(e), content_type="application/cloudevents+json", message_id=e["id"], delivery_mode=2
                )
                await exchange.publish(message, "order.status_changed", timeout=CONFIRMED_WITHIN_S)
                del events[0]
                self.confirmed += 1
                if per_second:
                    await asyncio.sleep(1 / per_second)

    async def keep_publishing(self, enough: asyncio.Event, seed: int, per_second: float) -> None:
        """Orders one group after the other until `enough`."""
        while not enough.is_set():
            seed += 1
            await self.publish_surely(interleaved(self.compose(GROUP, seed), random.Random(seed)), per_second)

    async def publish_surely(self, events: list[dict[str, Any]], per_second: float) -> None:
        """Publish these; what a broken broker did not confirm is published again."""
        while events:
            try:
                await self._publish(events, per_second)
            except Exception:
                # Whatever broke: the broker is away, or does not confirm. Another node may.
                self._brokers.append(self._brokers.pop(0))
                await asyncio.sleep(0.1)

    def _seen(self) -> Counter[tuple[str, str, str]]:
        seen: Counter[tuple[str, str, str]] = Counter()
        for s in self.providers.sent:
            if any(words in s.text for words in BY_CLOCKS):
                continue
            number = s.to.removeprefix("token-") if s.channel == "push" else str(int(s.to[5:]))
            seen[number, s.channel, notice_of(s.text)] += 1
        for m in self.mailbox.mails:
            seen[m.to.partition("@")[0][1:], "email", notice_of(m.part("plain"))] += 1
        return seen

    def _wanted(self) -> Counter[tuple[str, str, str]]:
        wanted: Counter[tuple[str, str, str]] = Counter()
        for n, life in enumerate(self.lives):
            told, _ = reference.expected(life)
            for channel, notices in told.items():
                for notice in notices:
                    wanted[str(n), channel, notice] += 1
        return wanted

    async def check(self, within_s: float = SETTLED_WITHIN_S) -> Findings:
        """Wait until everything expected is there and nothing is under way, or too long; then compare."""
        wanted = self._wanted()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while await self.unclean() or not await self._all_ended(wanted - self._seen()):
                    await asyncio.sleep(0.5)
        seen = self._seen()
        found = Findings(expected=sum(wanted.values()), kills=self.kills, unclean=await self.unclean())
        for key in wanted - seen:
            said, withheld = await self._ended(key)
            (found.withheld if withheld else found.lost).append(said)
        for key, more in (seen - wanted).items():
            (found.doubled if key in wanted else found.unexpected).append(f"{' '.join(key)} x{more + 1}")
        return found

    async def _all_ended(self, missing: Counter[tuple[str, str, str]]) -> bool:
        """Whether nothing is missing but what will never be sent."""
        return (
            all([(await self._ended(key))[1] for key in list(missing)[:MOST_WITHHELD]])
            and len(missing) <= MOST_WITHHELD
        )

    async def _ended(self, key: tuple[str, str, str]) -> tuple[str, bool]:
        """What never arrived, with what the ledger says became of it; whether the notice's policy withheld it.

        Where nobody can tell whether money was told of, it is not told again; anything else is told again once: what
        two processes in a row ended with, each while it was sending it, is not sent a third time, and stays `unknown`.
        """
        number, channel, notice = key
        rows = await (await self.ledger()).fetch(
            "SELECT m.state, m.error, m.error_code, m.history, m.resend_count FROM messages m JOIN orders o ON o.id = m.order_id"
            " WHERE o.order_id = $1 AND m.channel = $2 AND m.notice = $3",
            self.lives[int(number)][0]["subject"], channel, notice,
        )  # fmt: skip
        said = "; ".join(f"{r['state']} {r['error_code']} {r['error']} {r['history'].split()}" for r in rows)
        twice = bool(rows) and all(r["state"] == "unknown" and r["resend_count"] for r in rows)
        return f"{' '.join(key)} ({said or 'never planned'})", notice in NEVER_RESENT or twice

    async def caught(self, *channels: str) -> int:
        """How many messages on these channels the dead process was sending: they may have arrived."""
        query = "SELECT count(*) FROM messages WHERE state = 'sending' AND send_begun AND channel = ANY($1::text[])"
        return int(await (await self.ledger()).fetchval(query, list(channels)))

    async def ledger(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection to the database, not by way of the proxy; the same one for as long as it holds."""
        if self._ledger is None or self._ledger.is_closed():
            self._ledger = await connect(self._database)
        return self._ledger

    async def _waiting_for_intake(self) -> int:
        if self._queues is None or self._queues.is_closed:
            self._queues = await aio_pika.connect(self._broker)
        async with self._queues.channel() as channel:
            queue = await channel.declare_queue(INTAKE, passive=True)
        return queue.declaration_result.message_count or 0

    async def unclean(self) -> list[str]:
        """What is still under way."""
        connection = await self.ledger()
        busy = await connection.fetch(
            "SELECT state, count(*) AS n FROM messages WHERE state IN ('pending', 'sending', 'retrying')"
            " OR (state = 'unknown' AND not_before IS NOT NULL)"
            " GROUP BY state"
        )
        leaving = await connection.fetchval("SELECT count(*) FROM outbox")
        overdue = await connection.fetchval("SELECT count(*) FROM orders WHERE wake_at < now() - interval '60 seconds'")
        waiting = await self._waiting_for_intake()
        found = [f"{r['n']} {r['state']}" for r in busy]
        found += [f"{leaving} in the outbox"] if leaving else []
        found += [f"{overdue} clocks overdue"] if overdue else []
        return found + ([f"{waiting} in the queue"] if waiting else [])

    async def close(self) -> None:
        """End everything that was started here."""
        for process in self.processes:
            process.close()
        for connection in filter(None, (self._ledger, self._queues)):
            with contextlib.suppress(Exception):  # the engine may be gone
                await connection.close()
        for proxy in (self.to_database, self.to_broker):
            await proxy.close()
