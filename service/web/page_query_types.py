"""The query parameters of pages that people open; parsed by `queries`."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct, field

from service.web.query_types import DAY_OR_MOMENT, LAST_DAY, EscalationsQuery, Page, Since, Workflow, Zone


class RowsPageQuery(Page, frozen=True):
    """Which page of a list at the desk."""

    importing: Annotated[str, Meta(description="the id of rows that are being added", max_length=36)] = ""
    unseen: Annotated[
        int, Meta(description="how many rows that were added are hidden in their workbook", ge=0, le=1_048_576)
    ] = 0


class BoardQuery(EscalationsQuery, frozen=True):
    """Which lines of the board."""

    ids: Annotated[str, Meta(description="only these escalations and incidents, parted by commas")] = ""
    limit: Annotated[int, Meta(ge=1, le=200, description="how many lines at a time; more come as one scrolls")] = 100


class ActivityQuery(Page, frozen=True):
    """Which acts; what is left out does not filter."""

    who: Annotated[str, Meta(description="a name, with or without its kind")] = ""
    act: Annotated[str, Meta(description="one of the kinds that the page offers")] = ""
    order: Annotated[str, Meta(description="an order id")] = ""
    since: Annotated[datetime | None, Meta(description="since this moment, or day in UTC", extra=DAY_OR_MOMENT)] = (
        field(default=None, name="from")
    )
    until: Annotated[datetime | None, Meta(description="before this moment, or day in UTC", extra=LAST_DAY)] = field(
        default=None, name="to"
    )
    zone: Zone = ""
    limit: Annotated[int, Meta(ge=1, le=200, description="how many")] = 50


class TellAllQuery(Struct, frozen=True):
    """What the form begins with: the filter of the page that it was opened from."""

    workflow: Workflow = ""
    status: Annotated[str, Meta(description="of the orders")] = ""
    stage: Annotated[str, Meta(description="of the orders")] = ""
    assignee: Annotated[str, Meta(description="who handles the orders: their id")] = ""
    channel: Annotated[str, Meta(description="of messages that the orders have")] = ""
    state: Annotated[str, Meta(description="of messages that the orders have")] = ""
    notice: Annotated[str, Meta(description="of messages that the orders have")] = ""
    cause: Annotated[str, Meta(description="of messages that the orders have")] = ""
    since: Annotated[datetime | None, Meta(description="planned since this day in UTC", extra=DAY_OR_MOMENT)] = field(
        default=None, name="from"
    )
    until: Annotated[datetime | None, Meta(description="planned before this day in UTC", extra=LAST_DAY)] = field(
        default=None, name="to"
    )
    zone: Zone = ""


class ForesightQuery(Struct, frozen=True):
    """Which version of a pack to try, and on which orders."""

    pack: Annotated[str, Meta(description="a workflow, a colon and a version of it")] = ""
    draft: Annotated[str, Meta(description="the id of a draft of words")] = ""
    since: Since = None


class DeadQuery(Struct, frozen=True):
    """What was just done."""

    replayed: Annotated[int, Meta(description="how many are being tried again", ge=0, le=1_000_000)] = 0


class SignInQuery(Struct, frozen=True):
    """Where at the desk to go on after signing in."""

    next: Annotated[str, Meta(description="a path of the desk", max_length=8000)] = ""
