"""From the bytes of a CloudEvent to an Event, checked in one pass; a mistake is told by the path of its field."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, structs

from service.domain.control_characters import has_control_characters
from service.domain.errors import Rejection
from service.domain.events import (
    DATA_TYPES,
    EARLIEST,
    LATEST,
    MAX_BODY_BYTES,
    MAX_RECIPIENTS,
    Envelope,
    Event,
    EventData,
    EventWarning,
    people_in,
)
from service.domain.quoting import quoted
from service.domain.repeated_keys import refuse_repeated_keys
from service.domain.unknown_fields import unknown_fields

T = TypeVar("T")

# msgspec's message in which the received value is repeated.
_WRONG_VALUE: Final = "Invalid enum value"
_NOTHING: Final = msgspec.Raw()


class _Read(Envelope, frozen=True, kw_only=True):
    """An envelope in which a publisher may have put fields of the data beside `data`, where nothing reads them.

    CloudEvents calls such a field an extension attribute (§"Extension Context Attributes"), so it is no error.
    """

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
    """A warning for each field that stands beside `data` and is missing in it."""
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
    """The data that the envelope has; raises Rejection for none, and for both."""
    if data_base64 is None:
        if not bytes(data):
            raise Rejection("data: is missing")
        return data
    if bytes(data) not in (b"", b"null"):
        raise Rejection("data: comes twice, as data and as data_base64; send one of them")
    return data_base64.removeprefix(b"\xef\xbb\xbf")


def _parsed(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw, under: str) -> T:
    """Decode one level; raises Rejection that names the field by its path below `under`."""
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


def _checked(envelope: Envelope, data: EventData) -> Event:
    """The event, checked by the rules that types cannot express: plain identifiers, plausible dates, a bounded size."""
    names = [("subject", envelope.subject), ("id", envelope.id), ("source", envelope.source)]
    if data.parent:
        names.append(("data.parent.order_id", data.parent.order_id))
    for field, value in names:
        if value.isspace() or has_control_characters(value):
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
