"""What each answer of a provider means: one row an answer, and what follows from it for message, breaker and people.

Rows are (provider, HTTP status, code, what it means); `means` says what follows. To add a provider, add its function
to ANSWERS and its rows.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.channels.email import answers as smtp_answers
from service.channels.email.answers import Stage
from service.channels.http_answers import HttpRefusal
from service.channels.medium import Rendered
from service.channels.port import OutgoingMessage, SendResult
from service.channels.push import provider as fcm
from service.channels.twilio import codes as twilio_codes
from service.channels.twilio import provider as twilio_provider
from service.channels.twilio.transport import form_of
from service.dispatch.health import SeenRefusal, Silent
from service.dispatch.route import ChannelRoute
from service.domain.notices import Accepted, Lookup, Message, Refused
from service.domain.settling import settle
from service.timekeeping import ManualTime
from tests.support.events import NOON
from tests.unit.channels.email.test_smtp_answers import ROWS as SMTP_ROWS

ADDRESS: Final = "+919812345678"
MESSAGE: Final = OutgoingMessage("n-1", ADDRESS, Rendered(text="Your code is 481920", title="Hello Asha"), 60, "")

# (asks the next provider, what becomes of the message with no other, breaker open, people are called)
MEANS: Final[dict[str, tuple[bool, str, bool, bool]]] = {
    "us": (True, "retrying", True, True),
    "country": (True, "retrying", False, True),
    "some": (True, "retrying", False, True),
    "later": (True, "retrying", False, False),
    "pause": (True, "retrying", False, False),
    "address": (False, "failed", False, False),
    "message": (False, "failed", False, False),
    "opted_out": (False, "failed", False, False),
    "unregistered": (False, "failed", False, False),
    "unsure": (False, "unknown", False, False),
}


def twilio(status: int, code: Any, retry_after: str | None = None) -> SendResult:
    text = code if isinstance(code, str) else json.dumps({"code": code, "message": "words", "status": status})
    return twilio_provider.result_of("first", HttpRefusal(status, text, retry_after), MESSAGE)


def firebase(status: int, code: Any, retry_after: str | None = None) -> SendResult:
    """`code`: the errorCode of the details; with a leading slash, the status alone; else a body that is no JSON."""
    if code.startswith("/"):
        text = json.dumps({"error": {"code": status, "status": code[1:], "message": "words"}})
    elif code.isupper():
        text = json.dumps(
            {"error": {"code": status, "message": "words", "details": [{"@type": "t"}, {"errorCode": code}]}}
        )
    else:
        text = code
    return fcm.result_of("first", HttpRefusal(status, text, retry_after), MESSAGE)


def relay(stage: Stage, code: int, text: str) -> SendResult:
    return smtp_answers.result_of("first", stage, code, text, MESSAGE)


ANSWERS: Final[dict[str, Callable[..., SendResult]]] = {"twilio": twilio, "fcm": firebase, "smtp": relay}
# What the rows of SMTP's own table mean here.
WHOSE: Final = {"us": "us", "later": "later", "reader": "address", "message": "message", "nobody knows": "unsure"}


def rows(provider: str, means: str, *answers: tuple[Any, ...]) -> list[tuple[str, tuple[Any, ...], str]]:
    return [(provider, a, means) for a in answers]


def codes(status: int, *numbers: int) -> list[tuple[int, int]]:
    return [(status, n) for n in numbers]


ROWS: Final = [
    *rows("twilio", "us", *codes(401, 20003, 20005, 20006, 20008, 20010, 20101, 20104, 20151, 20403)),
    *rows("twilio", "us", *codes(403, 20005, 20403, 10001, 63051), *codes(404, 20404), *codes(410, 20410)),
    *rows(
        "twilio", "us",
        *codes(400, 21212, 21603, 21606, 21607, 21608, 21609, 21616, 21621, 21622, 21657, 21659, 21660, 21661, 21264,
               21267, 21219, 21210, 10002, 21471, 21472),
        *codes(400, 21701, 21702, 21703, 21704, 21705, 21709, 21711, 21715, 21729, 21733),
        *codes(400, 30002, 30023, 30027, 30032, 30033, 30034, 30035, 30037, 30042, 30454, 30904),
        *codes(400, 63001, 63002, 63007, 63008, 63015, 63020, 63022, 63038, 63039, 63109, 63112),
    ),
    *rows("twilio", "us", (401, ""), (403, ""), (403, "<html><h1>Forbidden</h1></html>"), (404, "no such page"),
          (402, ""), (407, ""), (301, ""), (308, "")),
    *rows("twilio", "country", *codes(400, 21408, 21612, 30018, 30024, 30040, 30041, 21215)),
    *rows("twilio", "address", *codes(400, 21211, 21214, 21217, 21265, 21266, 21268, 21401, 21407, 21421, 21601, 21604,
                                      21614, 21635, 30003, 30005, 30006, 63003, 63024, 63032)),
    *rows("twilio", "message", *codes(400, 21602, 21617, 21618, 21619, 21620, 21623, 21624, 21654, 21655, 21656, 30004,
                                      30007, 30038, 63005, 63013, 63016, 63021, 63027, 63028, 63040, 63041, 92007)),
    *rows("twilio", "opted_out", *codes(400, 21610, 63033, 30630)),
    *rows("twilio", "later", *codes(400, 14107, 21611, 21730, 30001, 30017, 30022, 63017, 63018), (409, 20409),
          (503, 20503)),
    *rows("twilio", "pause", (429, 20429), (429, 20429, "30"), (429, ""), (503, 20503, "30"), (503, "", "30")),
    *rows("twilio", "unsure", (500, 20500), (500, 20504), (500, ""), (502, "<html>"), (503, ""), (504, ""),
          *codes(500, 30500, 63010, 63012), (200, "odd")),
    # Codes that no list has: HTTP decides.
    *rows("twilio", "message", (400, 29999), (422, 29998)),
    *rows("twilio", "us", (401, 29997), (403, 29996)),
    *rows("twilio", "later", (408, 29994)),
    *rows("twilio", "unsure", (500, 29993)),
    *rows("fcm", "unregistered", (404, "UNREGISTERED"), (400, "UNREGISTERED")),
    *rows("fcm", "some", (403, "SENDER_ID_MISMATCH"), (401, "THIRD_PARTY_AUTH_ERROR")),
    *rows("fcm", "us", (404, "/NOT_FOUND"), (404, "<html>not here</html>"), (404, ""), (403, "/PERMISSION_DENIED"),
          (403, ""), (401, "/UNAUTHENTICATED"), (401, ""), (403, "<html>"), (302, "")),
    *rows("fcm", "message", (400, "INVALID_ARGUMENT"), (400, "/INVALID_ARGUMENT"), (400, "")),
    *rows("fcm", "later", (503, "UNAVAILABLE"), (503, "/UNAVAILABLE"), (429, "QUOTA_EXCEEDED"), (429, "")),
    *rows("fcm", "pause", (503, "UNAVAILABLE", "30"), (429, "QUOTA_EXCEEDED", "60"), (503, "", "30")),
    *rows("fcm", "unsure", (500, "INTERNAL"), (500, "/INTERNAL"), (500, ""), (502, "<html>"), (503, "")),
    *rows("fcm", "us", (403, "NEVER_SEEN"), (400, "<html>Bad Request</html>")),
    *rows("twilio", "us", (400, "<html>The plain HTTP request was sent to HTTPS port</html>"), (418, ""), (444, ""),
          (451, ""), (495, ""), (511, "")),
    *rows("twilio", "message", (400, ""), (413, "<html>"), (431, "")),
    *(row for said in SMTP_ROWS for row in rows("smtp", WHOSE[said[3]], said[:3])),
]  # fmt: skip


class Scripted:
    """A provider that gives one answer."""

    def __init__(self, name: str, answer: SendResult) -> None:
        self.name = self.sender = name
        self.answer = answer
        self.asked = 0

    async def send(self, message: OutgoingMessage) -> SendResult:
        self.asked += 1
        return self.answer

    async def find(self, message: OutgoingMessage, others: frozenset[str]) -> Accepted | Lookup:
        return Lookup()

    async def close(self) -> None:
        pass


class Called(Silent):
    """Who was told of."""

    def __init__(self) -> None:
        self.seen: list[SeenRefusal] = []

    def refused(self, seen: SeenRefusal) -> None:
        self.seen.append(seen)


def sending() -> Message:
    return Message(
        id=UUID(int=1), notice_id=UUID(int=2), order_id=UUID(int=3), notice="n", channel="sms", audience="customer",
        person=0, address=ADDRESS, name="Asha", locale="en", timezone="UTC", state="sending", not_before=NOON,
        valid_until=NOON + timedelta(hours=24), attempts=1,
    )  # fmt: skip


# What `settle` keeps of an answer that ends a message.
KINDS: Final = {
    "address": "bad_address",
    "opted_out": "opted_out",
    "unregistered": "unregistered",
    "message": "refused",
}
SCOPES: Final = {"us": "provider", "country": "destination", "some": "address"}


def wanted(means: str) -> dict[str, Any]:
    """What must follow from an answer that means this."""
    goes_on, state, is_open, calls = MEANS[means]
    return {
        "next asked": goes_on, "accepted in the end": goes_on, "state": state, "breaker open": is_open, "people called": calls,
        "scope": SCOPES.get(means), "pause": means == "pause", "kind": KINDS.get(means),
    }  # fmt: skip


async def found(said: SendResult) -> dict[str, Any]:
    """What follows from an answer."""
    health, first, second = Called(), Scripted("first", said), Scripted("second", Accepted("second"))
    route = ChannelRoute("sms", [first, second], ManualTime(NOON), concurrent=10, health=health)
    last, _ = await route.send(MESSAGE)
    return {
        "next asked": second.asked == 1, "accepted in the end": isinstance(last, Accepted),
        "state": settle(sending(), said, NOON, 0.5).state, "breaker open": route.is_open(first),
        "people called": bool(health.seen), "scope": said.scope if isinstance(said, Refused) else None,
        "pause": getattr(said, "pause", False), "kind": getattr(said, "kind", None),
    }  # fmt: skip


@pytest.mark.parametrize("provider", ANSWERS)
async def test_what_follows_from_an_answer(provider: str) -> None:
    follows = {(a, means): await found(ANSWERS[provider](*a)) for name, a, means in ROWS if name == provider}
    assert follows == {(a, means): wanted(means) for a, means in follows}


@pytest.mark.parametrize(
    ("code", "means"), [("THIRD_PARTY_AUTH_ERROR", "Apple's key"), ("SENDER_ID_MISMATCH", "another")]
)
def test_what_google_says_of_its_gateway_hides_no_cause(code: str, means: str) -> None:
    said = ANSWERS["fcm"](401, code)
    assert isinstance(said, Refused)
    assert said.error.partition("(")[0].find(means) >= 0


def test_the_table_is_long_enough() -> None:
    assert len(ROWS) >= 300
    assert {provider for provider, _, _ in ROWS} == {"twilio", "fcm", "smtp"}


def test_every_published_code_of_twilio_has_a_class() -> None:
    assert len(twilio_codes.KNOWN) == 2399
    for code in twilio_codes.KNOWN:
        kind, is_known = twilio_codes.kind_of(code, 400)
        assert is_known, code
        assert kind in ("us", "country", "address", "message", "opted_out", "later", "unsure")


def test_http_alone_never_ends_a_message_but_by_what_is_wrong_with_it() -> None:
    for status in range(100, 600):
        kind = twilio_codes.kind_of_status(status)
        assert (kind == "message") == (400 <= status < 500 and kind not in ("us", "later")), status
        assert kind == "unsure" or 300 <= status < 500 or status == 511, status


@pytest.mark.parametrize(
    "said",
    [
        "The 'To' number +91 98123 45678 is not valid",
        "code 481920 is not taken: Your code is 481920",
        "asha.k@example.com <asha@bücher.example> is not here",
        "Hello Asha, \x1b[31mred\x00\r\n\u202eevil",
        "token fGx12_abcdefghijklmnopqrstuvwxyz0123456789",
        "<html><body>0091 9812345678</body></html>" * 200,
    ],
)
def test_the_providers_words_are_kept_without_anybodys_data(said: str) -> None:
    answer = twilio_provider.result_of("first", HttpRefusal(401, json.dumps({"code": 20003, "message": said})), MESSAGE)
    assert isinstance(answer, Refused)
    assert len(answer.error) <= 200
    assert answer.error.isprintable()
    for private in ("98123", "45678", "481920", "@", "fGx12", "Hello Asha"):
        assert private not in answer.error


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers(), max_size=5))
def test_a_form_says_what_was_put_into_it_whatever_that_is(fields: dict[str, str | int]) -> None:
    form = form_of(fields)
    assert form.isascii()
    said = parse_qsl(form, keep_blank_values=True, strict_parsing=bool(fields))
    assert said == [(name, str(value)) for name, value in fields.items()]
