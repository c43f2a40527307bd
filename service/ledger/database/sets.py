"""Writes sets of rows with few statements; on PostgreSQL all tables of a commit in one round trip.

On PostgreSQL a statement takes one array for each column (`unnest`), and several tables are parts of one `WITH`. All
parts see the database as before the statement, so no part may depend on what another writes (PostgreSQL manual,
7.8.4). SQLite has neither arrays nor round trips, so it is written table by table.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import Executable, Table, bindparam, text, update
from sqlalchemy.dialects import postgresql, sqlite

from service.ledger.database.transaction import Transaction
from service.pacing import breathe

# A row's values by column.
NewRow = dict[str, Any]
Rows = list[NewRow]
# Rows sent at once; more are sent in chunks, between which other tasks may run.
ROWS_AT_ONCE: Final = 100
# Up to so many rows all tables share one statement. With more, each table has its own: a round trip then matters
# less than the number of different statements to prepare.
ROWS_TOGETHER: Final = 150

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]


def dialect_insert(tx: Transaction) -> Callable[[Table], Any]:
    """The INSERT construct of the dialect, which supports ON CONFLICT."""
    return sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert


class _Form(Struct, frozen=True):
    """A kind of write to a table, without the rows: all that the text of its statement depends on.

    `keys`: columns that identify an existing row; `added`: columns whose new value is added to the stored one.
    """

    kind: Literal["insert", "update"]
    table: Table
    columns: tuple[str, ...]
    keys: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    added: frozenset[str] = frozenset()
    is_missing: bool = False

    def __hash__(self) -> int:
        return hash((self.kind, self.table.name, self.columns, self.keys, self.changes, self.is_missing))


class OtherWrite(Struct, frozen=True):
    """A write that is not a set of rows. `text`: PostgreSQL's statement with `{0}`, `{1}` … for `values`."""

    text: str
    values: tuple[Any, ...]
    elsewhere: Executable
    elsewhere_values: Mapping[str, Any]


class Writes:
    """Collects rows to write together; `run` sends them. A table may be added several times, a row only once."""

    def __init__(self) -> None:
        self._parts: list[tuple[_Form, Rows]] = []
        self._others: list[OtherWrite] = []

    def _add(self, form: _Form, rows: Rows) -> None:
        self._parts.append((form, rows))

    def other(self, write: OtherWrite) -> None:
        """Add a write that is not a set of rows, such as a change of all messages that wait in a lane."""
        self._others.append(write)

    def insert(self, table: Table, rows: Rows) -> None:
        """Add new rows."""
        if rows:
            self._add(_Form("insert", table, tuple(rows[0])), rows)

    def insert_missing(self, table: Table, rows: Rows) -> None:
        """Add rows that may exist already; existing ones stay as they are."""
        if rows:
            self._add(_Form("insert", table, tuple(rows[0]), is_missing=True), rows)

    def upsert(self, table: Table, rows: Rows, changes: tuple[str, ...], keys: tuple[str, ...] = ("id",)) -> None:
        """Add new rows; of existing ones (by `keys`), change the columns `changes`."""
        if rows:
            self._add(_Form("insert", table, tuple(rows[0]), keys, changes), rows)

    def update(
        self, table: Table, rows: Rows, keys: tuple[str, ...] = ("id",), added: frozenset[str] = frozenset()
    ) -> None:
        """Change existing rows (by `keys`); values of `added` columns are added to the stored ones (text: appended)."""
        if rows:
            changes = tuple(c for c in rows[0] if c not in keys)
            self._add(_Form("update", table, tuple(rows[0]), keys, changes, added), rows)

    async def run(self, tx: Transaction, notify: tuple[str, str] | None = None) -> None:
        """Write everything. `notify`: channel and payload of a notification at the commit (PostgreSQL only)."""
        if tx.dialect.name != "postgresql":
            for form, rows in self._parts:
                await _one_by_one(tx, form, rows)
            for other in self._others:
                await tx.execute(other.elsewhere, dict(other.elsewhere_values))
            return
        parts = self._parts
        if sum(len(rows) for _, rows in parts) > ROWS_TOGETHER:
            for form, rows in parts:
                for first in range(0, len(rows), ROWS_AT_ONCE):
                    await breathe()
                    await _send(tx, [(form, rows[first : first + ROWS_AT_ONCE])])
            parts = []
        await breathe()
        others = [*self._others, *([OtherWrite(_NOTIFY, notify, text("SELECT 1"), {})] if notify else [])]
        if parts or others:
            await _send(tx, parts, others)


