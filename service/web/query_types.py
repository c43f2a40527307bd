"""The query parameters of the API's routes; `queries` parses them, the OpenAPI document lists them.

Lists are paged in one way: `limit`, and the `cursor` of the page before. Those of pages are in `page_query_types`.
"""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from service.ledger.orders.search import Sort

Workflow = Annotated[str, Meta(description="a workflow's name")]
Cursor = Annotated[str, Meta(description="where to go on: as the page before gave it")]
Country = Annotated[str, Meta(description="ISO 3166: where a number without a country code is")]
Address = Annotated[str, Meta(description="a phone number or email address")]
Since = Annotated[timedelta | None, Meta(description="so far back, such as 30d; 90d without it")]
Zone = Annotated[
    str, Meta(description="the time zone (IANA) of days, such as Asia/Kolkata; with it, `to` takes its day in")
]
DAY_OR_MOMENT: Final = {"day": True}
LAST_DAY: Final = {"day": True, "last": True}


class Page(Struct, frozen=True):
    """A page of a list."""

    cursor: Cursor = ""


class OfCountry(Struct, frozen=True):
    """Where a number without a country code is."""

    country: Country = ""


class OrdersQuery(Page, frozen=True):
    """Which orders; what is left out does not filter."""

    workflow: Workflow = ""
    status: Annotated[str, Meta(description="one or more, comma-separated")] = ""
    stage: Annotated[str, Meta(description="a stage's name")] = ""
    assignee: Annotated[str, Meta(description="their id")] = ""
    recipient: Address = ""
    q: Annotated[
        str,
        Meta(
            description="an order id or its beginning or last digits, a phone number, an email address, words of a name"
        ),
    ] = ""
    country: Country = ""
    overdue: Annotated[bool | None, Meta(description="whether a promise about it is broken or late")] = None
    open: Annotated[bool | None, Meta(description="true: not ended")] = None
    todo: Annotated[
        bool | None, Meta(description="true, for a party's people: what waits for them, the nearest date first")
    ] = None
    archived: Annotated[bool | None, Meta(description="true: also those in statuses that lists leave out")] = None
    stuck_for: Annotated[timedelta | None, Meta(description="so long in one status, such as 3d")] = None
    ends_from: Annotated[datetime | None, Meta(description="expected end from this moment")] = None
    ends_before: Annotated[datetime | None, Meta(description="expected end before this moment")] = None
    attributes: Annotated[
        dict[str, str],
        Meta(description="the value of an attribute that the packs' lists show, such as attributes.campaign=Spring"),
    ] = field(default_factory=dict, name="attributes.NAME")
    sort: Annotated[
        Sort,
        Meta(
            description="activity and submitted: the newest first; late: only late ones, the longest first; "
            "the others: the nearest"
        ),
    ] = "activity"
    format: Annotated[Literal["csv", ""], Meta(description="csv: a table of all")] = ""
    limit: Annotated[int, Meta(ge=1, le=200, description="how many")] = 50


class EscalationsQuery(Page, frozen=True):
    """Which escalations; what is left out does not filter."""

    state: Annotated[
        Literal["active", "open", "acknowledged", "snoozed", "resolved", ""],
        Meta(description="active: not resolved; empty: all"),
    ] = "active"
    team: Annotated[str, Meta(description="a team's name")] = ""
    workflow: Workflow = ""
    severity: Annotated[str, Meta(description="low to critical")] = ""
    owner: Annotated[str, Meta(description="who has it: a name, or me")] = ""
    incident: Annotated[str, Meta(description="the id of an incident: only its open members")] = ""
    older_than: Annotated[timedelta | None, Meta(description="opened so long ago, such as 10m")] = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="how many")] = 100


class RowsQuery(Page, frozen=True):
    """Which rows of a list, and how."""

    since: Annotated[
        datetime | None, Meta(description="added since this moment, or day in UTC", extra=DAY_OR_MOMENT)
    ] = None
    format: Annotated[Literal["csv", "xlsx", ""], Meta(description="csv, xlsx: all of it as a file")] = ""
    limit: Annotated[int, Meta(ge=1, le=1000, description="how many")] = 100


class AddRowsQuery(Struct, frozen=True):
    """How rows are added."""

    dry_run: Annotated[bool | None, Meta(description="true: only say what would be added, and what is wrong")] = None
    name: Annotated[str, Meta(description="the file's name: one that ends in .txt or .tsv has tabs")] = ""
    map: Annotated[
        dict[str, str],
        Meta(description="the list's column for a column of the file, such as map.E-Mail=email; empty: left out"),
    ] = field(default_factory=dict, name="map.NAME")


class FileQuery(Struct, frozen=True):
    """What a file is called."""

    name: Annotated[str, Meta(description="with its ending, such as photo.jpg", max_length=200)] = ""


class MessagesQuery(OfCountry, frozen=True):
    """Which messages; what is left out does not filter. Where several are allowed, commas part them."""

    channel: Annotated[str, Meta(description="one or more, such as sms,email")] = ""
    state: Annotated[str, Meta(description="one or more, such as failed,undelivered")] = ""
    notice: Annotated[str, Meta(description="one or more")] = ""
    cause: Annotated[str, Meta(description="one or more: the provider's code, or Stagebell's word, such as cap")] = ""
    workflow: Workflow = ""
    recipient: Address = ""
    since: Annotated[
        datetime | None, Meta(description="planned since this moment, or day in UTC", extra=DAY_OR_MOMENT)
    ] = field(default=None, name="from")
    until: Annotated[datetime | None, Meta(description="planned before this moment, or day in UTC", extra=LAST_DAY)] = (
        field(default=None, name="to")
    )
    zone: Zone = ""
    format: Annotated[Literal["csv", ""], Meta(description="csv: a table of all, up to 50,000")] = ""
    cursor: Cursor = ""
    limit: Annotated[int, Meta(ge=1, le=200, description="how many")] = 50


