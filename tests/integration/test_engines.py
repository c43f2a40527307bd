"""The engines as they are found in life: poolers, TLS, several hosts, users who may not configure."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import aio_pika
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from service.app import App
from service.broker.port import ORDERS, BrokerLost, BrokerMessage, BrokerRefused
from service.broker.rabbitmq import RabbitBroker
from service.keyring import Keyring
from service.ledger.database.availability import when_available
from service.ledger.database.connecting import PostgresConnector
from service.ledger.database.engine import Ledger
from service.ledger.database.listening import Listener
from service.ledger.database.schema import migrate
from service.ledger.database.wakeups import Wakeups
from service.settings import SettingsError
from tests.support.events import NOON, event, person
from tests.support.nodes import OWN, READER, Postgres, Rabbit, connect, running
from tests.support.pgbouncer import PgBouncer
from tests.support.ports import free_port
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for

KEY = "a secret key for tests, as long as they are"
TEAMS = ("vendor_ops", "finance", "tech")


def name_of(url: str) -> str:
    return str(make_url(url).database)


@pytest.fixture(scope="module")
def pooler(postgres: Postgres) -> Iterator[PgBouncer]:
    with closing(PgBouncer(postgres)) as node:
        yield node


@pytest.fixture(scope="module")
def tls_postgres() -> Iterator[Postgres]:
    with running(Postgres, tls=True) as node:
        yield node  # type: ignore[misc]


async def test_behind_a_pooler_the_service_works_with_a_direct_address_for_what_needs_a_session(
    postgres_url: str, pooler: PgBouncer, rabbit_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    pooled = pooler.url(name_of(postgres_url))
    parts = {"database_url": pooled, "database_listen_url": postgres_url, "broker_url": rabbit_url}
    world = World(settings_for(providers, mailbox, **parts), providers, mailbox)
    await world.start()
    assert world.ledger.connector is not None
    assert world.ledger.connector.pooled
    events = [event(f"B-{i}", "created", NOON, recipients={"customer": person(i)}) for i in range(60)]
    await asyncio.gather(*(world.accept(*events[i::12]) for i in range(12)))
    await world.settled()
    assert all(state == "delivered" or state == "sent" for _, state in await world.messages("B-59"))
    assert (await world.app.watch.look()).status == "ok"
    await world.close()


async def test_a_pooler_without_a_direct_address_is_refused_with_the_remedy(
    postgres_url: str, pooler: PgBouncer, providers: Providers, mailbox: Mailbox
) -> None:
    app = App(settings_for(providers, mailbox, database_url=pooler.url(name_of(postgres_url))))
    with pytest.raises(SettingsError, match="STAGEBELL_DATABASE_LISTEN_URL: a connection pooler"):
        await app.start()
    await app.close()


@pytest.mark.long
async def test_a_pooler_that_keeps_sessions_needs_no_second_address(
    postgres: Postgres, postgres_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    with closing(PgBouncer(postgres, "session")) as node:
        app = App(settings_for(providers, mailbox, database_url=node.url(name_of(postgres_url))))
        await app.start()
        assert (await app.watch.look()).status == "ok"
        await app.close()


@pytest.mark.parametrize("said", ["ssl=require", "sslmode=prefer", "", "sslmode=verify-full&sslrootcert={authority}"])
async def test_tls_for_queries_and_for_listening(tls_postgres: Postgres, said: str) -> None:
    query = said.format(authority=tls_postgres.authority)
    url = f"postgresql://stagebell@localhost:{tls_postgres.port}/postgres?{query}".rstrip("?")
    ledger = Ledger(url.replace("postgresql:", "postgresql+asyncpg:"), Keyring(KEY))
    async with ledger.reading() as tx:
        used = await tx.execute(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
        assert used.scalar_one() is True
    assert ledger.direct is not None
    wakeups = Wakeups()
    listener = Listener(ledger.direct, wakeups)
    woken = wakeups.subscribe("relay")
    task = asyncio.create_task(listener.run())
    await asyncio.wait_for(woken.wait(), 60)
    assert listener.trouble == ""
    task.cancel()
    await ledger.close()


@pytest.mark.long
@pytest.mark.parametrize(
    ("host", "query", "words"),
    [
        ("localhost", "sslmode=verify-full&sslrootcert={other}", "name the right certificate authority"),
        ("127.0.0.1", "sslmode=verify-full&sslrootcert={authority}", "the host's name as the certificate has it"),
        ("localhost", "sslmode=disable", "pg_hba.conf"),
    ],
)
async def test_tls_that_is_refused_is_named(
    tls_postgres: Postgres, tmp_path: Any, host: str, query: str, words: str
) -> None:
    other = tmp_path / "other.crt"
    with running(Postgres, tls=True) as stranger:
        other.write_bytes(stranger.authority.read_bytes())
    query = query.format(other=other, authority=tls_postgres.authority)
    ledger = Ledger(f"postgresql+asyncpg://stagebell@{host}:{tls_postgres.port}/postgres?{query}", Keyring(KEY))
    with pytest.raises(SettingsError, match="STAGEBELL_DATABASE_URL: the database refused") as refused:
        await when_available(ledger, lambda: migrate(ledger))
    assert words in str(refused.value)
    await ledger.close()


async def test_tls_asked_of_a_server_without_it_is_named(postgres_url: str) -> None:
    ledger = Ledger(f"{postgres_url}?sslmode=require", Keyring(KEY))
    with pytest.raises(SettingsError, match="the server does not support TLS"):
        await when_available(ledger, lambda: migrate(ledger))
    await ledger.close()


@pytest.mark.uninterrupted
async def test_of_several_hosts_the_primary_is_found_and_waited_for(postgres: Postgres, postgres_url: str) -> None:
    there = make_url(postgres_url)
    url = f"postgresql+asyncpg://stagebell@127.0.0.1:{free_port()},127.0.0.1:{there.port}/{there.database}"
    ledger = Ledger(url, Keyring(KEY))
    await when_available(ledger, lambda: migrate(ledger))
    await ledger.close()
    # A server that is read-only for a while, as in a switchover: no host is a primary.
    admin = await connect(postgres.url(str(there.database)))
    await admin.execute(f"ALTER DATABASE {there.database} SET default_transaction_read_only = on")
    reading_only = Ledger(f"{url}?target_session_attrs=read-write", Keyring(KEY))
    starting = asyncio.create_task(when_available(reading_only, lambda: migrate(reading_only), 30))
    await asyncio.sleep(1.5)
    assert not starting.done()
    await admin.execute("SET default_transaction_read_only = off")
    await admin.execute(f"ALTER DATABASE {there.database} SET default_transaction_read_only = off")
    await admin.close()
    await asyncio.wait_for(starting, 60)
    await reading_only.close()


@pytest.mark.uninterrupted
async def test_a_listener_that_lost_its_connection_says_so_and_comes_back(postgres_url: str) -> None:
    way = PostgresConnector(postgres_url)
    wakeups = Wakeups()
    listener = Listener(way, wakeups)
    woken = wakeups.subscribe("relay")
    task = asyncio.create_task(listener.run())
    await asyncio.wait_for(woken.wait(), 60)
    woken.clear()
    admin = await way.connect()
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE 'NOTIFY stagebell_%'"
    )
    async with asyncio.timeout(60):
        while not listener.trouble:
            await asyncio.sleep(0.01)
    await asyncio.wait_for(woken.wait(), 60)
    assert listener.trouble == ""
    task.cancel()
    await admin.close()


@pytest.fixture
def strangers(rabbit_url: str) -> str:
    """A user of the broker who may read and write, and configure nothing."""
    return rabbit_url.replace("guest:guest", READER)


async def test_who_may_not_configure_works_with_what_is_there(rabbit_url: str, strangers: str) -> None:
    stranger = RabbitBroker(strangers)
    with pytest.raises(BrokerRefused, match=r"no exchange 'orders'.*start once with a user who may"):
        await stranger.connect(TEAMS)
    owner = RabbitBroker(rabbit_url)
    await owner.connect(TEAMS)
    await stranger.connect(TEAMS)
    subscription = await stranger.subscribe("stagebell.intake", 10)
    assert await stranger.publish([BrokerMessage(ORDERS, "order.note_added", b"{}")]) == [True]
    (delivery,) = await asyncio.wait_for(subscription.batch(10), 60)
    await subscription.ack([delivery])
    with pytest.raises(BrokerRefused, match=r"no queue 'escalations\.new'"):
        await stranger.connect((*TEAMS, "new"))
    for broker in (owner, stranger):
        await broker.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("guest:guest", "guest:wrong"), "rejects user 'guest'"),
        (("guest:guest", "nobody:wrong"), "rejects user 'nobody'"),
        ((f"/{OWN}", "/nowhere"), "does not open virtual host 'nowhere' to user 'guest'"),
    ],
)
async def test_what_the_broker_refuses_is_named_without_the_password(
    rabbit_url: str, change: tuple[str, str], words: str
) -> None:
    url = change[1].join(rabbit_url.rsplit(change[0], 1))
    broker = RabbitBroker(url)
    with pytest.raises(BrokerRefused) as refused:
        await broker.connect(TEAMS)
    assert words in str(refused.value)
    assert "wrong" not in str(refused.value)


async def test_of_several_brokers_the_one_that_answers_is_used(rabbit_url: str) -> None:
    broker = RabbitBroker(f"amqp://guest:guest@127.0.0.1:{free_port()}/,{rabbit_url}")
    await broker.connect(TEAMS)
    assert broker.connected
    assert await broker.publish([BrokerMessage(ORDERS, "order.note_added", b"{}")]) == [True]
    await broker.close()


async def test_a_queue_of_another_kind_is_named(rabbit_url: str) -> None:
    connection = await aio_pika.connect(rabbit_url)
    channel = await connection.channel()
    await channel.declare_queue("escalations.tech", durable=True)
    broker = RabbitBroker(rabbit_url)
    with pytest.raises(BrokerRefused, match=r"escalations\.tech.*it exists with other arguments"):
        await broker.connect(TEAMS)
    await broker.close()
    await channel.queue_delete("escalations.tech")
    await connection.close()


@pytest.mark.long
async def test_a_broker_with_tls() -> None:
    with closing(Rabbit(tls=True)) as node:
        url = f"amqps://guest:guest@localhost:{node.tls_port}/"
        async with asyncio.timeout(60):
            broker = RabbitBroker(f"{url}?cafile={node.authority}")
            await broker.connect(TEAMS)
            assert await broker.publish([BrokerMessage(ORDERS, "order.note_added", b"{}")]) == [True]
            await broker.close()
            stranger = RabbitBroker(url)
            with pytest.raises(BrokerLost, match="certificate verify failed"):
                await stranger.connect(TEAMS)
            await stranger.close()
