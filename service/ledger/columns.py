"""Building blocks of tables: the metadata, UTC instants, sealed columns and partial indexes."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Index,
    LargeBinary,
    MetaData,
    Text,
    TypeDecorator,
    literal_column,
    text,
)

from service.keyring import Label

metadata: Final = MetaData()
LABEL: Final = "label"
# Key of a table's `info`: what one row is, for docs/data-model.md.
ABOUT: Final = "about"


class Instant(TypeDecorator[datetime]):
    """A UTC moment: `timestamptz` on PostgreSQL; SQLite has no time zones, so it stores UTC without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


def sealed(name: str, label: Label, *, nullable: bool = False) -> Column[bytes]:
    """A column of sealed bytes, each bound to `label` and its row's primary key."""
    return Column(name, LargeBinary, nullable=nullable, info={LABEL: label})


def literal_in(column: ColumnElement[str], *states: str) -> ColumnElement[bool]:
    """`column IN (...)` with the states as literals, as in the `where` of a partial index.

    With parameters PostgreSQL cannot know while planning that the partial index applies: it would plan the statement
    anew each time, or read the whole table (PostgreSQL, "PREPARE", generic and custom plans).
    """
    return column.in_([literal_column(f"'{state}'", Text) for state in states])


def partial(name: str, *columns: str, where: str) -> Index:
    """An index over the few rows that a loop queries."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))
