"""Shares SQLAlchemy's compiled statements among all engines of the run, as each test has its own engines.

An engine looks up compiled statements by its dialect object. Here dialects of one kind are equal and share one cache;
a process in production compiles each statement once anyway.
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
    """Equal for one kind of dialect, process and server version."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        engine.update_execution_options(compiled_cache=_COMPILED)


class Sqlite(_Equal, SQLiteDialect_aiosqlite):
    """SQLite's dialect."""

    supports_statement_cache = True


class Postgres(_Equal, PGDialect_asyncpg):
    """PostgreSQL's dialect."""

    supports_statement_cache = True


def share() -> None:
    """Install the shared cache for all engines of this process."""
    registry.register("sqlite.aiosqlite", __name__, "Sqlite")
    registry.register("postgresql.asyncpg", __name__, "Postgres")