class StreamQuery(Struct, frozen=True):
    """Which lines of the stream."""

    team: Annotated[str, Meta(description="only this team's")] = ""
    workflow: Annotated[str, Meta(description="only this workflow's")] = ""
    brief: Annotated[bool | None, Meta(description="true: of an incident how many orders it has, not which")] = None
    last_event_id: Annotated[str, Meta(description="go on after this one, where a header cannot be sent")] = ""


class AuditQuery(Page, frozen=True):
    """Which lines of the audit log; what is left out does not filter."""

    who: Annotated[str, Meta(description="a name, with or without its kind: key:NAME, oidc:NAME, cli:USER")] = ""
    act: Annotated[str, Meta(description="its name, or its first words")] = ""
    order: Annotated[str, Meta(description="an order id")] = ""
    person: Annotated[str, Meta(description="a phone number or email address that lines are about")] = ""
    since: Annotated[datetime | None, Meta(description="since this moment, or day in UTC", extra=DAY_OR_MOMENT)] = (
        field(default=None, name="from")
    )
    until: Annotated[datetime | None, Meta(description="before this moment, or day in UTC", extra=LAST_DAY)] = field(
        default=None, name="to"
    )
    zone: Zone = ""
    limit: Annotated[int, Meta(ge=1, le=1000, description="how many")] = 100


class CostsQuery(Struct, frozen=True):
    """Which messages' cost; what is left out does not filter."""

    workflow: Workflow = ""
    since: Annotated[
        datetime | None,
        Meta(description="planned since this moment, or day in UTC; this month's", extra=DAY_OR_MOMENT),
    ] = field(default=None, name="from")
    until: Annotated[
        datetime | None, Meta(description="planned before this moment, or day in UTC; now", extra=DAY_OR_MOMENT)
    ] = field(default=None, name="to")


class WordsQuery(Struct, frozen=True):
    """The words of which packs."""

    workflow: Workflow = ""
    format: Annotated[
        Literal["diff", ""], Meta(description="diff: what was published over the packs' folder, as a patch for Git")
    ] = ""


class NoticeWordsQuery(Struct, frozen=True):
    """For whom a notice's words are shown."""

    order_id: Annotated[str, Meta(description="an order of this workflow; without it, a sample")] = ""


class DraftsQuery(Page, frozen=True):
    """Which drafts of words; what is left out does not filter."""

    workflow: Workflow = ""
    notice: Annotated[str, Meta(description="a notice's name")] = ""
    state: Annotated[Literal["draft", "approved", "published", "dropped", ""], Meta(description="how far they are")] = (
        ""
    )
    limit: Annotated[int, Meta(ge=1, le=200, description="how many")] = 50


class OneDraftQuery(Struct, frozen=True):
    """How a draft is shown."""

    format: Annotated[Literal["diff", ""], Meta(description="diff: a patch for Git")] = ""


class BackTestQuery(Struct, frozen=True):
    """On which orders a draft is tried."""

    since: Annotated[timedelta | None, Meta(description="orders of so long, such as 30d; 7d without it")] = None


class LifecycleQuery(Struct, frozen=True):
    """Which orders to measure."""

    workflow: Annotated[str, Meta(description="its name; without it, the first")] = ""
    since: Since = None


class PerformanceQuery(Struct, frozen=True):
    """Which orders to measure, and by whom."""

    workflow: Annotated[str, Meta(description="its name; without it, the first")] = ""
    by: Annotated[
        Literal["assignee", "party"], Meta(description="of the table: whoever handles the order, or its parties")
    ] = "assignee"
    since: Annotated[timedelta | None, Meta(description="so far back, such as 7d; 30d without it")] = None
    format: Annotated[Literal["csv", ""], Meta(description="csv: a table of people")] = ""


class LetterQuery(Struct, frozen=True):
    """Which dead letter, besides its place."""

    key: Annotated[str, Meta(description="the letter's own; without it, whatever stands at that place by now")] = ""


class LettersQuery(Struct, frozen=True):
    """How many dead letters to look at; they stay in their queue, which has no places to go on from."""

    limit: Annotated[int, Meta(ge=1, le=500, description="how many")] = 50


class SuppressionsQuery(OfCountry, frozen=True):
    """Whose suppressions."""

    recipient: Address = ""


class SuppressionQuery(SuppressionsQuery, frozen=True):
    """Which suppression."""

    channel: Annotated[str, Meta(description="such as sms, whatsapp, email or push")] = ""


class PersonQuery(OfCountry, frozen=True):
    """Which person."""

    address: Address = ""


class PersonOrdersQuery(OfCountry, frozen=True):
    """Which of a person's orders."""

    cursor: Cursor = ""
    limit: Annotated[int, Meta(ge=1, le=200, description="how many")] = 50


class TrayQuery(Struct, frozen=True):
    """Which conversations in which somebody waits; what is left out does not filter."""

    workflow: Workflow = ""
    team: Annotated[str, Meta(description="the team that the workflow's clock of unanswered customers calls")] = ""
    mine: Annotated[bool | None, Meta(description="true: those that the caller answers, or answered last")] = None
    limit: Annotated[int, Meta(ge=1, le=200, description="how many")] = 50


class CallQuery(Struct, frozen=True):
    """Who is calling, as a telephone system knows it."""

    number: Annotated[str, Meta(description="a phone number in any spelling")] = field(default="", name="from")
    country: Country = ""


class LanguageQuery(Struct, frozen=True):
    """In which words."""

    lang: Annotated[str, Meta(description="a language, such as en or pt-BR")] = ""
