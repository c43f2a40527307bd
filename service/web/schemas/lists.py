"""What calls about lists of orders take and answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from service.domain.json_object import JsonObject
from service.domain.lists import ColumnType, ExportFormat
from service.lists.checking import RowError

MOST_ROWS_OF_CALL = 5000


class ColumnShown(Struct):
    """A column of a list."""

    name: str
    title: str
    type: ColumnType
    required: bool
    personal: bool
    unique: bool
    choices: list[str]


class RowShown(Struct):
    """A row of a list. `added`: when it came to it."""

    id: str
    added: datetime
    values: JsonObject


class ListPage(Struct):
    """A page of a list, the oldest row first. `count`: of all pages; `cursor` leads to the next one."""

    list: str
    title: str
    columns: Sequence[ColumnShown]
    count: int
    rows: Sequence[RowShown]
    cursor: str


class RowsOrder(Struct, forbid_unknown_fields=True):
    """Rows to add, each an object of values by column."""

    rows: Annotated[list[JsonObject], Meta(min_length=1, max_length=MOST_ROWS_OF_CALL)]


class RowsTaken(Struct, omit_defaults=True):
    """Rows that were added, or are being added.

    `id`, `digest`: by what the order's events name them; `stored`: how many of them are kept by now; `count`: of the
    whole list. `mapping`: which column each column of the file was. `warnings`: what its sender may not know of it.
    """

    id: str
    list: str
    state: Literal["storing", "taken"]
    added: int
    stored: int
    digest: str
    count: int
    mapping: dict[str, str] = {}
    warnings: Sequence[RowError] = ()


class RowsChecked(Struct):
    """What a file says, and everything that is wrong with it; nothing was taken.

    `mapping`: which column of the list each of its columns is; `sample`: its first rows as they would be kept.
    `errors`: the first 100 of `error_count`; a row is numbered as in a spreadsheet, the header being row 1.
    `warnings`: what its sender may not know of it, such as hidden rows; it is taken all the same.
    """

    dry_run: Literal[True]
    rows: int
    header: list[str]
    mapping: dict[str, str]
    sample: list[JsonObject]
    errors: list[RowError]
    error_count: int
    warnings: list[RowError]


class RowChange(Struct, forbid_unknown_fields=True):
    """What the row says from now on, whole."""

    values: JsonObject


class RowChanged(Struct):
    """The row as it is now."""

    id: str
    values: JsonObject


class RowsMail(Struct, forbid_unknown_fields=True):
    """Rows to send by mail, now: all, or those since a moment."""

    email: Annotated[str, Meta(min_length=3, max_length=320)]
    format: ExportFormat = "csv"
    since: Annotated[datetime, Meta(tz=True)] | None = None


class RowsMailed(Struct):
    """How many mails were sent: none where there are no such rows."""

    count: int
