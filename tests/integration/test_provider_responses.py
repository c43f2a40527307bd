"""Answers over HTTP that no provider documents: cut off, dripping, in no charset, of a proxy, a page in place of a yes."""

import asyncio
import contextlib
import gzip
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ServerDisconnectedError
from pydantic import SecretStr

from service.channels.http_client import HttpClient
from service.channels.medium import Rendered
from service.channels.port import OutgoingMessage, SendResult
from service.channels.push.provider import FcmProvider
from service.channels.twilio.provider import TwilioProvider
from service.channels.twilio.settings import TwilioAccount
from service.channels.twilio.transport import TwilioHttp
from service.dispatch.guarded import send_within
from service.dispatch.route import ChannelRoute
from service.domain.notices import Accepted, NoAnswer, Permanent, Refused, Transient
from service.domain.settling import settle
from service.timekeeping import ManualTime
from tests.support.events import NOON
from tests.support.providers import service_account
from tests.unit.test_provider_results import Called, Scripted, sending

MESSAGE = OutgoingMessage(
    "n-1", "+919812345678", Rendered(text="hello there", title="hello"), 60, "http://localhost/cb"
)
HTML, JSON = "text/html", "application/json"
TOKEN = {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}


def http(status: int, body: str | bytes = b"", kind: str = JSON, *more: str, missing: int = 0) -> bytes:
    """An answer; `missing`: so many bytes fewer than it says."""
    raw = body.encode() if isinstance(body, str) else body
    heads = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(raw) + missing}", *more]
    return "\r\n".join([*heads, "", ""]).encode() + raw


class Odd:
    """A server that sends these bytes, whatever it is asked; then it resets, drips on or closes."""

    def __init__(self) -> None:
        self.answer = b""
        self.token = http(200, json.dumps(TOKEN))
        self.then = "close"
        self.heads: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode().lower())
            lengths = [int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length")]
            await reader.readexactly(sum(lengths))
            writer.write(self.token if b" /token" in head else self.answer)
            await writer.drain()
            if self.then == "reset":
                await asyncio.sleep(0.02)
                writer.transport.abort()
            for _ in range(30 if self.then == "drip" else 0):
                await asyncio.sleep(0.1)
                writer.write(b" ")
        writer.close()


@pytest.fixture
async def odd() -> AsyncIterator[tuple[Odd, str]]:
    server = Odd()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    yield server, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    listening.close()


async def twilio(url: str, timeout_s: float = 5.0) -> SendResult:
    account = TwilioAccount(
        account_sid="AC" + "0" * 32, auth_token=SecretStr("t"), sms_from="+15005550006", messaging_service_sid="",
        whatsapp_from="", base_url=url,
    )  # fmt: skip
    client = TwilioHttp(2, timeout_s)
    try:
        return await send_within("sms", TwilioProvider(account, "sms", client, timeout_s), MESSAGE, timeout_s + 1.0)
    finally:
        await client.close()


async def firebase(url: str, folder: Path) -> SendResult:
    file = folder / "key.json"
    file.write_text(json.dumps(service_account(url)))
    provider = FcmProvider(file, url, 2, 5.0)
    try:
        return await send_within("push", provider, MESSAGE, 6.0)
    finally:
        await provider.close()


NO_20003 = json.dumps({"code": 20003, "message": "Authenticate", "status": 401})
YES = '{"sid":"SM1","status":"queued","error_code":null}'
FAILED = {"sid": "SM1", "status": "failed", "error_message": "x"}

TWILIO = [
    # A status that is not yes stands, whatever becomes of its words.
    ("latin-1", http(401, "<p>dénié</p>".encode("latin-1"), HTML), "close", Refused),
    ("utf-16", http(403, "<p>no</p>".encode("utf-16"), HTML), "close", Refused),
    ("no such charset", http(401, "no", "text/html; charset=klingon"), "close", Refused),
    ("reset in 401", http(401, '{"code":20', missing=300), "reset", Refused),
    ("reset in 429", http(429, '{"code":20', missing=300), "reset", Transient),
    ("reset in 500", http(500, '{"code":20', missing=300), "reset", NoAnswer),
    ("dripping 401", http(401, '{"code":20', missing=300), "drip", Refused),
    ("broken gzip", http(401, "no gzip", JSON, "Content-Encoding: gzip"), "close", Refused),
    ("endless page", http(401, "<p>" + "x" * 3_000_000, HTML), "close", Refused),
    ("proxy's sign-in", http(407, "<h1>Proxy</h1>", HTML), "close", Refused),
    ("redirect", http(302, "", HTML, "Location: http://localhost:1/"), "close", Refused),
    ("wrong port", http(400, "<h1>The plain HTTP request was sent to HTTPS port</h1>", HTML), "close", Refused),
    ("nginx's own", http(444), "close", Refused),
    ("too long", http(413, "<h1>Too large</h1>", HTML), "close", Permanent),
    # A yes is what names the message.
    ("hotel", http(200, "<h1>Sign in to the hotel's network</h1>", HTML), "close", NoAnswer),
    ("no body", http(201), "close", NoAnswer),
    ("no content", b"HTTP/1.1 204 No Content\r\n\r\n", "close", NoAnswer),
    ("empty object", http(201, "{}"), "close", NoAnswer),
    ("a list", http(201, "[]"), "close", NoAnswer),
    ("null", http(201, "null"), "close", NoAnswer),
    ("reset in 201", http(201, '{"sid":"SM', missing=300), "reset", NoAnswer),
    ("a no under a yes", http(200, NO_20003), "close", Refused),
    ("failed at once", http(201, json.dumps(FAILED | {"error_code": 30007})), "close", Permanent),
    ("opted out at once", http(201, json.dumps(FAILED | {"error_code": 21610})), "close", Permanent),
    ("yes", http(201, YES), "close", Accepted),
    ("hints before it", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + http(201, YES), "close", Accepted),
    ("in chunks", b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(YES), YES.encode()),
     "close", Accepted),
    ("until it closes", b"HTTP/1.1 201 X\r\n\r\n" + YES.encode(), "close", Accepted),
    # No HTTP at all.
    ("garbage", b"\x16\x03\x01\x00garbage\r\n\r\n", "close", NoAnswer),
    ("another protocol", b"220 mx.example ESMTP\r\n", "close", NoAnswer),
    ("silence", b"", "close", NoAnswer),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "then", "means"), [row[1:] for row in TWILIO], ids=[row[0] for row in TWILIO])
