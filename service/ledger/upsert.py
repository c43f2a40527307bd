"""Set-based writes that both databases understand."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from service.ledger.transaction import Transaction

Rows = list[dict[str, Any]]


def dialect_insert(tx: Transaction) -> Callable[[Table], Any]:
    """The dialect's INSERT, which knows ON CONFLICT."""
    return sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert


async def insert_rows(tx: Transaction, table: Table, rows: Rows) -> None:
    """New rows."""
    if rows:
        await tx.execute(table.insert(), rows)


async def insert_missing(tx: Transaction, table: Table, rows: Rows) -> None:
    """Rows that may be there already."""
    if rows:
        await tx.execute(dialect_insert(tx)(table).on_conflict_do_nothing(), rows)


async def upsert(
    tx: Transaction, table: Table, rows: Rows, changes: tuple[str, ...], keys: tuple[str, ...] = ("id",)
) -> None:
    """New rows, or new values of `changes` in those that are there."""
    if rows:
        statement = dialect_insert(tx)(table)
        new = {name: statement.excluded[name] for name in changes}
        await tx.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=new), rows)
