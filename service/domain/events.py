"""Events in: CloudEvents 1.0, and the data that publishers send in them.

The classes below are the contract: decoding, the JSON Schemas and `/asyncapi.json` all come from them.
Dates are ISO 8601 with an offset, kept as UTC. An absent field keeps its last known value; `null` clears it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from service.domain.attached import MOST_FILES, Attached
from service.domain.json_object import JsonObject
from service.domain.lists import ListGiven

MAX_BODY_BYTES: Final = 256 * 1024
MAX_RECIPIENTS: Final = 100
EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

Name = Annotated[str, Meta(min_length=1, max_length=120)]
Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Short = Annotated[str, Meta(max_length=500)]
Text = Annotated[str, Meta(max_length=20_000)]
Instant = Annotated[datetime, Meta(tz=True, description="ISO 8601 with an offset")]
Amount = Annotated[str, Meta(pattern=r"^-?\d{1,15}(\.\d{1,4})?$", description="decimal, as a string")]


class Actor(Struct, frozen=True, omit_defaults=True):
    """Who did it, in the publisher's words."""

    id: Short = ""
    name: Short = ""
    role: Short = ""


class Note(Struct, frozen=True, omit_defaults=True):
    """A remark; only a public one may reach a customer.

    `to`: the one audience that a public note is for, instead of all that are told by the pack's rules.
    """

    text: Text
    public: bool = False
    attachments: Annotated[
        tuple[Attached, ...], Meta(max_length=MOST_FILES, description="files that are stored for the order already")
    ] = ()
    to: Annotated[str, Meta(max_length=120, description="an audience that a public note is for")] = ""


Token = Annotated[str, Meta(min_length=1, max_length=4096)]
Locale = Annotated[str, Meta(max_length=35)]
Zone = Annotated[str, Meta(max_length=64)]
Hook = Annotated[str, Meta(max_length=2000, pattern=r"^https?://")]
# By channel, one address or several; null removes those of the channel.
Addresses = Annotated[
    dict[Name, Token | tuple[Token, ...] | None],
    Meta(max_length=20, description="addresses on channels that have no field here, by channel"),
]
Country = Annotated[str, Meta(max_length=35, description="ISO 3166, for numbers written nationally")]


class PersonGiven(Struct, frozen=True, omit_defaults=True):
    """A recipient as an event gives it: a field left out keeps its last known value, `null` removes it.

    `id` is the publisher's own name for the person; numbers may be written as people write them.
    """

    id: Short | None | UnsetType = UNSET
    name: Short | None | UnsetType = UNSET
    phone: Short | None | UnsetType = UNSET
    whatsapp: Short | None | UnsetType = UNSET
    email: Short | None | UnsetType = UNSET
    push_tokens: tuple[Token, ...] | None | UnsetType = UNSET
    addresses: Addresses | None | UnsetType = UNSET
    locale: Locale | None | UnsetType = UNSET
    timezone: Zone | None | UnsetType = UNSET
    webhook: Hook | None | UnsetType = UNSET
    channels: Annotated[tuple[Name, ...], Meta(description="the channels wanted; all when null")] | None | UnsetType = (
        UNSET
    )
    muted: Annotated[tuple[Name, ...], Meta(description="notices not wanted")] | None | UnsetType = UNSET
    country: Country | None | UnsetType = UNSET


class AssigneeGiven(Struct, frozen=True, omit_defaults=True):
    """Whoever handles the order now (vendor, technician, provider), as an event says it; see `PersonGiven`."""

    role: Name
    id: Identifier
    name: Short | None | UnsetType = UNSET
    phone: Short | None | UnsetType = UNSET
    whatsapp: Short | None | UnsetType = UNSET
    email: Short | None | UnsetType = UNSET
    push_tokens: tuple[Token, ...] | None | UnsetType = UNSET
    addresses: Addresses | None | UnsetType = UNSET
    locale: Locale | None | UnsetType = UNSET
    country: Country | None | UnsetType = UNSET


class Appointment(Struct, frozen=True, omit_defaults=True):
    """An agreed window."""

    start: Instant
    end: Instant | None = None


