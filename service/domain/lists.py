"""Lists on an order, such as participants and leads: what a pack says of their columns, and how far they have grown.

Rows are the ledger's: here a list is its columns, and of an order how many rows it has.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from service.domain.calendars import Every
from service.domain.json_object import JsonObject

ColumnType = Literal["text", "number", "money", "date", "phone", "email", "boolean", "choice"]
ExportFormat = Literal["csv", "xlsx"]
RowsChange = Literal["added", "changed", "removed"]
# An event is a message, not a file: more rows come as a file, or in several events.
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
    """A notice that is told to the person of a new row whose column `when` says yes."""

    notice: str
    when: str


class ListExport(Struct, frozen=True):
    """What was added since the last time goes by mail to the people of an audience, if anything was."""

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
        """What people call a column."""
        return self.columns[column].titles.get(locale, column.replace("_", " "))

    @property
    def unique(self) -> tuple[str, ...]:
        """The columns in which no two rows have the same."""
        return tuple(name for name, c in self.columns.items() if c.unique)


class ListState(Struct, frozen=True, omit_defaults=True):
    """How many rows an order's list has, and how many came with the last event that added any."""

    count: int = 0
    added: int = 0


class ListGiven(Struct, frozen=True, omit_defaults=True):
    """What happens to a list of the order: rows that come with the event, or that are stored already.

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
        """How many rows this is about."""
        return len(self.rows) or self.count


def grown(state: ListState, given: ListGiven) -> ListState:
    """The list after that."""
    if given.change == "changed":
        return state
    if given.change == "removed":
        return ListState(max(0, state.count - given.size), state.added)
    return ListState(state.count + given.size, given.size)
