"""Index builds and drops that stop no writer: a migration writes `op.create_index` as ever, and it is done later.

On PostgreSQL an index of a table that was there before is neither built nor dropped under the step's locks: its
statement is kept with the step, and run CONCURRENTLY once that is committed (`service.ledger.database.upgrading`).
"""

from typing import Any

from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import Index
from sqlalchemy.schema import CreateIndex, DropIndex

from service.ledger.database.upgrading import Later


class UnblockingImpl(PostgresqlImpl):
    """Takes the place of Alembic's own implementation for this dialect."""

    __dialect__ = "postgresql"

    def create_index(self, index: Index, **kw: Any) -> None:
        """Now for a new table, later for one that is being written to."""
        if (later := self._later(index)) is None:
            super().create_index(index, **kw)
            return
        index.dialect_options["postgresql"]["concurrently"] = True
        statement = CreateIndex(index, if_not_exists=True).compile(dialect=self.dialect)
        later.add(str(index.name), str(statement))

    def drop_index(self, index: Index, **kw: Any) -> None:
        """Likewise."""
        if (later := self._later(index)) is None:
            super().drop_index(index, **kw)
            return
        index.dialect_options["postgresql"]["concurrently"] = True
        later.add("", str(DropIndex(index, if_exists=True).compile(dialect=self.dialect)))

    def _later(self, index: Index) -> Later | None:
        later: Later | None = self.context_opts.get("later")
        return later if later is not None and index.table is not None and index.table.name in later.tables else None
