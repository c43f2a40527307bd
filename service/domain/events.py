"""Events in: CloudEvents 1.0, the shapes that publishers send, decoded and checked in one pass.

The classes below are the contract: decoding, the JSON Schemas and `/asyncapi.json` all come from them.
Dates are ISO 8601 with an offset, kept as UTC. An absent field keeps its last known value; `null` clears it.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from service.domain.attached import MOST_FILES, Attached
from service.domain.errors import Rejection
from service.domain.json_object import JsonObject
from service.domain.lists import ListGiven
from service.domain.quoting import quoted
from service.domain.repeated_keys import refuse_repeated_keys
from service.domain.unknown_fields import unknown_fields

MAX_BODY_BYTES: Final = 256 * 1024
MAX_RECIPIENTS: Final = 100
EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

T = TypeVar("T")

# msgspec repeats what came in these words.
_WRONG_VALUE: Final = "Invalid enum value"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

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

    `to`: the one audience that a public one is for, in place of all that hear of it by the pack's rules.
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
    """Somebody to tell, as an event says it: what it leaves out keeps its last known value, `null` removes it.

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
    """What every event may carry about its order. `parent`: the whole that it is a part of, and stays."""

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


_NOTHING: Final = msgspec.Raw()


class _Read(Envelope, frozen=True, kw_only=True):
    """An envelope, and what of the data a publisher put beside it: an extension attribute, by CloudEvents, §"Extension
    Context Attributes", which nobody reads."""

    status: msgspec.Raw = _NOTHING
    recipients: msgspec.Raw = _NOTHING
    assignee: msgspec.Raw = _NOTHING
    eta: msgspec.Raw = _NOTHING
    appointment: msgspec.Raw = _NOTHING
    price: msgspec.Raw = _NOTHING
    payment: msgspec.Raw = _NOTHING
    secrets: msgspec.Raw = _NOTHING
    attributes: msgspec.Raw = _NOTHING
    brand: msgspec.Raw = _NOTHING
    note: msgspec.Raw = _NOTHING
    issue: msgspec.Raw = _NOTHING
    actor: msgspec.Raw = _NOTHING


_BESIDE: Final = tuple(name for name in _Read.__struct_fields__ if name not in Envelope.__struct_fields__)


class EventWarning(Struct, frozen=True):
    """What of a taken event could not be used, by the path of its field; never the value itself."""

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


_envelope_decoder = msgspec.json.Decoder(_Read)
_data_decoders = {name: msgspec.json.Decoder(kind) for name, kind in DATA_TYPES.items()}


def decode(body: bytes) -> Event:
    """Structured-mode CloudEvent bytes to an Event; raises Rejection naming the field and what was expected."""
    if len(body) > MAX_BODY_BYTES:
        raise Rejection(f"the event is {len(body)} bytes; at most {MAX_BODY_BYTES} are taken")
    envelope = _parsed(_envelope_decoder, body, "")
    raw = _data_of(envelope)
    data = _parsed(_data_decoders[envelope.type], raw, "data")
    for text in (body, envelope.data_base64 and bytes(raw)):
        if text:
            refuse_repeated_keys(text)
    event = _checked(envelope, data)
    unheeded = [*_beside_data(envelope, data), *(EventWarning(*u) for u in unknown_fields(raw, data, "data"))]
    return structs.replace(event, warnings=tuple(unheeded)) if unheeded else event


def _beside_data(envelope: _Read, data: EventData) -> Iterator[EventWarning]:
    """What stands one level too high, and is not said in its place."""
    for name in _BESIDE:
        if getattr(envelope, name) is not _NOTHING and getattr(data, name, None) in (None, UNSET, {}):
            yield EventWarning(name, "stands beside data and was not used; it counts in data alone")


def is_json(media_type: str) -> bool:
    """Whether data of this type is JSON (RFC 6839, §3.1)."""
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


def _data_of(envelope: Envelope) -> bytes | msgspec.Raw:
    media_type = (envelope.datacontenttype or "application/json").partition(";")[0].strip().lower()
    if not is_json(media_type):
        raise Rejection("datacontenttype: the data of an event must be application/json")
    return data_of(envelope.data, envelope.data_base64)


def data_of(data: msgspec.Raw, data_base64: bytes | None) -> bytes | msgspec.Raw:
    """The one that an envelope has; raises Rejection for none, and for both."""
    if data_base64 is None:
        if not bytes(data):
            raise Rejection("data: is missing")
        return data
    if bytes(data) not in (b"", b"null"):
        raise Rejection("data: comes twice, as data and as data_base64; send one of them")
    return data_base64.removeprefix(b"\xef\xbb\xbf")


def _parsed(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw, under: str) -> T:
    """Decode one level; a mistake names its field, by its path below `under`."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        text, _, path = str(error).rpartition(" - at ") if " - at " in str(error) else (str(error), "", "")
        if text.startswith(_WRONG_VALUE):
            text = f"{_WRONG_VALUE} {quoted(text.removeprefix(_WRONG_VALUE).strip()[1:-1])}"
        if path == "`$.type`":
            text += f"; expected one of {', '.join(DATA_TYPES)}"
        steps = [under, path.strip("`").removeprefix("$").lstrip(".")]
        field = ".".join(step for step in steps if step)
        raise Rejection(f"{field}: {text}" if field else text) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejection(f"not readable as JSON: {error or type(error).__name__}") from None


def people_in(data: EventData) -> int:
    """How many recipients the data names."""
    return sum(len(p) if isinstance(p, tuple) else 1 for p in (data.recipients or {}).values())


def _checked(envelope: Envelope, data: EventData) -> Event:
    """The rules that a type cannot say: plain identifiers, sane dates."""
    names = [("subject", envelope.subject), ("id", envelope.id), ("source", envelope.source)]
    if data.parent:
        names.append(("data.parent.order_id", data.parent.order_id))
    for field, value in names:
        if value.isspace() or _CONTROL.search(value):
            raise Rejection(f"{field}: {'is blank' if value.isspace() else 'control characters are not allowed'}")
        if value != value.strip():
            # " ORD-1" and "ORD-1" would be two orders, and nobody sees the difference.
            raise Rejection(f"{field}: begins or ends with a blank")
    appointment = data.appointment or None
    dates: list[tuple[str, object]] = [("time", envelope.time), ("data.eta", data.eta)]
    if appointment:
        dates += [("data.appointment.start", appointment.start), ("data.appointment.end", appointment.end)]
    dates += [(f"data.secrets.{name}.expires", secret.expires) for name, secret in data.secrets.items()]
    for field, moment in dates:
        if isinstance(moment, datetime) and not EARLIEST <= moment <= LATEST:
            raise Rejection(f"{field}: {moment.isoformat()} is not between {EARLIEST:%Y} and {LATEST:%Y}")
    people = people_in(data)
    if people > MAX_RECIPIENTS:
        raise Rejection(f"data.recipients: names {people} people; at most {MAX_RECIPIENTS} are taken")
    return Event(
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        reference=envelope.subject,
        time=envelope.time.astimezone(UTC),
        data=data,
        traceparent=envelope.traceparent,
    )


def clean(text: str) -> str:
    """One line without control characters: for names that end up in headers and subjects."""
    return " ".join(_CONTROL.sub(" ", text).split())
