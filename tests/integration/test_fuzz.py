"""Whatever outsiders write into cookies, tokens, cursors, forms, events and reports is read or refused in words."""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from service.dispatch.mail_links import read_mail_token
from service.domain.errors import Rejection
from service.intake.decoding import Incoming, read
from service.keyring import Keyring
from service.mail_in.reports import DeliveryReport
from service.mail_in.reports import read as read_mail
from service.web.session import Sessions
from tests.support.client import key_for
from tests.support.events import encoded, event
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for

KEYRING = Keyring("a secret key for tests, as long as they are")
# Seconds for each parser: ten minutes in the long form.
SHORT_S, LONG_S = 1.0, 600.0
# Ten minutes once are enough: not again where the database forgets.
pytestmark = pytest.mark.uninterrupted
WITHIN_S = [SHORT_S, pytest.param(LONG_S, marks=pytest.mark.long)]

text = st.text(max_size=120) | st.from_regex(r"[A-Za-z0-9_.=-]{0,90}", fullmatch=True)
noise = st.binary(max_size=400) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass"))
GOOD = encoded(event("F-1", "created"))
DSN = (
    b"From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered\r\nContent-Type: multipart/report; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"Reporting-MTA: dns; mx.example\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 no\r\n\r\n--b--\r\n"
)


def spoilt(whole: bytes) -> st.SearchStrategy[bytes]:
    """`whole` with a piece of it replaced by something else."""
    places = st.integers(0, len(whole))
    return st.builds(lambda a, b, piece: whole[: min(a, b)] + piece + whole[max(a, b) :], places, places, noise)


def for_a_while(seconds: float, at_least: int, strategy: st.SearchStrategy[Any], look: Callable[[Any], object]) -> int:
    """Look at examples until the time is over, and at so many however slow the machine is; how many."""
    end, seen = float("inf"), 0

    @settings(max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def round_of(example: Any) -> None:
        nonlocal end, seen
        if not seen:  # making the first example takes longer than the short form has
            end = time.monotonic() + seconds
        if time.monotonic() < end or seen < at_least:
            look(example)
            seen += 1

    while time.monotonic() < end or seen < at_least:
        round_of()
    return seen


def look_at_cookie(said: str) -> None:
    assert Sessions(KEYRING).read(said) is None
    assert Sessions(KEYRING).csrf_fits("session", said) is False


def look_at_token(said: str) -> None:
    assert KEYRING.read_token("link", said) is None
    assert read_mail_token(KEYRING, "unsubscribe", said) is None
    KEYRING.subject_of(said)


def look_at_event(given_: tuple[bytes, str | None, dict[str, Any]]) -> None:
    try:
        read(Incoming(given_[0], given_[1], headers=given_[2]))
    except Rejection as rejection:
        assert 0 < len(rejection.reason) < 2_000


def look_at_mail(content: bytes) -> None:
    assert isinstance(read_mail(content, is_bounce_address=True), DeliveryReport)


TYPES = st.sampled_from(["application/cloudevents+json", "application/json", None]) | st.text(max_size=30)
HEADERS = st.dictionaries(
    st.sampled_from(["cloudEvents:specversion", "cloudEvents:type", "ce-id", "cloudEvents:time", "x"]),
    st.sampled_from(["1.0", "order.status_changed"]) | st.text(max_size=30) | st.integers() | st.binary(max_size=9),
    max_size=5,
)


@pytest.mark.parametrize("seconds", WITHIN_S)
@pytest.mark.parametrize(
    ("strategy", "look"),
    [
        (text, look_at_cookie),
        (text | st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567", min_size=39, max_size=39), look_at_token),
        (st.tuples(noise | spoilt(GOOD), TYPES, HEADERS), look_at_event),
        (noise | spoilt(DSN), look_at_mail),
    ],
    ids=["cookies", "tokens", "CloudEvents", "mail and DSN"],
)
def test_what_outsiders_write_is_read_or_refused(
    strategy: st.SearchStrategy[Any], look: Callable[[Any], object], seconds: float
) -> None:
    assert for_a_while(seconds, 21, strategy, look) > 20


@pytest.fixture
async def served(sqlite_url: str, providers: Providers, mailbox: Mailbox) -> AsyncIterator[World]:
    more: dict[str, Any] = {"database_url": sqlite_url, "failures_per_minute": 0, "calls_per_minute": 0}
    w = World(settings_for(providers, mailbox, **more), providers, mailbox)
    await w.start()
    yield w
    await w.close()


Call = tuple[str, str, dict[str, str], bytes]
FORM = b"key=sb_wrong&next=%2Fdesk%2Forders&csrf_token=abc"
PARTS = b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nsb_wrong\r\n--x--\r\n'
quoted = st.text(max_size=60).map(
    lambda t: URL.build(path="/", query={"q": t.encode("utf-8", "replace").decode()}).raw_query_string[2:]
)
encoded_cursor = st.lists(st.none() | st.integers() | st.text(max_size=20), max_size=3).map(
    lambda value: urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
)
calls: dict[str, st.SearchStrategy[Call]] = {
    "cursors": st.tuples(
        st.just("GET"), (quoted | encoded_cursor).map(lambda q: f"/v1/orders?cursor={q}"), st.just({}), st.just(b"")
    ),
    "forms": st.tuples(
        st.just("POST"), st.just("/desk/sign-in"),
        st.sampled_from(["application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-16",
                         "multipart/form-data; boundary=x", "multipart/form-data"]).map(lambda t: {"Content-Type": t}),
        noise | spoilt(FORM) | spoilt(PARTS),
    ),
    "events over HTTP": st.tuples(
        st.just("POST"), st.just("/v1/events"),
        st.sampled_from(["application/cloudevents+json", "application/cloudevents-batch+json"]).map(
            lambda t: {"Content-Type": t}
        ),
        noise | spoilt(GOOD) | spoilt(b"[" + GOOD + b"]"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("seconds", WITHIN_S)
@pytest.mark.parametrize("kind", list(calls))
async def test_what_outsiders_send_has_no_5xx(served: World, kind: str, seconds: float) -> None:
    key, loop = await key_for(served, "admin"), asyncio.get_running_loop()
    async with ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:

        async def send(call: Call) -> int:
            method, path, headers, body = call
            url = URL(served.http + path, encoded=True)
            async with session.request(method, url, headers=headers, data=body, allow_redirects=False) as got:
                await got.read()
                return got.status

        def look(call: Call) -> None:
            status = asyncio.run_coroutine_threadsafe(send(call), loop).result(30)
            assert status < 500, call

        assert await asyncio.to_thread(for_a_while, seconds, 6, calls[kind], look) > 5
