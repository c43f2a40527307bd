"""What the tables are made of: the metadata, UTC instants, and partial indexes."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import DateTime, Dialect, Index, MetaData, TypeDecorator, text

metadata: Final = MetaData()


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


def partial(name: str, *columns: str, where: str) -> Index:
    """An index over the few rows that a loop asks for."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))
