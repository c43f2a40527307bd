"""Sets of rows, written by as few statements as may be: all tables of a commit in one round trip, on PostgreSQL.

There a statement takes one array a column (`unnest`), and several tables go out as parts of one `WITH`. All parts see
the database as it was before the statement, so no part may hang on what another writes (PostgreSQL manual, 7.8.4).
SQLite, which has no arrays and no way to go, writes table by table.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import Executable, Table, bindparam, text, update
from sqlalchemy.dialects import postgresql, sqlite

from service.ledger.database.transaction import Transaction
from service.pacing import breathe

# Values by column, as a statement takes them.
NewRow = dict[str, Any]
Rows = list[NewRow]
# Sent in one go; more are sent in several, between which others may run.
ROWS_AT_ONCE: Final = 100
# The rows of a handful of events. Of more, each table has statements of its own: a round trip matters less than how
# many forms of statement there are to prepare.
ROWS_TOGETHER: Final = 150

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]


def dialect_insert(tx: Transaction) -> Callable[[Table], Any]:
    """The dialect's INSERT, which knows ON CONFLICT."""
    return sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert


class _Form(Struct, frozen=True):
    """What is done with rows of a table, without the rows: what a statement's text hangs on.

    `keys`: by which a row is found that is there already; `added`: columns whose value is added to what is there.
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
    """A write that is no set of rows. `text`: as PostgreSQL has it, `{0}`, `{1}` … where `values` come."""

    text: str
    values: tuple[Any, ...]
    elsewhere: Executable
    elsewhere_values: Mapping[str, Any]


class Writes:
    """Rows to be written together; `run` sends them. A table may stand in it several times, a row but once."""

    def __init__(self) -> None:
        self._parts: list[tuple[_Form, Rows]] = []
        self._others: list[OtherWrite] = []

    def _add(self, form: _Form, rows: Rows) -> None:
        self._parts.append((form, rows))

    def other(self, write: OtherWrite) -> None:
        """What is no set of rows, such as a change of all that wait in a lane."""
        self._others.append(write)

    def insert(self, table: Table, rows: Rows) -> None:
        """New rows."""
        if rows:
            self._add(_Form("insert", table, tuple(rows[0])), rows)

    def insert_missing(self, table: Table, rows: Rows) -> None:
        """Rows that may be there already."""
        if rows:
            self._add(_Form("insert", table, tuple(rows[0]), is_missing=True), rows)

    def upsert(self, table: Table, rows: Rows, changes: tuple[str, ...], keys: tuple[str, ...] = ("id",)) -> None:
        """New rows, or new values of `changes` in those that are there."""
        if rows:
            self._add(_Form("insert", table, tuple(rows[0]), keys, changes), rows)

    def update(
        self, table: Table, rows: Rows, keys: tuple[str, ...] = ("id",), added: frozenset[str] = frozenset()
    ) -> None:
        """New values in rows that are there; those of `added` are added to what stands there (text is appended)."""
        if rows:
            changes = tuple(c for c in rows[0] if c not in keys)
            self._add(_Form("update", table, tuple(rows[0]), keys, changes, added), rows)

    async def run(self, tx: Transaction, notify: tuple[str, str] | None = None) -> None:
        """Write everything. `notify`: a channel and a payload, sent at the commit; PostgreSQL only."""
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


# A plain SELECT, it can only be the last part.
_NOTIFY: Final = "SELECT pg_notify({0}, {1})"


async def _send(tx: Transaction, parts: Sequence[tuple[_Form, Rows]], others: Sequence[OtherWrite] = ()) -> None:
    """One statement. Through SQLAlchemy's cursor, so that whatever the driver raises comes out as from any other."""
    texts = tuple((other.text, len(other.values)) for other in others)
    statement = _statement(tuple(form for form, _ in parts), texts)
    values: list[Any] = [[row[c] for row in rows] for form, rows in parts for c in form.columns]
    for other in others:
        values += other.values
    await tx.connection.exec_driver_sql(statement, tuple(values))


@lru_cache(maxsize=1000)
def _statement(forms: tuple[_Form, ...], texts: tuple[tuple[str, int], ...]) -> str:
    """The text for parts of these forms, with an array a column, and for these others."""
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
    """The same, a statement a table and as many runs of it as there are rows."""
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
    """New rows of one table."""
    writes = Writes()
    writes.insert(table, rows)
    await writes.run(tx)


async def insert_missing(tx: Transaction, table: Table, rows: Rows) -> None:
    """Rows of one table that may be there already."""
    writes = Writes()
    writes.insert_missing(table, rows)
    await writes.run(tx)


async def upsert(
    tx: Transaction, table: Table, rows: Rows, changes: tuple[str, ...], keys: tuple[str, ...] = ("id",)
) -> None:
    """New rows of one table, or new values of `changes` in those that are there."""
    writes = Writes()
    writes.upsert(table, rows, changes, keys)
    await writes.run(tx)