async def test_twilio(odd: tuple[Odd, str], answer: bytes, then: str, means: type) -> None:
    server, url = odd
    server.answer, server.then = answer, then
    said = await twilio(url)
    assert type(said) is means, said
    if b"21610" in answer:
        assert isinstance(said, Permanent)
        assert said.kind == "opted_out"


async def test_no_cookie_is_kept_and_nothing_packed_is_asked_for(odd: tuple[Odd, str]) -> None:
    server, url = odd
    server.answer = http(201, '{"sid":"SM1"}', JSON, "Set-Cookie: session=1; Path=/", "Connection: close")
    client = HttpClient(1, 2.0)
    for _ in range(2):
        await client.request("POST", url.replace("127.0.0.1", "localhost"), b"To=1", {})
    await client.close()
    assert len(server.heads) == 2
    for head in server.heads:
        assert "cookie" not in head
        assert "accept-encoding: identity\r\n" in head


async def test_a_connection_is_kept_and_only_a_question_is_asked_again_where_it_was_closed() -> None:
    """Each connection answers once, and is closed by the next request on it."""
    asked_on: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = len(asked_on)
        asked_on.append(0)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            for answer in (http(200, "{}"), b""):
                await reader.readuntil(b"\r\n\r\n")
                asked_on[place] += 1
                writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    client = HttpClient(1, 5.0)
    for _ in range(2):
        assert (await client.request("GET", url, None, {})).status == 200
    assert asked_on == [2, 1]
    with pytest.raises(ServerDisconnectedError):
        await client.request("POST", url, b"To=1", {})
    assert asked_on == [2, 2]
    await client.close()
    server.close()


async def test_a_header_of_two_lines_is_not_sent(odd: tuple[Odd, str]) -> None:
    server, url = odd
    client = HttpClient(1, 2.0)
    for value in ("Bearer a\r\nTo: b", "Bearer a\nTo: b", "Bearer a\rTo: b"):
        with pytest.raises(ValueError, match="header"):
            await client.request("POST", url, b"", {"Authorization": value})
    await client.close()
    assert server.heads == []


async def test_who_packs_answers_all_the_same_is_understood(odd: tuple[Odd, str]) -> None:
    server, url = odd
    server.answer = http(201, gzip.compress(b'{"sid":"SM1"}'), JSON, "Content-Encoding: gzip")
    assert isinstance(await twilio(url), Accepted)