# As a plain SELECT it can only be the last part.
_NOTIFY: Final = "SELECT pg_notify({0}, {1})"


async def _send(tx: Transaction, parts: Sequence[tuple[_Form, Rows]], others: Sequence[OtherWrite] = ()) -> None:
    """Run one statement, through SQLAlchemy's cursor so that errors of the driver are wrapped as usual."""
    texts = tuple((other.text, len(other.values)) for other in others)
    statement = _statement(tuple(form for form, _ in parts), texts)
    values: list[Any] = [[row[c] for row in rows] for form, rows in parts for c in form.columns]
    for other in others:
        values += other.values
    await tx.connection.exec_driver_sql(statement, tuple(values))


@lru_cache(maxsize=1000)
def _statement(forms: tuple[_Form, ...], texts: tuple[tuple[str, int], ...]) -> str:
    """The text of a statement with these parts, one array for each column, and with these other writes."""
    parts, n = [], 0
    for form in forms:
        parts.append(_part(form, n))
        n += len(form.columns)
    for other, count in texts:
        parts.append(other.format(*(f"${n + i + 1}" for i in range(count))))
        n += count
    *others, last = parts
    named = ", ".join(f"w{i} AS ({part})" for i, part in enumerate(others))
    return f"WITH {named} {last}" if named else last


def _part(form: _Form, n: int) -> str:
    name = form.table.name
    arrays = ", ".join(
        f"${n + i}::{form.table.c[c].type.compile(dialect=_DIALECT)}[]" for i, c in enumerate(form.columns, start=1)
    )
    columns = ", ".join(form.columns)
    if form.kind == "update":
        changes = ", ".join(f"{c} = {_changed(form, c)}" for c in form.changes)
        found = " AND ".join(f"{name}.{k} = new.{k}" for k in form.keys)
        return f"UPDATE {name} SET {changes} FROM unnest({arrays}) AS new ({columns}) WHERE {found}"  # noqa: S608 # nosec B608 - names of ours
    insert = f"INSERT INTO {name} ({columns}) SELECT * FROM unnest({arrays})"  # noqa: S608 # nosec B608 - names of ours
    if form.is_missing:
        return f"{insert} ON CONFLICT DO NOTHING"
    if not form.keys:
        return insert
    changes = ", ".join(f"{c} = excluded.{c}" for c in form.changes)
    return f"{insert} ON CONFLICT ({', '.join(form.keys)}) DO UPDATE SET {changes}"


def _changed(form: _Form, column: str) -> str:
    if column not in form.added:
        return f"new.{column}"
    is_text = form.table.c[column].type.python_type is str
    return f"{form.table.name}.{column} {'||' if is_text else '+'} new.{column}"


async def _one_by_one(tx: Transaction, form: _Form, rows: Rows) -> None:
    """The same on SQLite: one statement for each table, run for each row."""
    statement = _for_each(form)
    if form.kind == "update":
        rows = [{f"_{c}": v for c, v in row.items()} for row in rows]
    for first in range(0, len(rows), ROWS_AT_ONCE):
        await breathe()
        await tx.execute(statement, rows[first : first + ROWS_AT_ONCE])


@lru_cache(maxsize=200)
def _for_each(form: _Form) -> Any:
    table = form.table
    if form.kind == "update":
        given = {c: bindparam(f"_{c}", type_=table.c[c].type) for c in form.columns}
        values = {c: table.c[c] + given[c] if c in form.added else given[c] for c in form.changes}
        return update(table).where(*(table.c[k] == given[k] for k in form.keys)).values(values)
    insert = sqlite.insert(table)
    if form.is_missing:
        return insert.on_conflict_do_nothing()
    if form.keys:
        changes = {c: insert.excluded[c] for c in form.changes}
        return insert.on_conflict_do_update(index_elements=list(form.keys), set_=changes)
    return table.insert()


async def insert_rows(tx: Transaction, table: Table, rows: Rows) -> None:
    """Insert rows into one table."""
    writes = Writes()
    writes.insert(table, rows)
    await writes.run(tx)


async def insert_missing(tx: Transaction, table: Table, rows: Rows) -> None:
    """Insert rows into one table; existing ones stay as they are."""
    writes = Writes()
    writes.insert_missing(table, rows)
    await writes.run(tx)


async def upsert(
    tx: Transaction, table: Table, rows: Rows, changes: tuple[str, ...], keys: tuple[str, ...] = ("id",)
) -> None:
    """Insert rows into one table; of existing ones, change the columns `changes`."""
    writes = Writes()
    writes.upsert(table, rows, changes, keys)
    await writes.run(tx)
