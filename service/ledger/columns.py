"""What the tables are made of: the metadata, UTC instants, and partial indexes."""

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
# A table's `info`: what a row of it is, for docs/data-model.md.
ABOUT: Final = "about"


class Instant(TypeDecorator[datetime]):
    """A UTC moment: `timestamptz` on PostgreSQL; SQLite has no zones, so there it is plain UTC."""

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
    """`column IN (...)` with the states in the statement's own text, as a partial index has them in its.

    With parameters in their place PostgreSQL cannot tell beforehand that the index will do: it plans the statement anew
    each time, or reads the whole table (PostgreSQL, "PREPARE", generic and custom plans).
    """
    return column.in_([literal_column(f"'{state}'", Text) for state in states])


def partial(name: str, *columns: str, where: str) -> Index:
    """An index over the few rows that a loop asks for."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))
