"""The schema: up from empty and from every revision, on both databases."""

import asyncpg
import pytest
from sqlalchemy import inspect

from service.keyring import Keyring
from service.ledger.columns import metadata
from service.ledger.engine import Ledger
from service.ledger.key_state import WrongKey
from service.ledger.schema import migrate, revisions
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
