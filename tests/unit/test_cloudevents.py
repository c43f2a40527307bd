"""The forms in which a CloudEvent may come, all of them the same event in the end; one row a form."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent
from multidict import CIMultiDict

from service.domain.errors import Rejection
from service.domain.event_decoding import decode
from service.domain.events import Event
from service.domain.order import OrderRef
from service.intake.cloudevents import as_structured, from_http
from service.intake.decoding import Incoming, QueueKey, standing
from tests.support.events import NOON, event

DATA: dict[str, Any] = {"workflow": "device_pickup", "status": "created"}
ATTRIBUTES = {
    "specversion": "1.0", "id": "e-1", "source": "/tests", "type": "order.status_changed", "subject": "PÜ-1",
    "time": NOON.isoformat(),
}  # fmt: skip
WHOLE = {**ATTRIBUTES, "datacontenttype": "application/json", "data": DATA}
EXPECTED = decode(json.dumps(WHOLE).encode())
BODY = json.dumps(DATA).encode()


def amqp(prefix: str = "cloudEvents:", **changes: Any) -> dict[str, Any]:
    return {prefix + k: v for k, v in {**ATTRIBUTES, **changes}.items()}


def read(body: bytes, content_type: str | None = None, encoding: str | None = None, **headers: Any) -> Event:
    return decode(as_structured(body, content_type, encoding, headers))


def structured(**changes: Any) -> bytes:
    e = {**WHOLE, **changes}
    return json.dumps({k: v for k, v in e.items() if v is not ...}).encode()


FORMS: dict[str, tuple[bytes, str | None, str | None, dict[str, Any]]] = {
    "structured": (structured(), "application/cloudevents+json", None, {}),
    "structured, with a charset": (structured(), "application/cloudevents+json; charset=UTF-8", None, {}),
    "structured, the type in capitals": (structured(), "Application/CloudEvents+JSON", None, {}),
    "structured, called plain JSON": (structured(), "application/json", None, {}),
    "structured, called nothing": (structured(), None, None, {}),
    "structured, behind a byte order mark": (b"\xef\xbb\xbf" + structured(), None, None, {}),
    "no type of the data": (structured(datacontenttype=...), "application/cloudevents+json", None, {}),
    "the data's type is null": (structured(datacontenttype=None), "application/cloudevents+json", None, {}),
    "other attributes are null": (structured(dataschema=None, traceparent=None, my=None), None, None, {}),
    "the data in base64": (structured(data=..., data_base64=b64encode(BODY).decode()), None, None, {}),
    "the data in base64, behind a byte order mark": (
        structured(data=..., data_base64=b64encode(b"\xef\xbb\xbf" + BODY).decode()),
        None,
        None,
        {},
    ),
    "the data in base64, data null": (structured(data=None, data_base64=b64encode(BODY).decode()), None, None, {}),
    "data of a JSON type of one's own": (structured(datacontenttype="application/vnd.orders+json"), None, None, {}),
    "extensions of all kinds": (structured(retries=3, urgent=True, region="eu"), None, None, {}),
    "binary": (BODY, "application/json", None, amqp()),
    "binary, underscores": (BODY, "application/json", None, amqp("cloudEvents_")),
    "binary, as a bridge from HTTP leaves it": (BODY, "application/json", None, amqp("ce-")),
    "binary, no content type": (BODY, None, None, amqp()),
    "binary, a JSON type of one's own": (BODY, "application/vnd.orders+json", None, amqp()),
    "binary, called octets": (BODY, "application/octet-stream", None, amqp()),
    "binary, encoding utf-8": (BODY, "application/json", "utf-8", amqp()),
    "binary, encoding binary": (BODY, "application/json", "binary", amqp()),
    "binary, time as AMQP's own": (BODY, "application/json", None, amqp(time=NOON.replace(tzinfo=None))),
    "binary, time in milliseconds": (BODY, "application/json", None, amqp(time=int(NOON.timestamp() * 1000))),
    "binary, time in seconds": (BODY, "application/json", None, amqp(time=int(NOON.timestamp()))),
    "binary, extensions of all types": (
        BODY,
        "application/json",
        None,
        amqp(none=None, flag=False, some=[1], table={"a": b"\xff"}, n=1.5),
    ),
    "binary, texts as bytes": (BODY, "application/json", None, {k: v.encode() for k, v in amqp().items()}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_event(form: str) -> None:
    body, content_type, encoding, headers = FORMS[form]
    assert read(body, content_type, encoding, **headers) == EXPECTED
    ref = OrderRef(EXPECTED.data.workflow, EXPECTED.reference)
    found = standing(Incoming(body, content_type, encoding, headers))
    assert found == QueueKey(ref, EXPECTED.source, bool(EXPECTED.data.secrets)), "it stands in its own order's line"


@pytest.mark.parametrize(
    ("secrets", "is_code"), [({"otp": {"value": "493021"}}, True), ({"otp": {}}, True), ({}, False)]
)
def test_a_code_is_seen_before_the_event_is_read(secrets: dict[str, Any], is_code: bool) -> None:
    found = standing(Incoming(structured(data={**DATA, "secrets": secrets})))
    assert found is not None
    assert found.is_code is is_code


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, structured(data=...), structured(data=3)]
)
def test_what_names_no_order_stands_for_itself(body: bytes) -> None:
    assert standing(Incoming(body)) is None


@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "headers", "words"),
    [
        (BODY, "application/json", "gzip", amqp(), "content encoding"),
        (BODY, "text/plain", None, amqp(), "content type"),
        (structured(), "application/xml", None, {}, "content type"),
        (structured(), "application/cloudevents+json; charset=utf-16", None, {}, "charset"),
        (b"[]", "application/cloudevents-batch+json", None, {}, "one event"),
        (structured(datacontenttype="text/xml"), None, None, {}, "datacontenttype"),
        (structured(data=...), None, None, {}, "data: is missing"),
        (structured(data_base64="e30="), None, None, {}, "comes twice"),
        (structured(data=..., data_base64="%%%"), None, None, {}, "data_base64"),
        (structured(id=None), None, None, {}, "id: "),
        (structured(subject=7), None, None, {}, "subject: "),
        (structured(subject="  "), None, None, {}, "subject: is blank"),
        (structured(subject=" ORD-1"), None, None, {}, "subject: begins or ends with a blank"),
        (structured(source="/shop\u00a0"), None, None, {}, "source: begins or ends with a blank"),
        (structured(id="\u3000"), None, None, {}, "id: is blank"),
        (BODY, "application/json", "base64", amqp(), "content encoding"),
        (structured(specversion="0.3"), None, None, {}, "specversion: "),
        (BODY, "application/json", None, amqp(time=10**30), "time: "),
        (BODY, "application/json", None, amqp(time=True), "time: "),
        (BODY, "application/json", None, amqp(subject=None), "subject"),
        (BODY, "application/json", None, amqp(subject=["O-1"]), "subject"),
        (BODY, "application/json", None, amqp(subject={"a": 1}), "subject"),
        (BODY, "application/json", None, amqp(subject=b"O-\xff"), "subject.*UTF-8"),
    ],
)
def test_what_is_no_event_of_ours_is_refused_by_its_field(
    body: bytes, content_type: str | None, encoding: str | None, headers: dict[str, Any], words: str
) -> None:
    with pytest.raises(Rejection, match=words):
        read(body, content_type, encoding, **headers)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("P%C3%9C-1", "PÜ-1"),
        ("P%c3%9c-1", "PÜ-1"),
        ("A%20B", "A B"),
        ("50%25", "50%"),
        ('"A \\"B\\""', 'A "B"'),
        ('"A%20B"', "A B"),
        ("plain", "plain"),
        ("a+b", "a+b"),
        ("100%", "100%"),
        ("%zz", "%zz"),
    ],
)
def test_header_values_over_http_are_decoded(sent: str, meant: str) -> None:
    assert from_http({"ce-subject": sent, "Accept": "x"}) == {"ce-subject": meant}


@pytest.mark.parametrize("sent", ["%E2%82", "%FF", "%C0%A0", "%ED%A0%80", '"%FE"'])
def test_a_header_value_that_is_no_utf_8_when_decoded_is_refused(sent: str) -> None:
    """With marks in place of what is not readable, two orders would become one."""
    with pytest.raises(Rejection, match="'ce-subject': is not text in UTF-8"):
        from_http({"CE-Subject": sent})


def test_a_header_that_comes_twice_says_one_thing() -> None:
    twice = CIMultiDict([("ce-subject", "O%2D1"), ("Ce-Subject", "O-1")])
    assert from_http(twice) == {"ce-subject": "O-1"}
    twice.add("CE-SUBJECT", "O-2")
    with pytest.raises(Rejection, match="comes twice, and differs"):
        from_http(twice)
    bridged = {**amqp(), "ce-subject": ATTRIBUTES["subject"]}
    assert read(BODY, "application/json", None, **bridged) == EXPECTED
    with pytest.raises(Rejection, match="'ce_subject': comes twice, and differs"):
        read(BODY, "application/json", None, **bridged, ce_subject="another")
    assert read(structured(), "application/cloudevents+json", None, **bridged, ce_subject="another") == EXPECTED


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_the_official_python_sdk_is_understood(mode: str) -> None:
    made = CloudEvent({k: v for k, v in ATTRIBUTES.items() if k != "subject"} | {"subject": "ORD-1"}, DATA)
    headers, body = (to_structured if mode == "structured" else to_binary)(made)
    headers = {k.lower(): v for k, v in headers.items()}
    got = read(body, headers.get("content-type"), None, **from_http(headers))
    assert (got.reference, got.id, got.time, got.data) == ("ORD-1", "e-1", NOON, EXPECTED.data)


def test_the_sdks_own_defaults_are_understood() -> None:
    """Without an id, a time or a version of one's own, and with the data's type left out."""
    made = CloudEvent({"type": "order.status_changed", "source": "/tests", "subject": "ORD-1"}, DATA)
    headers, body = to_binary(made)
    got = read(body, None, None, **from_http(headers))
    assert got.reference == "ORD-1"
    assert abs((got.time - datetime.now(UTC)).total_seconds()) < 60


MESSAGES = json.loads((Path(__file__).parents[1] / "data/javascript_messages.json").read_text())


@pytest.mark.parametrize("made", MESSAGES)
@pytest.mark.parametrize("over", ["http", "amqp"])
def test_the_official_javascript_sdks_messages_are_understood(made: str, over: str) -> None:
    """As recorded; a long test compares them with the package, and sends them over the wires."""
    headers, body = dict(MESSAGES[made]["headers"]), MESSAGES[made]["body"].encode()
    content_type = headers.pop("content-type", None)
    if over == "http" and made.startswith("kafka"):
        headers = {k.replace("ce_", "ce-"): v for k, v in headers.items()}
    got = read(body, content_type, None, **(from_http(headers) if over == "http" else headers))
    assert (got.reference, got.id, got.source, got.time, got.data) == ("JS-1", "e-1", "/js", NOON, EXPECTED.data)


def test_a_structured_event_wins_over_headers_that_look_like_one() -> None:
    body = json.dumps(event("INNER", "created")).encode()
    assert read(body, "application/cloudevents+json", None, **amqp()).reference == "INNER"
