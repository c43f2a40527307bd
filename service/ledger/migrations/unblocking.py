"""Index changes that block no writer: a migration calls `op.create_index` as usual, and the index is built later.

On PostgreSQL an index of an existing table is neither built nor dropped under the step's locks: its statement is
stored with the step, and run CONCURRENTLY after the commit (`service.ledger.database.upgrading`).
"""

from typing import Any

from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import Index
from sqlalchemy.schema import CreateIndex, DropIndex

from service.ledger.database.upgrading import DeferredStatements


class UnblockingImpl(PostgresqlImpl):
    """Replaces Alembic's implementation for this dialect."""

    __dialect__ = "postgresql"

    def create_index(self, index: Index, **kw: Any) -> None:
        """Create the index now for a new table, later for an existing one."""
        if (later := self._later(index)) is None:
            super().create_index(index, **kw)
            return
        index.dialect_options["postgresql"]["concurrently"] = True
        statement = CreateIndex(index, if_not_exists=True).compile(dialect=self.dialect)
        later.add(str(index.name), str(statement))

    def drop_index(self, index: Index, **kw: Any) -> None:
        """Drop the index now for a new table, later for an existing one."""
        if (later := self._later(index)) is None:
            super().drop_index(index, **kw)
            return
        index.dialect_options["postgresql"]["concurrently"] = True
        later.add("", str(DropIndex(index, if_exists=True).compile(dialect=self.dialect)))

    def _later(self, index: Index) -> DeferredStatements | None:
        later: DeferredStatements | None = self.context_opts.get("later")
        return later if later is not None and index.table is not None and index.table.name in later.tables else None
