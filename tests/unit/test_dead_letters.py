"""Whom a dead letter names, however its publisher packed it."""

import base64
import gzip
import zlib
from typing import Any

import msgspec
import pytest

from service.domain.erasure import Traces
from service.intake.dead_letters import names
from service.intake.decoding import Incoming
from tests.support.events import CUSTOMER, encoded, event

TRACES = Traces(frozenset({"+919812345678"}))
SAID = encoded(event("A-1", "nowhere", recipients={"customer": CUSTOMER}))


def in_event(inner: bytes) -> bytes:
    envelope: dict[str, Any] = {"specversion": "1.0", "id": "e", "data_base64": base64.b64encode(inner).decode()}
    return encoded(envelope)


@pytest.mark.parametrize(
    "body",
    [
        SAID, gzip.compress(SAID), zlib.compress(SAID), gzip.compress(gzip.compress(SAID)), base64.b64encode(SAID),
        base64.encodebytes(SAID), base64.urlsafe_b64encode(SAID).rstrip(b"="), SAID.hex().encode(),
        base64.b64encode(gzip.compress(SAID)), in_event(SAID), in_event(gzip.compress(SAID)),
        msgspec.json.encode(base64.b64encode(SAID).decode()), *(SAID.decode().encode(c) for c in ("utf-16", "utf-32", "utf-16-be")),
    ],
)  # fmt: skip
def test_a_person_is_found_in_whatever_a_letter_was_packed(body: bytes) -> None:
    assert names(Incoming(body), TRACES)
    assert not names(Incoming(body), Traces(frozenset({"+919811111111"})))


@pytest.mark.parametrize(
    "body", [b"", b" " * 200_000 + b"!", b"A" * 200_000 + b"!", b"0 " * 100_000 + b"x", b"\x1f\x8b"]
)
def test_odd_letters_are_read_quickly_and_name_nobody(body: bytes) -> None:
    assert not names(Incoming(body), TRACES)
