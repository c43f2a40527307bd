"""A primary dies, its standby takes over after a while, and one of two brokers is dead: as real parts, in the long form."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
import aiohttp
import pytest

from tests.integration.test_starting_and_leaving import until_said
from tests.support.events import encoded, event, person
from tests.support.nodes import Postgres, Rabbit, connect, running
from tests.support.ports import free_port
from tests.support.process import Process, command, environment
from tests.support.providers import Mailbox, Providers

NO_PRIMARY_S = 4
PACE_S = 0.1


@pytest.fixture
def primary() -> Iterator[Postgres]:
    with running(Postgres) as node:
        yield node  # type: ignore[misc]


async def pair(primary: Postgres) -> Postgres:
    """Its standby; what the primary confirms is on both, so that losing one loses nothing."""
    standby = await asyncio.to_thread(Postgres, standby_of=primary)
    admin = await connect(primary.url("postgres"))
    await admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
    await admin.execute("SELECT pg_reload_conf()")
    async with asyncio.timeout(20):
        while await admin.fetchval("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != 1:
            await asyncio.sleep(0.05)
    await admin.close()
    return standby


def created(name: str, n: int) -> dict[str, Any]:
    return event(f"{name}-{n}", "created", datetime.now(UTC), recipients={"customer": person(n)})


class OverHttp:
    """A publisher that sends each event until it is taken."""

    def __init__(self, process: Process, key: str) -> None:
        self.url, self.key = f"http://127.0.0.1:{process.port}", {"Authorization": f"Bearer {key}"}
        self.answers: list[tuple[int, str]] = []
        self.readiness: list[int] = []
        self.enough = asyncio.Event()

    async def run(self) -> int:
        """How many were taken."""
        n = 0
        async with aiohttp.ClientSession(headers=self.key, timeout=aiohttp.ClientTimeout(40)) as session:
            while not self.enough.is_set():
                await self._until_taken(session, created("H", n))
                n += 1
        return n

    async def _until_taken(self, session: aiohttp.ClientSession, sent: dict[str, Any]) -> None:
        while True:
            await asyncio.sleep(PACE_S)
            async with session.post(f"{self.url}/v1/events", json=sent) as answer:
                self.answers.append((answer.status, answer.headers.get("Retry-After", "")))
            async with session.get(f"{self.url}/readyz") as ready:
                self.readiness.append(ready.status)
            if answer.status == 200:
                return


async def over_amqp(url: str, enough: asyncio.Event) -> int:
    n = 0
    async with await aio_pika.connect(url) as connection:
        exchange = await (await connection.channel()).get_exchange("orders")
        while not enough.is_set():
            message = aio_pika.Message(encoded(created("A", 5000 + n)), content_type="application/cloudevents+json")
            await exchange.publish(message, routing_key="order.status_changed")
            n += 1
            await asyncio.sleep(PACE_S)
    return n


async def declared(url: str) -> None:
    """Return once the service has made its exchanges there."""
    async with asyncio.timeout(30), await aio_pika.connect(url) as connection:
        while True:
            try:
                await (await connection.channel()).get_exchange("orders")
            except aio_pika.exceptions.ChannelNotFoundEntity:
                await asyncio.sleep(0.2)
            else:
                return


@pytest.mark.long
@pytest.mark.uninterrupted
async def test_a_standby_takes_over_and_nothing_is_lost(
    tmp_path: Path, primary: Postgres, rabbit: Rabbit, rabbit_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    await primary.create("orders")
    standby = await pair(primary)
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    database = f"postgresql+asyncpg://stagebell@{hosts}/orders?target_session_attrs=primary"
    brokers = f"amqp://guest:guest@127.0.0.1:{free_port()}/,{rabbit_url}"
    env = environment(tmp_path, database, brokers, providers, mailbox)
    with closing(standby), closing(Process(tmp_path, env)) as process:
        await process.ready()
        key = command(tmp_path, env, "keys", "create", "shop", "--role", "publisher").stdout.strip().split()[-1]
        http = OverHttp(process, key)
        publishers = [asyncio.create_task(http.run()), asyncio.create_task(over_amqp(rabbit_url, http.enough))]
        await asyncio.sleep(2)
        await asyncio.to_thread(primary.kill)
        # A process that starts meanwhile waits for a primary, too.
        env["STAGEBELL_HTTP_PORT"] = str(free_port())
        with closing(Process(tmp_path, env)) as second:
            await asyncio.sleep(NO_PRIMARY_S)
            await until_said(second, '"event":"database.waiting"')
            assert (process.process.poll(), second.process.poll()) == (None, None)
            await asyncio.to_thread(standby.promote)
            await process.ready(10)
            await second.ready(10)
            await asyncio.sleep(2)
            http.enough.set()
            taken = await asyncio.gather(*publishers)
            told = [p["phone"] for n in taken[:1] for p in map(person, range(n))]
            told += [person(5000 + n)["phone"] for n in range(taken[1])]
            async with asyncio.timeout(60):
                while {s.to for s in providers.of("sms")} < set(told):
                    await asyncio.sleep(0.2)
            await process.terminate()
            await second.terminate()
    answers = Counter(http.answers)
    assert set(answers) == {(200, ""), (503, "2")}, answers
    assert set(http.readiness) == {200, 503}
    assert min(taken) > 20
    assert Counter(s.to for s in providers.of("sms")) == Counter(told)


@pytest.mark.long
@pytest.mark.uninterrupted
async def test_when_its_broker_dies_the_next_address_is_used(
    tmp_path: Path, postgres_url: str, rabbit: Rabbit, rabbit_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    """Two nodes that are no cluster: what waits on the dead one waits there until it is back."""
    with running(Rabbit) as first:
        brokers = f"{first.url},{rabbit_url}"
        env = environment(tmp_path, postgres_url, brokers, providers, mailbox)
        with closing(Process(tmp_path, env)) as process:
            await process.ready()
            await asyncio.to_thread(first.kill)
            enough = asyncio.Event()
            await declared(rabbit_url)
            publisher = asyncio.create_task(over_amqp(rabbit_url, enough))
            await asyncio.sleep(1)
            enough.set()
            taken = await publisher
            async with asyncio.timeout(30):
                while len({s.to for s in providers.of("sms")}) < taken:
                    await asyncio.sleep(0.1)
            assert await process.terminate() == 0
