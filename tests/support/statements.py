"""SQLAlchemy's compiled statements, kept for the whole run: each test has engines of its own, for the same statements.

An engine finds a compiled statement by its dialect, which each makes anew. Here those of one kind are equal, and all
engines share one cache; a process of its own compiles each statement once in its life.
"""

from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.util import LRUCache

MOST: Final = 5_000
_COMPILED: Final[LRUCache[Any, Any]] = LRUCache(MOST)


class _Equal:
    """Of one kind, in one process, with servers of one version."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        engine.update_execution_options(compiled_cache=_COMPILED)


class Sqlite(_Equal, SQLiteDialect_aiosqlite):
    """SQLite's."""

    supports_statement_cache = True


class Postgres(_Equal, PGDialect_asyncpg):
    """PostgreSQL's."""

    supports_statement_cache = True


def share() -> None:
    """From now on, for each engine of this process."""
    registry.register("sqlite.aiosqlite", __name__, "Sqlite")
    registry.register("postgresql.asyncpg", __name__, "Postgres")
