"""The schema: up from empty and from every revision on both databases; each loop's query has its index."""

import asyncpg
import pytest
from sqlalchemy import inspect, text

from service.keyring import Keyring
from service.ledger import schedules
from service.ledger.columns import metadata
from service.ledger.engine import Ledger
from service.ledger.schema import WrongKey, migrate, revisions
from tests.support.nodes import Postgres

KEY = "a secret key for tests"


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    """A database without a schema."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/empty.db"
    node: Postgres = request.getfixturevalue("postgres")
    connection = await asyncpg.connect(f"postgresql://stagebell@127.0.0.1:{node.port}/postgres")
    await connection.execute("DROP DATABASE IF EXISTS empty_one")
    await connection.execute("CREATE DATABASE empty_one")
    await connection.close()
    return node.url("empty_one")


@pytest.mark.parametrize("start", [None, *revisions()])
async def test_upgrades_from_empty_and_from_every_revision(empty_url: str, start: str | None) -> None:
    ledger = Ledger(empty_url, Keyring(KEY))
    if start:
        await migrate(ledger, start)
    await migrate(ledger)
    before, after = await migrate(ledger)
    assert before == after == revisions()[-1]
    async with ledger.reading() as connection:
        tables = await connection.run_sync(lambda c: set(inspect(c).get_table_names()))
        columns = await connection.run_sync(
            lambda c: {t: {x["name"] for x in inspect(c).get_columns(t)} for t in inspect(c).get_table_names()}
        )
        indexes = await connection.run_sync(
            lambda c: {x["name"] for t in inspect(c).get_table_names() for x in inspect(c).get_indexes(t)}
        )
    assert tables == {*metadata.tables, "alembic_version"}
    for name, table in metadata.tables.items():
        assert columns[name] == {c.name for c in table.columns}
        assert {i.name for i in table.indexes} <= indexes
    await ledger.close()


async def test_another_secret_key_is_refused(empty_url: str) -> None:
    ledger = Ledger(empty_url, Keyring(KEY))
    await migrate(ledger)
    await ledger.close()
    other = Ledger(empty_url, Keyring("another"))
    with pytest.raises(WrongKey, match="STAGEBELL_SECRET_KEY"):
        await migrate(other)
    await other.close()


ROWS = 1_000_000
# Keys in sequence and tables without a write-ahead log: a third of the time, the same plans.
FILL = f"""
ALTER TABLE orders SET UNLOGGED; ALTER TABLE notifications SET UNLOGGED; ALTER TABLE clocks SET UNLOGGED; ALTER TABLE inbox SET UNLOGGED;
INSERT INTO orders (id, workflow, order_id, status, stage, stage_rank, final, created_at, updated_at, wake_at, due_at, sealed_state)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'w', 'o' || n, 's', 's', 0, n % 3 = 0, now(), now() - n * interval '1 second',
       CASE WHEN n % 2 = 0 THEN now() + n * interval '1 second' END, CASE WHEN n % 2 = 0 THEN now() + n * interval '1 second' END, ''
FROM generate_series(1, {ROWS}) n;
INSERT INTO notifications (id, order_id, notice_id, notice, channel, audience, lane, state, not_before, valid_until, when_unknown, secret, created_at, sealed_recipient)
SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, 'n', 'sms', 'c', decode(lpad(to_hex(n), 32, '0'), 'hex'),
       CASE WHEN n % 1000 = 0 THEN 'pending' WHEN n % 5003 = 0 THEN 'sending' WHEN n % 7001 = 0 THEN 'unknown' ELSE 'sent' END,
       now(), now(), 'never', false, now() - n * interval '1 second', ''
FROM generate_series(1, {ROWS}) n;
INSERT INTO clocks (id, order_id, workflow, name, kind, team, started_at, due_at, state)
SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, 'w', 'c', 'dwell', 't', now(), now() + n * interval '1 second',
       CASE WHEN n % 10 = 0 THEN 'running' ELSE 'met' END FROM generate_series(1, {ROWS}) n;
INSERT INTO inbox (key, received_at, outcome) SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), now(), 'accepted' FROM generate_series(1, {ROWS}) n;
ANALYZE
"""
QUERIES = {
    "due orders": ("SELECT sealed_state FROM orders WHERE wake_at IS NOT NULL AND wake_at <= now() ORDER BY wake_at LIMIT 200 FOR UPDATE SKIP LOCKED", "orders_due"),
    "next wake": ("SELECT wake_at FROM orders WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT 1", "orders_due"),
    "named orders": ("SELECT sealed_state FROM orders WHERE (workflow, order_id) IN (('w', 'o7'), ('w', 'o8')) FOR UPDATE", "Index Scan"),
    "list by activity": ("SELECT * FROM orders WHERE workflow = 'w' ORDER BY updated_at DESC, id DESC LIMIT 51", "orders_by_activity"),
    "claim": ("SELECT n.id FROM notifications n WHERE channel = 'sms' AND state IN ('pending', 'retrying') AND not_before <= now() ORDER BY not_before LIMIT 100 FOR UPDATE SKIP LOCKED", "notifications_waiting"),
    "lane": ("SELECT 1 FROM notifications WHERE lane = decode(lpad('7', 32, '0'), 'hex') AND state IN ('pending', 'retrying', 'sending') AND id < '00000000-0000-7000-8000-000000000000'", "notifications_lane"),
    "waiting in lanes": ("SELECT DISTINCT channel FROM notifications WHERE lane IN (decode(lpad('7', 32, '0'), 'hex')) AND state IN ('pending', 'retrying')", "notifications_lane"),
    "lapsed": ("SELECT id FROM notifications WHERE state = 'sending' AND lease_until <= now()", "notifications_leased"),
    "unknown": ("SELECT id FROM notifications WHERE state = 'unknown' AND not_before <= now() ORDER BY not_before LIMIT 100", "notifications_unknown"),
    "of order": ("SELECT * FROM notifications WHERE order_id = '00000000-0000-7000-8000-000000000000'", "notifications_of_order"),
    "inbox": ("SELECT key FROM inbox WHERE key IN (decode(lpad('7', 32, '0'), 'hex'))", "inbox_pkey"),
    "near breach": ("SELECT * FROM clocks WHERE state = 'running' AND due_at <= now() + interval '1 hour' ORDER BY due_at LIMIT 100", "clocks_running"),
    "recent messages": ("SELECT * FROM notifications WHERE sealed_message IS NOT NULL ORDER BY created_at DESC, id DESC LIMIT 60", "notifications_by_time"),
}  # fmt: skip


async def test_each_query_of_the_loops_uses_its_index_at_a_million_rows(postgres_url: str) -> None:
    filler = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    for statement in FILL.split(";"):
        await filler.execute(statement)
    await filler.close()
    ledger = Ledger(postgres_url, Keyring(KEY))
    async with ledger.reading() as connection:
        for name, (query, index) in QUERIES.items():
            plan = "\n".join(r[0] for r in await connection.execute(text(f"EXPLAIN {query}")))
            assert index in plan, f"{name}:\n{plan}"
            assert "Seq Scan" not in plan, f"{name}:\n{plan}"
        assert await schedules.next_due(connection) is None
    await ledger.close()
