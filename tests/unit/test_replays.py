"""Dead letters: sealed whole, readable where nothing is personal, and handed in again only by us."""

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import Rejection
from service.domain.event_decoding import decode
from service.domain.quoting import is_reference, quoted, reference
from service.intake.cloudevents import STRUCTURED, may_be_json
from service.intake.decoding import Incoming, read
from service.intake.replays import REPLAY, REPLAY_TYPE, opened_dead_letter, replay_opened, sealed_dead_letter
from service.keyring import Keyring, Label
from tests.support.events import CUSTOMER, encoded, event

KEYS = Keyring("the secret key of these tests, long enough")
PRIVATE = (b"481920", b"9812345678", b"asha@example.com", b"Asha")
EVENT = event("ORD-1", "nowhere", recipients={"customer": CUSTOMER}, secrets={"otp": {"value": "481920"}})
BODY = encoded(EVENT)


def letter(incoming: Incoming) -> Incoming:
    return Incoming(sealed_dead_letter(incoming, KEYS), STRUCTURED)


def replayed(incoming: Incoming) -> Incoming:
    return Incoming(sealed_dead_letter(incoming, KEYS, REPLAY), REPLAY_TYPE)


DRESSED = [
    Incoming(BODY, STRUCTURED),
    Incoming(BODY[:-20], STRUCTURED),
    Incoming(gzip.compress(BODY), STRUCTURED, "gzip"),
    Incoming(BODY.decode().encode("utf-16"), STRUCTURED),
    Incoming(base64.b64encode(BODY), "text/plain"),
    Incoming(b"call Asha on 9812345678", "text/plain"),
    Incoming(json.dumps(EVENT["data"]).encode(), "application/json", headers={
        "cloudEvents:specversion": "1.0", "cloudEvents:id": "e-1", "cloudEvents:time": datetime(2026, 3, 2, tzinfo=UTC),
        "cloudEvents:phone": "+919812345678", "x-name": "Asha", "x-flag": True, "x-n": 3, "x-nested": {"a": [1.5, None]},
    }),
    Incoming(encoded({**EVENT, "contact": "asha@example.com", "subject": "Asha 9812345678", "id": "9812345678"})),
    Incoming(encoded({**EVENT, "data": {**EVENT["data"], "status": "call Asha on 9812345678", "workflow": "481920"}})),
    Incoming(encoded({**EVENT, "source": "asha@example.com", "type": "Asha called", "time": "481920"})),
    Incoming(b"[]"), Incoming(b""), Incoming(b"null"),
]  # fmt: skip


@pytest.mark.parametrize("came", DRESSED)
def test_a_letter_is_sealed_whole_and_opens_as_it_came(came: Incoming) -> None:
    kept = letter(came)
    for word in PRIVATE:
        assert word not in kept.body
    opened = opened_dead_letter(kept, KEYS)
    assert (opened.body, opened.content_type, opened.content_encoding) == (
        came.body, came.content_type, came.content_encoding,
    )  # fmt: skip
    assert opened.headers == came.headers
    again = replay_opened(replayed(came), KEYS)
    assert (again.body, again.headers, again.content_encoding) == (came.body, came.headers, came.content_encoding)


def test_what_failed_is_readable_and_what_is_personal_is_not() -> None:
    said = json.loads(letter(DRESSED[0]).body)
    assert (said["subject"], said["type"], said["data"]["status"]) == ("ORD-1", "order.status_changed", "nowhere")
    assert set(said["data"]) == {"workflow", "status", "sealed"}


def test_a_letter_is_no_replay() -> None:
    assert not may_be_json(REPLAY_TYPE), "POST /v1/events takes none"
    kept = letter(DRESSED[0])
    for content_type in (STRUCTURED, "application/json", None, REPLAY_TYPE):
        with pytest.raises(Rejection, match=r"replay|publishers"):
            read(replay_opened(Incoming(kept.body, content_type), KEYS))


@pytest.mark.parametrize("changes", [{"id": "other"}, {"subject": "ORD-2"}, {"data": {"sealed": "AAAA"}}, {"data": {}}])
def test_a_replay_under_another_name_is_refused(changes: dict[str, Any]) -> None:
    document = {**json.loads(replayed(DRESSED[0]).body), **changes}
    with pytest.raises(Rejection, match="own replay"):
        replay_opened(Incoming(json.dumps(document).encode(), REPLAY_TYPE), KEYS)
    with pytest.raises(Rejection, match="own replay"):
        replay_opened(replayed(DRESSED[0]), Keyring("another"))


def test_anothers_sealed_data_in_an_event_is_refused() -> None:
    sealed = json.loads(letter(DRESSED[0]).body)["data"]["sealed"]
    mine = event("MINE", "created", recipients={"customer": CUSTOMER}, sealed=sealed)
    with pytest.raises(Rejection, match=r"data\.sealed"):
        read(Incoming(encoded(mine), STRUCTURED))


def test_letters_of_earlier_releases_open() -> None:
    old = Keyring("the secret key of these tests, long enough")
    old.use(fingerprint=old.newest, root=None, writes_bound=False, refuses_unbound=False)
    place = Label("unused").of()

    def sealed(plain: bytes) -> str:
        return base64.urlsafe_b64encode(old.seal(plain, place)).decode()

    data = {"workflow": "device_pickup", "status": "nowhere", "sealed": sealed(msgspec.json.encode(EVENT["data"]))}
    without = encoded({**EVENT, "data": {k: v for k, v in EVENT["data"].items() if k != "secrets"}})
    assert decode(opened_dead_letter(Incoming(encoded({**EVENT, "data": data})), KEYS).body) == decode(without)
    assert opened_dead_letter(Incoming(encoded({"sealed": sealed(BODY[:-20])})), KEYS).body == BODY[:-20]


def test_only_what_has_the_form_of_a_name_is_repeated() -> None:
    for name in ("crated", "no_such_status", "order.exploded", "0.3", "text/plain"):
        assert quoted(name) == repr(name)
    for words in (
        "call me at +919812345678",
        "9812345678",
        "Asha",
        "asha@example.com",
        "otp_481920",
        "48 19 20",
        "x" * 65,
    ):
        assert quoted(words) == f"({len(words)} characters, not shown)"
    for name in ("ORD-1001", "e-1", "/admin-panel", "3f0c", "0190f6a1-1111-7222-8333-123456789012"):
        assert reference(name) == name
    for words in ("+919812345678", "9812345678", "ORD 1", "a@b", "98-123-45678"):
        assert not is_reference(words)


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_can_be_kept_and_opened(body: bytes) -> None:
    assert opened_dead_letter(letter(Incoming(body)), KEYS).body == body
