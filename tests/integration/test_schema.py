"""The schema: up from empty and from every revision, on both databases; beside writers, and older than the database."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import inspect, text

from service.keyring import Keyring
from service.ledger.columns import metadata
from service.ledger.database import upgrading
from service.ledger.database.connecting import PostgresConnector
from service.ledger.database.engine import Ledger
from service.ledger.database.schema import CONTRACTED, MIGRATIONS, NewerSchema, migrate, revisions
from service.ledger.database.upgrading import LEFT, SchemaError
from service.ledger.sealing.state import WrongKey
from tests.support.nodes import OWN, Postgres, connect
from tests.support.writers import Writers

FROZEN = Path(__file__).parents[1] / "data" / "migrations.sha256"

KEY = "a secret key for tests, as long as they are"


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    """A database without a schema."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/empty.db"
    node: Postgres = request.getfixturevalue("postgres")
    connection = await connect(node.url("postgres"))
    name = f"empty_{OWN}"
    await connection.execute(f"DROP DATABASE IF EXISTS {name}")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return node.url(name)


async def indexes(url: str) -> set[str]:
    connection = await connect(url)
    try:
        rows = await connection.fetch("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'")
        broken = await connection.fetchval("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
    finally:
        await connection.close()
    assert not broken
    return {str(row["indexdef"]) for row in rows}


async def columns(url: str) -> set[tuple[Any, ...]]:
    connection = await connect(url)
    try:
        rows = await connection.fetch(
            "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
            " JOIN information_schema.tables USING (table_schema, table_name)"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> 'alembic_version'"
        )
    finally:
        await connection.close()
    return {tuple(row) for row in rows}


async def fresh(node: Postgres, name: str) -> str:
    connection = await connect(node.url("postgres"))
    await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await connection.close()
    return await node.create(name)


@pytest.fixture(scope="module")
def as_tables_say(postgres: Postgres) -> tuple[set[tuple[Any, ...]], set[str]]:
    """The columns and indexes of a PostgreSQL database that was made from the tables, without an upgrade."""

    async def make() -> tuple[set[tuple[Any, ...]], set[str]]:
        url = await fresh(postgres, f"by_tables_{OWN}")
        ledger = Ledger(url, Keyring(KEY))
        async with ledger.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        await ledger.close()
        return await columns(url), await indexes(url)

    return asyncio.run(make())


# Upgrades begin at these revisions, and at once, which is how an empty database is filled, or with a stop after each
# step. The short form begins at the first, in the middle and before the last; each step is taken in the one with stops.
STARTS: Final = tuple([r] for r in revisions()[:-1])
SHORT: Final = (STARTS[0], STARTS[len(STARTS) // 2], STARTS[-1])
WAYS = [
    pytest.param([], id="from empty"),
    pytest.param(revisions(), id="with a stop after each step"),
    *(pytest.param(s, id=f"from {s[0]}", marks=() if s in SHORT else pytest.mark.long) for s in STARTS),
]


@pytest.mark.parametrize("stops", WAYS)
async def test_every_way_up_ends_at_one_schema_and_that_is_the_tables(
    empty_url: str, stops: list[str], as_tables_say: tuple[set[tuple[Any, ...]], set[str]]
) -> None:
    ledger = Ledger(empty_url, Keyring(KEY))
    for revision in stops:
        assert (await migrate(ledger, revision))[1] == revision
    await migrate(ledger)
    before, after = await migrate(ledger)
    assert before == after == revisions()[-1]
    async with ledger.reading() as tx:
        tables = await tx.connection.run_sync(lambda c: set(inspect(c).get_table_names()))
        names = await tx.connection.run_sync(
            lambda c: {t: {x["name"] for x in inspect(c).get_columns(t)} for t in inspect(c).get_table_names()}
        )
        indexed = await tx.connection.run_sync(
            lambda c: {x["name"] for t in inspect(c).get_table_names() for x in inspect(c).get_indexes(t)}
        )
    assert tables == {*metadata.tables, "alembic_version"}
    for name, table in metadata.tables.items():
        assert names[name] == {c.name for c in table.columns}
        assert {i.name for i in table.indexes} <= indexed
    await ledger.close()
    if not ledger.is_sqlite:
        wanted_columns, wanted_indexes = as_tables_say
        assert await columns(empty_url) == wanted_columns
        assert {i for i in await indexes(empty_url) if "alembic" not in i} == wanted_indexes


async def test_another_secret_key_is_refused(empty_url: str) -> None:
    ledger = Ledger(empty_url, Keyring(KEY))
    await migrate(ledger)
    await ledger.close()
    other = Ledger(empty_url, Keyring("another"))
    with pytest.raises(WrongKey, match="STAGEBELL_SECRET_KEY"):
        await migrate(other)
    await other.close()


def test_a_migration_that_is_out_is_never_edited() -> None:
    """Add a new one with `sha256sum service/ledger/migrations/versions/NNNN_*.py >> tests/data/migrations.sha256`."""
    frozen = {name: digest for digest, name in map(str.split, FROZEN.read_text().splitlines())}
    files = sorted(f for f in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    now = {f.relative_to(FROZEN.parents[2]).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
    assert {name: now.get(name) for name in frozen} == frozen
    newer = [name for name in now if name not in frozen]
    assert all(name > max(frozen) for name in newer)


async def test_no_writer_waits_for_an_upgrade(postgres: Postgres) -> None:
    """From 0003, beside writers and one report that takes long: none of them notices more than a second."""
    url = await fresh(postgres, "under_load")
    ledger = Ledger(url, Keyring(KEY))
    await migrate(ledger, "0003")
    report = await PostgresConnector(url).connect()
    await report.execute("BEGIN; SELECT count(*) FROM orders; SELECT count(*) FROM notifications")
    writers = Writers(url)
    upgrade = asyncio.create_task(migrate(ledger))
    await asyncio.sleep(1.5)
    await report.execute("COMMIT")
    before, after = await asyncio.wait_for(upgrade, 60)
    waits = await writers.stop()
    await report.close()
    await ledger.close()
    assert (before, after) == ("0003", revisions()[-1])
    assert len(waits) > 50
    assert max(waits) < 1.0
    await indexes(url)


async def test_locks_that_are_never_given_back_are_told_and_undo_nothing(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrading, "BLOCKED_AFTER_S", 0.5)
    url = await fresh(postgres, "blocked")
    ledger = Ledger(url, Keyring(KEY))
    await migrate(ledger, "0002")
    holder = await PostgresConnector(url).connect()
    await holder.execute("BEGIN; LOCK TABLE packs")
    with pytest.raises(SchemaError, match="step 0003 got no lock"):
        await migrate(ledger)
    await holder.execute("COMMIT")
    assert (await migrate(ledger))[0] == "0002"
    await holder.close()
    await ledger.close()


async def test_an_index_that_was_left_half_built_is_built_again(postgres: Postgres) -> None:
    url = await fresh(postgres, "half_built")
    ledger = Ledger(url, Keyring(KEY))
    await migrate(ledger)
    left = (
        '[{"builds": "orders_by_time", "sql": "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_by_time ON orders (id)"}]'
    )
    async with ledger.transaction() as tx:
        await tx.execute(text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_by_time'::regclass"))
        await tx.execute(text(f"INSERT INTO meta VALUES ('{LEFT}', :left)"), {"left": left})
    await migrate(ledger)
    assert "CREATE INDEX orders_by_time ON public.orders USING btree (id)" in await indexes(url)
    await ledger.close()


async def test_an_older_release_runs_on_a_newer_schema_until_something_was_taken_away(empty_url: str) -> None:
    ledger = Ledger(empty_url, Keyring(KEY))
    await migrate(ledger)
    async with ledger.transaction() as tx:
        noted = await tx.execute(text(f"SELECT value FROM meta WHERE key = '{CONTRACTED}'"))
        assert noted.scalars().all() == (["0014"] if ledger.is_sqlite else []), "what its step says of SQLite"
        await tx.execute(text("UPDATE alembic_version SET version_num = '9001'"))
    assert await migrate(ledger) == ("9001", "9001")
    async with ledger.transaction() as tx:
        await tx.execute(text(f"DELETE FROM meta WHERE key = '{CONTRACTED}'"))
        await tx.execute(text(f"INSERT INTO meta VALUES ('{CONTRACTED}', '9001')"))
    with pytest.raises(NewerSchema, match="the database's schema is 9001, of a newer release"):
        await migrate(ledger)
    await ledger.close()


async def test_a_release_of_the_old_words_goes_on_under_the_new_ones(postgres_url: str) -> None:
    """Rows are read, written, locked and returned by the names that tables and columns had before 0014."""
    url = postgres_url.replace("postgresql+asyncpg:", "postgresql:")
    here, beside = await PostgresConnector(url).connect(), await PostgresConnector(url).connect()
    names = "id, order_id, notice_id, notice, channel, audience, lane, state, valid_until, when_unknown, secret, created_at, sealed_recipient"
    key = "'01a21700-0000-7000-8000-000000000001'"
    row = f"{key}, {key}, {key}, 'n', 'sms', 'customer', 'l', 'pending', now(), 'resend', false, now(), 'r'"
    await here.execute(f"INSERT INTO notifications ({names}) VALUES ({row})")
    async with here.transaction():
        locked = "SELECT id, fence FROM notifications WHERE state = 'pending' FOR UPDATE OF notifications SKIP LOCKED"
        assert [r["fence"] for r in await here.fetch(locked)] == [0]
        assert await beside.fetch(locked) == [], "locked through the view"
        begun = (
            "UPDATE notifications SET state = 'sending', fence = fence + 1, begun = true, resent = 1 RETURNING fence"
        )
        assert await here.fetchval(begun) == 1
    assert tuple(await here.fetchrow("SELECT fencing_token, send_begun, resend_count FROM messages")) == (1, True, 1)
    measured = "INSERT INTO observations VALUES ({0}, 'm', 'w', {1}, now()) ON CONFLICT (order_id, measure) DO UPDATE SET value = excluded.value"
    for value in (1, 2):
        await here.execute(measured.format(key, value))
    assert await here.fetchval("SELECT value FROM measurements") == 2
    await here.execute("INSERT INTO stream (at, team, reason, kind, body) VALUES (now(), 't', 'r', 'opened', '{}')")
    assert await here.fetchval("SELECT count(*) FROM escalation_stream") == 1
    for connection in (here, beside):
        await connection.close()
