"""Lists on an order, such as participants and leads: their columns as a pack declares them, and their sizes.

The rows are in the ledger; the domain knows only how many there are.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from service.domain.calendars import Every
from service.domain.json_object import JsonObject

ColumnType = Literal["text", "number", "money", "date", "phone", "email", "boolean", "choice"]
ExportFormat = Literal["csv", "xlsx"]
RowsChange = Literal["added", "changed", "removed"]
# Larger numbers of rows are imported as a file, or in several events.
MOST_ROWS_OF_EVENT: Final = 500


class Column(Struct, frozen=True):
    """A column. `required`: no row is without it; `unique`: no two rows of an order's list have the same there.

    `personal`: it tells of a person, who is found by it where it is a phone number or a mail address. `choices`: what
    a choice may be.
    """

    name: str
    type: ColumnType
    titles: Mapping[str, str] = {}
    required: bool = False
    personal: bool = False
    unique: bool = False
    choices: tuple[str, ...] = ()


class Greeting(Struct, frozen=True):
    """A notice that is told to the person of a new row, if the row's column `when` is true."""

    notice: str
    when: str


class ListExport(Struct, frozen=True):
    """A scheduled mail with the rows added since the last one, to an audience; not sent where there are none."""

    every: Every
    at: str
    to: str
    format: ExportFormat = "csv"


class ListSpec(Struct, frozen=True):
    """A list. `roles`: who may change it by hand, `statuses`: in which of the order's."""

    name: str
    columns: Mapping[str, Column]
    titles: Mapping[str, str] = {}
    roles: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    greeting: Greeting | None = None
    exports: tuple[ListExport, ...] = ()

    def title_of(self, column: str, locale: str) -> str:
        """A column's title."""
        return self.columns[column].titles.get(locale, column.replace("_", " "))

    @property
    def unique(self) -> tuple[str, ...]:
        """The columns whose values must be unique."""
        return tuple(name for name, c in self.columns.items() if c.unique)


class ListState(Struct, frozen=True, omit_defaults=True):
    """How many rows an order's list has, and how many came with the last event that added any."""

    count: int = 0
    added: int = 0


class ListGiven(Struct, frozen=True, omit_defaults=True):
    """A change of a list: rows that come with the event, or rows that are stored already.

    `id`, `digest`, `count`: of rows that were stored first, as Stagebell's own events name them. Publishers send
    `rows`, each an object of values by column.
    """

    rows: Annotated[tuple[JsonObject, ...], Meta(max_length=MOST_ROWS_OF_EVENT)] = ()
    id: Annotated[str, Meta(max_length=36)] = ""
    digest: Annotated[str, Meta(max_length=64, description="SHA-256 of the rows as they are kept")] = ""
    count: Annotated[int, Meta(ge=0)] = 0
    change: RowsChange = "added"

    @property
    def size(self) -> int:
        """The number of rows that it adds."""
        return len(self.rows) or self.count


def grown(state: ListState, given: ListGiven) -> ListState:
    """The list's state after adding these rows."""
    if given.change == "changed":
        return state
    if given.change == "removed":
        return ListState(max(0, state.count - given.size), state.added)
    return ListState(state.count + given.size, given.size)
