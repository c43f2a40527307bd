"""The cases of the CloudEvents project's conformance features, as facts.

Source: github.com/cloudevents/conformance at 7a8ee0ac, `features/http-protocol-binding.feature` and
`features/kafka-protocol-binding.feature` (each case and each of its examples). Kafka's stand for AMQP, which has no
features of its own: bridges leave its headers as they are, the content type among them.
"""

import json
from typing import Any

import pytest

from service.domain.event_decoding import decode, is_json
from service.intake.cloudevents import as_structured, from_http

EXPECTED = {
    "id": "1234-1234-1234",
    "specversion": "1.0",
    "type": "com.example.someevent",
    "source": "/mycontext/subcontext",
    "time": "2018-04-05T03:56:24Z",
}
DATA = {"message": "Hello World!"}
PLAIN = ("application/json", "application/json; charset=utf-8")
WHOLE = ("application/cloudevents+json", "application/cloudevents+json; charset=utf-8")


def structured(attributes: dict[str, str], data: Any) -> bytes:
    return json.dumps({**attributes, "datacontenttype": "application/json", "data": data}, indent=4).encode()


def message(case: str, content_type: str, attributes: dict[str, str], data: Any) -> tuple[Any, ...]:
    """Body, content type as the wire has it, and headers."""
    wire, mode = case.split(", ")
    body = structured(attributes, data) if mode == "structured" else json.dumps(data, indent=4).encode()
    named = attributes if mode == "binary" else {}
    if wire == "HTTP":
        headers: dict[str, Any] = from_http({"Host": "example.com", **{f"ce-{k}": v for k, v in named.items()}})
        return body, content_type, headers
    # Kafka has no property for it: it is a header among the others, and AMQP's own property stays empty.
    return body, None, {**{f"ce_{k}": v for k, v in named.items()}, "content-type": content_type}


CASES = [
    *(("HTTP, binary", content_type) for content_type in PLAIN),
    *(("HTTP, structured", content_type) for content_type in WHOLE),
    ("Kafka, binary", "application/json"),
    *(("Kafka, structured", content_type) for content_type in WHOLE),
]


@pytest.mark.parametrize(("case", "content_type"), CASES)
def test_the_attributes_and_the_data_are_what_the_feature_says(case: str, content_type: str) -> None:
    body, said, headers = message(case, content_type, EXPECTED, DATA)
    found = json.loads(as_structured(body, said, None, headers))
    data, data_type = found.pop("data"), found.pop("datacontenttype", "application/json")
    assert (found, data) == (EXPECTED, DATA)
    # Without a type of its own, data is JSON (CloudEvents JSON format, §3.1).
    assert is_json(data_type)


@pytest.mark.parametrize(("case", "content_type"), CASES)
def test_an_event_of_ours_in_that_form_is_taken(case: str, content_type: str) -> None:
    attributes = {**EXPECTED, "type": "order.status_changed", "subject": "ORD-1"}
    body, said, headers = message(case, content_type, attributes, {"workflow": "device_pickup", "status": "created"})
    event = decode(as_structured(body, said, None, headers))
    assert (event.id, event.source, event.reference) == (EXPECTED["id"], EXPECTED["source"], "ORD-1")
    assert event.time.isoformat() == "2018-04-05T03:56:24+00:00"