async def test_what_could_not_connect_never_left_however_short_the_time() -> None:
    """Its few places are taken: the kernel leaves whoever comes next without an answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        place = full.getsockname()
        for _ in range(3):
            taken = waiting.enter_context(socket.socket())
            taken.setblocking(False)
            taken.connect_ex(place)
        said = await twilio(f"http://{place[0]}:{place[1]}", timeout_s=0.4)
    assert isinstance(said, Transient), said
    assert said.code == "connect"


GONE = json.dumps({"error": {"code": 404, "status": "NOT_FOUND", "details": [{"errorCode": "UNREGISTERED"}]}})
KEY = {"code": 400, "status": "INVALID_ARGUMENT", "details": [{"@type": "t", "reason": "API_KEY_INVALID"}]}

FCM = [
    ("hotel", http(200, "<h1>Sign in</h1>", HTML), NoAnswer),
    ("empty object", http(200, "{}"), NoAnswer),
    ("a no under a yes", http(200, GONE), Permanent),
    ("in a list", http(404, f"[{GONE}]"), Permanent),
    ("as text", http(404, GONE, "text/plain"), Permanent),
    ("reset in 401", http(401, '{"er', missing=300), Refused),
    ("broken gzip", http(403, "no gzip", JSON, "Content-Encoding: gzip"), Refused),
    ("a proxy's 400", http(400, "<h1>Bad Request</h1>", HTML), Refused),
    ("a key's 400", http(400, json.dumps({"error": KEY})), Refused),
    ("yes", http(200, '{"name":"projects/x/messages/1"}'), Accepted),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "means"), [row[1:] for row in FCM], ids=[row[0] for row in FCM])
async def test_fcm(odd: tuple[Odd, str], tmp_path: Path, answer: bytes, means: type) -> None:
    server, url = odd
    server.answer, server.then = answer, "reset" if answer.endswith(b'{"er') else "close"
    said = await firebase(url, tmp_path)
    assert type(said) is means, said


GRANT = {"error": "invalid_grant", "error_description": "Invalid JWT: Token must be a short-lived token"}

TOKENS = [
    ("a page in place of a token", http(200, "<h1>Sign in</h1>", HTML), Transient),
    ("broken off", http(200, '{"acc', missing=300), Transient),
    ("closed", b"", Transient),
    ("redirect", http(302, "", HTML, "Location: http://localhost:1/"), Transient),
    ("500", http(500, "{}"), Transient),
    ("clock", http(400, json.dumps(GRANT)), Refused),
    ("client", http(401, '{"error":"invalid_client"}'), Refused),
    ("disabled", http(400, '{"error":"invalid_grant","error_description":"Account has been deleted"}'), Refused),
    ("a no under a yes", http(200, json.dumps(GRANT)), Refused),
    ("a yes that holds nothing", http(200, "{}"), Transient),
    ("asked too often", http(429, "{}"), Transient),
    ("a proxy's 502", http(502, "<h1>Bad Gateway</h1>", HTML), Transient),
    ("in trouble", http(400, '{"error":"temporarily_unavailable"}'), Transient),
    ("forbidden page", http(403, "<h1>Forbidden</h1>", HTML), Refused),
]


@pytest.mark.parametrize(("token", "means"), [row[1:] for row in TOKENS], ids=[row[0] for row in TOKENS])
async def test_google_gives_no_token_and_nothing_is_sent(
    odd: tuple[Odd, str], tmp_path: Path, token: bytes, means: type
) -> None:
    server, url = odd
    server.token, server.answer = token, http(200, '{"name":"projects/x/messages/1"}')
    called = Called()
    file = tmp_path / "key.json"
    file.write_text(json.dumps(service_account(url)))
    first, second = FcmProvider(file, url, 2, 2.0), Scripted("second", Accepted("second"))
    route = ChannelRoute("push", [first, second], ManualTime(NOON), concurrent=10, timeout_s=2.0, health=called)
    said, _ = await route.send(MESSAGE)
    assert isinstance(said, Accepted), "the next provider is asked"
    assert route.is_open(first) is bool(called.seen) is (means is Refused)
    alone = await send_within("push", first, MESSAGE, 3.0)
    assert type(alone) is means, alone
    assert settle(sending(), alone, NOON, 0.5).state == "retrying"
    await route.close()
