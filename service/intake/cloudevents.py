"""Converts CloudEvents in structured or binary mode, from AMQP or HTTP, to one structured JSON document.

Sources: CloudEvents 1.0.2, its JSON format, its HTTP protocol binding and its AMQP protocol binding.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from service.domain.errors import Rejection
from service.domain.event_decoding import is_json
from service.domain.json_object import JsonObject
from service.domain.quoting import quoted

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
JSON: Final = "application/json"
# AMQP binding, §3.1: `cloudEvents:` or `cloudEvents_`; `ce-` is HTTP's (§3.1.3), `ce_` what bridges between them leave.
PREFIXES: Final = ("cloudevents:", "cloudevents_", "ce-", "ce_")
# How clients call bytes that are not compressed; AMQP has no list of its own (kombu writes `utf-8` and `binary`).
PLAIN_ENCODINGS: Final = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii", "identity", "binary", "8bit", "7bit"})
# Seconds since 1970 stay below this until the year 5138; milliseconds passed it in 1973.
_LEAST_MILLISECONDS: Final = 1e11
_QUOTED = re.compile(r'^"((?:[^"\\]|\\.)*)"$', re.DOTALL)


def may_be_json(media_type: str) -> bool:
    """Whether data of this type is JSON, or nobody said: some clients call any bytes octets."""
    return media_type in ("", "application/octet-stream") or is_json(media_type)


def media_type_of(content_type: str | None) -> str:
    """`application/json` of `Application/JSON; charset=utf-8`; raises Rejection for another charset."""
    media_type, _, parameters = (content_type or "").partition(";")
    charset = re.search(r'charset\s*=\s*"?([\w.-]+)', parameters, re.IGNORECASE)
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Rejection("content type: the charset of an event is utf-8 (RFC 8259, §8.1)")
    return media_type.strip().lower()


def attributes_of(headers: Mapping[str, Any]) -> JsonObject:
    """The CloudEvents attributes among a message's headers, by their names in lower case."""
    return {name: value for name, value, _ in _named(headers)}


def _named(headers: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Attribute, value and the header that says it."""
    for header, value in headers.items():
        lowered = header.lower()
        for prefix in PREFIXES:
            if lowered.startswith(prefix):
                yield lowered.removeprefix(prefix), value, header


def from_http(headers: Mapping[str, str]) -> dict[str, str]:
    """The `ce-` headers in lower case, unquoted and percent-decoded (HTTP binding, §3.1.3.2).

    Raises Rejection for one that is no UTF-8 then, or comes twice and differs.
    """
    found: dict[str, str] = {}
    for name, value in headers.items():
        lowered = name.lower()
        if lowered.startswith("ce-"):
            _once(found, lowered, _header_value(lowered, value), name)
    return found


def _once(found: JsonObject, key: str, value: Any, header: str) -> None:
    """Store an attribute; raises Rejection when it is there with another value, as either may be meant."""
    if found.setdefault(key, value) != value:
        raise Rejection(f"{quoted(header)}: comes twice, and differs")


def _header_value(name: str, value: str) -> str:
    inside = _QUOTED.match(value.strip())
    plain = re.sub(r"\\(.)", r"\1", inside[1]) if inside else value
    try:
        return unquote(plain, errors="strict")
    except UnicodeDecodeError:
        # "Encoded byte sequences which are invalid in UTF-8 MUST be rejected": two orders would become one, too.
        raise Rejection(f"{quoted(name)}: is not text in UTF-8 after percent-decoding") from None


def as_structured(
    body: bytes, content_type: str | None, content_encoding: str | None, headers: Mapping[str, Any]
) -> bytes:
    """The event as one JSON document; raises Rejection for what is no CloudEvent of JSON data."""
    if (content_encoding or "").lower() not in PLAIN_ENCODINGS:
        raise Rejection("content encoding: only plain JSON is taken, not compressed and not encoded otherwise")
    media_type = media_type_of(content_type)
    attributes: JsonObject = {}
    for name, value, header in _named(headers) if media_type != STRUCTURED else ():
        _once(attributes, name, value, header)
    if "specversion" in attributes:
        if not may_be_json(media_type):
            raise Rejection("content type: the data of an event must be application/json")
        return _of_binary(attributes, body)
    if media_type == BATCH:
        raise Rejection(f"content type: a message holds one event; send {STRUCTURED}, or a batch to POST /v1/events")
    if media_type in ("", JSON, STRUCTURED):
        return body.removeprefix(b"\xef\xbb\xbf")
    raise Rejection(f"content type: send {STRUCTURED}, or application/json with the CloudEvents attributes as headers")


def _of_binary(attributes: Mapping[str, Any], data: bytes) -> bytes:
    own = ("data", "data_base64", "datacontenttype")
    # AMQP has a value for "nothing", which is no text, and lists, which are no attributes.
    simple = {k: v for k, v in attributes.items() if v is not None and not isinstance(v, (list, dict))}
    named = {k: _text(k, v) for k, v in simple.items() if k not in own}
    try:
        return msgspec.json.encode({**named, "data": msgspec.Raw(data.removeprefix(b"\xef\xbb\xbf") or b"null")})
    except (UnicodeEncodeError, ValueError):
        raise Rejection("the CloudEvents headers are not text in UTF-8") from None


def _text(name: str, value: Any) -> str:
    """An attribute as the JSON format writes it. AMQP has times of its own; some clients send them as a number."""
    if name == "time" and isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if name == "time" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _moment(float(value)).isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (bytes, bytearray)):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            # With marks in place of what is not readable, two orders would become one.
            raise Rejection(f"{quoted(name)}: is not text in UTF-8") from None
    return value if isinstance(value, str) else str(value)


def _moment(number: float) -> datetime:
    seconds = number / 1000 if abs(number) >= _LEAST_MILLISECONDS else number
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise Rejection("time: is not a moment; write ISO 8601 with an offset") from None
