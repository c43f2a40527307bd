"""Set-based writes that both databases understand."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

Rows = list[dict[str, Any]]


def dialect_insert(connection: AsyncConnection) -> Callable[[Table], Any]:
    """The dialect's INSERT, which knows ON CONFLICT."""
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert


async def insert_rows(connection: AsyncConnection, table: Table, rows: Rows) -> None:
    """New rows."""
    if rows:
        await connection.execute(table.insert(), rows)


async def insert_missing(connection: AsyncConnection, table: Table, rows: Rows) -> None:
    """Rows that may be there already."""
    if rows:
        await connection.execute(dialect_insert(connection)(table).on_conflict_do_nothing(), rows)


async def upsert(
    connection: AsyncConnection, table: Table, rows: Rows, changes: tuple[str, ...], keys: tuple[str, ...] = ("id",)
) -> None:
    """New rows, or new values of `changes` in those that are there."""
    if rows:
        statement = dialect_insert(connection)(table)
        new = {name: statement.excluded[name] for name in changes}
        await connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=new), rows)