class Price(Struct, frozen=True, omit_defaults=True):
    """An amount and its ISO 4217 currency."""

    amount: Amount
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]


class Payment(Struct, frozen=True, omit_defaults=True):
    """What is known of the payment."""

    verified: bool = False
    reference: Short | None = None


class Secret(Struct, frozen=True, omit_defaults=True):
    """A one-time value: sealed on arrival, opened only inside the send, erased after."""

    value: Annotated[str, Meta(min_length=1, max_length=200)]
    expires: Instant | None = None


class Issue(Struct, frozen=True, omit_defaults=True):
    """Something went wrong; `reason` is one of the workflow's."""

    reason: Name
    detail: Text = ""


class ParentGiven(Struct, frozen=True):
    """The order that this one is a part of."""

    workflow: Name
    order_id: Identifier


class Data(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What every event may carry about its order. `parent`: the order that it is a part of; it cannot change."""

    workflow: Name
    actor: Actor | None = None
    note: Note | None = None
    recipients: dict[Name, PersonGiven | tuple[PersonGiven, ...] | None] | UnsetType = UNSET
    assignee: AssigneeGiven | None | UnsetType = UNSET
    eta: Instant | None | UnsetType = UNSET
    appointment: Appointment | None | UnsetType = UNSET
    price: Price | None | UnsetType = UNSET
    payment: Payment | None | UnsetType = UNSET
    secrets: dict[Name, Secret] = {}
    attributes: JsonObject | UnsetType = UNSET
    brand: (
        Annotated[Short, Meta(description="one of the pack's brands; the service's own when null")] | None | UnsetType
    ) = UNSET
    lists: Annotated[dict[Name, ListGiven], Meta(description="rows for lists of the order, by list")] = {}
    parent: (
        Annotated[ParentGiven, Meta(description="the order that this one is a part of; an unknown one is waited for")]
        | None
        | UnsetType
    ) = UNSET


class StatusChangedData(Data, frozen=True, omit_defaults=True, kw_only=True):
    """Data of `order.status_changed`."""

    status: Name


class NoteAddedData(Data, frozen=True, omit_defaults=True, kw_only=True):
    """Data of `order.note_added`."""

    note: Note


class IssueReportedData(Data, frozen=True, omit_defaults=True, kw_only=True):
    """Data of `order.issue_reported`."""

    issue: Issue


class OrderUpdatedData(Data, frozen=True, omit_defaults=True, kw_only=True):
    """Data of `order.updated`: a new ETA, assignee, date or price, while the status stays."""


EventData = StatusChangedData | NoteAddedData | IssueReportedData | OrderUpdatedData
EventType = Literal["order.status_changed", "order.note_added", "order.issue_reported", "order.updated"]

DATA_TYPES: Final[Mapping[str, type[EventData]]] = {
    "order.status_changed": StatusChangedData,
    "order.note_added": NoteAddedData,
    "order.issue_reported": IssueReportedData,
    "order.updated": OrderUpdatedData,
}


class Envelope(Struct, frozen=True, kw_only=True):
    """CloudEvents attributes; `data` stays raw until `type` says what it is.

    An optional attribute may be `null`, and the data may come as `data_base64` (CloudEvents JSON format, §2.2, §3.1).
    """

    specversion: Literal["1.0"]
    id: Identifier
    source: Identifier
    type: EventType
    subject: Identifier
    time: Instant
    datacontenttype: Annotated[str, Meta(max_length=200)] | None = None
    traceparent: Annotated[str, Meta(max_length=100)] | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: bytes | None = None


class EventWarning(Struct, frozen=True):
    """A field of an accepted event that could not be used, by its path; never the value itself."""

    field: str
    problem: str


class Event(Struct, frozen=True):
    """A decoded event. `time` is UTC."""

    id: str
    source: str
    type: str
    reference: str
    time: datetime
    data: EventData
    traceparent: str | None = None
    warnings: tuple[EventWarning, ...] = ()


def people_in(data: EventData) -> int:
    """How many recipients the data names."""
    return sum(len(p) if isinstance(p, tuple) else 1 for p in (data.recipients or {}).values())
