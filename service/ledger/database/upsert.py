"""Set-based writes that both databases understand."""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Executable, Table
from sqlalchemy.dialects import postgresql, sqlite

from service.ledger.database.transaction import Transaction
from service.pacing import breathe

# Values by column, as a statement takes them.
NewRow = dict[str, Any]
Rows = list[NewRow]
# Sent in one go; more are sent in several, between which others may run.
ROWS_AT_ONCE: Final = 40


def dialect_insert(tx: Transaction) -> Callable[[Table], Any]:
    """The dialect's INSERT, which knows ON CONFLICT."""
    return sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert


async def execute_many(tx: Transaction, statement: Executable, rows: Rows) -> None:
    """Run a statement for each of these rows."""
    for first in range(0, len(rows), ROWS_AT_ONCE):
        await breathe()
        await tx.execute(statement, rows[first : first + ROWS_AT_ONCE])


async def insert_rows(tx: Transaction, table: Table, rows: Rows) -> None:
    """New rows."""
    if rows:
        await execute_many(tx, table.insert(), rows)


async def insert_missing(tx: Transaction, table: Table, rows: Rows) -> None:
    """Rows that may be there already."""
    if rows:
        await execute_many(tx, dialect_insert(tx)(table).on_conflict_do_nothing(), rows)


async def upsert(
    tx: Transaction, table: Table, rows: Rows, changes: tuple[str, ...], keys: tuple[str, ...] = ("id",)
) -> None:
    """New rows, or new values of `changes` in those that are there."""
    if rows:
        statement = dialect_insert(tx)(table)
        new = {name: statement.excluded[name] for name in changes}
        await execute_many(tx, statement.on_conflict_do_update(index_elements=list(keys), set_=new), rows)
