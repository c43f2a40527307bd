"""Fixtures: nodes of our own for the whole run, a fresh database and empty queues for each test."""

import asyncio
import importlib
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import uvloop
from hypothesis import settings as hypothesis_settings
from yarl import URL

from service.broker.port import DEAD, ESCALATIONS, NOTIFICATIONS, ORDERS, intake_queue
from service.broker.rabbitmq_partitions import EXCHANGES as PARTITIONS_EXCHANGES
from service.keyring import Keyring
from service.ledger.database.engine import Ledger
from service.ledger.database.schema import migrate
from service.ledger.database.wakeups import Wakeups
from service.orders import Orders
from service.runtime import memory
from service.timekeeping import ManualTime
from tests.support import forking, statements
from tests.support.collector import Collector
from tests.support.dealing import dealt
from tests.support.events import NOON
from tests.support.lost_answers import SHARE
from tests.support.nodes import HOSTS, OWN, Postgres, Rabbit, connect, running
from tests.support.packs import all_packs
from tests.support.providers import Mailbox, Providers
from tests.support.proxy import Proxy
from tests.support.sharing import folder_of_run, once, shared
from tests.support.world import World, settings_for

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")
forking.ALLOWED.set()
statements.share()

TESTS = Path(__file__).parent
_numbers = itertools.count(1)
# As many as a test has.
MOST_PARTITIONS = 5
POSTGRES = "postgres-rabbitmq"
# A file system in memory, and how many bytes must be free there.
MEMORY = Path("/dev/shm")
ROOM = 1 << 30


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Each test process begins at another file, so that they share out the work of rewriting assertions (its result is
    kept beside the bytecode) rather than all do all of it."""
    if OWN and session.config.args == session.config.getini("testpaths"):
        files = sorted(TESTS.rglob("test_*.py"))
        for file in files[int(OWN.removeprefix("gw")) :: len(HOSTS) - 1]:
            importlib.import_module(".".join(file.relative_to(TESTS.parent).with_suffix("").parts))


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Tests for which any database will do are run on one of them, and on the other too in the long form."""
    for item in items:
        parts = item.callspec.params.get("parts") if hasattr(item, "callspec") else None
        if parts == POSTGRES and item.get_closest_marker("any_database"):
            item.add_marker(pytest.mark.long)
    yield  # what is not asked for goes
    items[:] = dealt(items, getattr(config, "workerinput", {}).get("workercount", 1))


def pytest_collection_finish() -> None:
    """What was imported and collected is looked through for garbage no more, as in the service after its start."""
    memory.settle()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop on which `stagebell` runs (`run_async`): the product's own, and it takes a fifth of the CPU less."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the test processes of this run meet."""
    return folder_of_run(tmp_path_factory)


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL of our own, for all test processes."""
    with shared(run_folder, "postgres", lambda: running(Postgres)) as node:
        yield node  # type: ignore[misc]


@pytest.fixture(scope="session")
def rabbit(run_folder: Path) -> Iterator[Rabbit]:
    """A RabbitMQ of our own, for all test processes; `url` leads to a virtual host of this one."""
    with shared(run_folder, "rabbit", lambda: running(Rabbit, hosts=HOSTS)) as node:
        assert isinstance(node, Rabbit)
        node.host = OWN or "/"
        yield node


@pytest.fixture(scope="session")
def migrated_template(postgres: Postgres, run_folder: Path) -> str:
    """A database with the current schema, copied for each test."""

    def make() -> None:
        asyncio.run(_execute(postgres, "CREATE DATABASE stagebell_template"))
        asyncio.run(_migrated(postgres.url("stagebell_template")))

    once(run_folder, "migrated-postgres", make)
    return "stagebell_template"


@pytest.fixture(scope="session")
def migrated_file(run_folder: Path) -> Path:
    """A SQLite file with the current schema, copied for each test."""
    file = run_folder / "template.db"
    once(run_folder, "migrated-sqlite", lambda: asyncio.run(_migrated(f"sqlite+aiosqlite:///{file}")))
    return file


async def _migrated(url: str) -> None:
    """The schema, and the packs that come with Stagebell, so that not each process under test has to check them."""
    ledger = Ledger(url, Keyring("a secret key for tests, as long as they are"))
    await migrate(ledger)
    await Orders(ledger, all_packs(), ManualTime(NOON), Wakeups()).adopt_packs()
    await ledger.close()


async def _execute(postgres: Postgres, statement: str) -> None:
    connection = await connect(postgres.url("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def postgres_url(postgres: Postgres, migrated_template: str) -> AsyncIterator[str]:
    """A fresh PostgreSQL database; behind a forgetful network, if STAGEBELL_TEST_FORGETS says how often."""
    name = f"t{OWN}_{next(_numbers)}"
    await _execute(postgres, f"CREATE DATABASE {name} TEMPLATE {migrated_template} {postgres.copied}")
    network = Proxy("127.0.0.1", postgres.port)
    network.forgets_commits = SHARE
    if network.forgets_commits:
        await network.start()
        yield str(URL(postgres.url(name)).with_port(network.port))
    else:
        yield postgres.url(name)
    await network.close()
    await _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def rabbit_url(rabbit: Rabbit) -> str:
    """The broker, with nothing left of other tests."""
    connection = await aio_pika.connect(rabbit.url)
    channel = connection.channel()
    await channel.initialize()
    partitions = [intake_queue(k) for k in range(MOST_PARTITIONS)]
    for queue in (*partitions, DEAD, *(f"{ESCALATIONS}.{t}" for t in ("vendor_ops", "finance", "tech"))):
        await channel.queue_delete(queue)
    for exchange in (ORDERS, DEAD, ESCALATIONS, NOTIFICATIONS, *PARTITIONS_EXCHANGES):
        await channel.exchange_delete(exchange)
    await connection.close()
    return rabbit.url


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated_file: Path) -> Iterator[str]:
    """A fresh SQLite file; in memory where there is room, as each commit would wait for the disk."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    folder = Path(tempfile.mkdtemp(prefix="stagebell-sqlite-", dir=MEMORY if has_room else tmp_path))
    shutil.copy(migrated_file, folder / "ledger.db")
    yield f"sqlite+aiosqlite:///{folder}/ledger.db"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def providers(tmp_path: Path) -> AsyncIterator[Providers]:
    """Twilio and FCM stand-ins."""
    stand_in = Providers()
    await stand_in.start(tmp_path)
    yield stand_in
    await stand_in.close()


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    """A mail relay stand-in."""
    box = Mailbox()
    await box.start()
    yield box
    await box.close()


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """An OpenTelemetry collector stand-in."""
    stand_in = Collector()
    await stand_in.listen()
    yield stand_in
    await stand_in.close()


@pytest.fixture(params=["sqlite-memory", POSTGRES])
def parts(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Database and broker settings: both pairs that are supported."""
    if request.param == "sqlite-memory":
        return {"database_url": request.getfixturevalue("sqlite_url"), "broker_url": "memory://"}
    return {
        "database_url": request.getfixturevalue("postgres_url"),
        "broker_url": request.getfixturevalue("rabbit_url"),
    }


@pytest.fixture
async def world(parts: dict[str, Any], providers: Providers, mailbox: Mailbox) -> AsyncIterator[World]:
    """The running service, its clock standing still."""
    w = World(settings_for(providers, mailbox, **parts), providers, mailbox)
    await w.start()
    yield w
    await w.close()
