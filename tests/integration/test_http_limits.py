"""Nobody is locked out for what others do, and nobody can hold or fill the server from outside."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from service.dispatch.compose import LINK_PURPOSE
from service.domain.scopes import EVERYTHING
from service.ledger.orders.locking import find
from service.web.routes.table import API, OPERATIONS, PAGES
from service.web.server import Runner
from tests.integration.conftest import Caller
from tests.support.client import Client, key_for
from tests.support.events import CUSTOMER, encoded, event
from tests.support.providers import Mailbox, Providers
from tests.support.ticks import Ticks
from tests.support.world import World, settings_for

pytestmark = pytest.mark.any_database


@pytest.fixture
async def small(sqlite_url: str, providers: Providers, mailbox: Mailbox) -> AsyncIterator[World]:
    """A service behind one proxy, with small budgets."""
    more: dict[str, Any] = {"database_url": sqlite_url, "proxies": 1, "failures_per_minute": 5, "streams_per_key": 3}
    w = World(settings_for(providers, mailbox, **more), providers, mailbox)
    await w.start()
    yield w
    await w.close()


async def ask(world: World, head: str, body: bytes = b"", patience_s: float = 30.0) -> tuple[int, str, bool]:
    """Status, text, and whether the other side closed, of bytes sent as they stand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.app.port)
    writer.write(head.replace("\n", "\r\n").encode(errors="surrogateescape") + b"\r\n\r\n" + body)
    try:
        async with asyncio.timeout(patience_s):
            answer = await reader.read()
        return int(answer.split(b" ", 2)[1]), answer.decode(), True
    except TimeoutError:
        return 0, "", False
    finally:
        writer.close()


async def link_of(world: World) -> str:
    await world.accept(event("A-1", "vendor_en_route", recipients={"customer": CUSTOMER}))
    async with world.ledger.reading() as tx:
        order = await find(tx, "device_pickup", "A-1", scope=EVERYTHING)
    assert order is not None
    return world.ledger.keyring.token(f"{LINK_PURPOSE}{order.links}", order.id)


async def test_wrong_guesses_lock_nobody_out(small: World) -> None:
    token, key = await link_of(small), await key_for(small, "agent")
    nobody, agent = Client(small, ""), Client(small, key)
    links = [(await nobody.get(f"/t/{'A' * 29}{n % 10}"))[0] for n in range(20)]
    assert set(links[:5]) == {404}
    assert set(links[7:]) == {429}, "wrong links are limited"
    # Neither keys nor sign-ins from there are, and no valid link.
    assert (await nobody.get(f"/t/{token}"))[0] == 200
    assert (await agent.get("/v1/orders"))[0] == 200
    keys = [(await nobody.call("GET", "/v1/orders", headers={"Authorization": f"Bearer sb_{n}"}))[0] for n in range(9)]
    assert keys[:5] == [401] * 5
    assert keys[-1] == 429
    assert (await agent.get("/v1/orders"))[0] == 200, "a valid key is not turned away for the wrong ones"
    form = {"data": {"key": "sb_wrong"}, "allow_redirects": False}
    tries = [(await nobody.call("POST", "/desk/sign-in", **form))[0] for _ in range(9)]
    assert (tries[0], tries[-1]) == (401, 429)
    form["data"] = {"key": key}
    assert (await nobody.call("POST", "/desk/sign-in", **form))[0] == 303
    assert (await nobody.get(f"/t/{token}.json"))[0] == 200
    for client in (nobody, agent):
        await client.close()


async def test_guesses_count_by_what_the_trusted_proxy_saw(small: World) -> None:
    nobody = Client(small, "")

    async def guess(*forwarded: str) -> int:
        lines = "".join(f"\nX-Forwarded-For: {line}" for line in forwarded)
        head = f"GET /t/{'A' * 30} HTTP/1.1\nHost: x\nConnection: close{lines}"
        return (await ask(small, head))[0]

    spoofed = [await guess(f"192.0.2.{n}", "198.51.100.7") for n in range(9)]
    assert spoofed[-1] == 429, "the client's own header lines do not change who it is"
    assert await guess("198.51.100.8") == 404
    assert await guess("198.51.100.7", "198.51.100.9:4711") == 404
    for n in range(9):
        status = await guess(f"2001:db8:1:2::{n:x}")
    assert status == 429, "one /64 is one client"
    assert await guess("2001:db8:1:3::1") == 404
    for n in range(9):
        status = await guess(f"[::ffff:203.0.113.5]:{n}")
    assert status == 429
    assert await guess("203.0.113.5") == 429, "the same address in other clothes"
    await nobody.close()


async def test_an_unknown_proxy_is_told_of_once(world: World) -> None:
    with capture_logs() as told:
        for n in range(3):
            await ask(world, f"GET /healthz HTTP/1.1\nHost: x\nConnection: close\nX-Forwarded-For: 203.0.113.{n}")
    (line,) = [x for x in told if x["event"] == "http.forwarded_not_trusted"]
    assert "STAGEBELL_PROXIES" in line["hint"]
    assert "203.0.113" not in str(line)


BOMB = gzip.compress(b"0" * 10_000_000)


PATHS = ("/v1/events", "/desk/sign-in", "/healthz", "/nowhere", "/callbacks/twilio/status")


async def test_compressed_bodies_are_refused_before_a_byte_is_inflated(small: World) -> None:
    async def refused(path: str, more: str, body: bytes) -> None:
        status, text, closed = await ask(small, f"POST {path} HTTP/1.1\nHost: x\n{more}", body)
        assert (status, closed) == (415, True), more
        assert "compressed bodies are not taken" in text

    heads = (
        (f"Content-Length: {len(BOMB)}\nContent-Encoding: gzip", BOMB),
        ("Content-Length: 9\nContent-Encoding: identity, br", b""),
        ("Transfer-Encoding: chunked\nContent-Encoding: DEFLATE", b"5\r\nabcde\r\n"),
    )
    async with Ticks() as took:
        await asyncio.gather(*(refused(path, more, body) for path in PATHS for more, body in heads))
    assert took.seconds < 4
    await refused("/v1/events", "Content-Length: 900\nExpect: 100-continue\nContent-Encoding: zstd", b"")
    assert (await ask(small, "GET /healthz HTTP/1.1\nHost: x\nConnection: close\nContent-Encoding: identity"))[0] == 200


async def test_a_form_in_parts_cannot_bring_compressed_ones(small: World) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="key"\r\nContent-Encoding: gzip\r\n\r\n' + BOMB + b"\r\n--x--\r\n"
    )
    head = f"POST /desk/sign-in HTTP/1.1\nHost: x\nContent-Type: multipart/form-data; boundary=x\nContent-Length: {len(body)}"
    assert (await ask(small, head, body))[0] == 415


async def test_bodies_are_as_small_as_what_they_are_for(small: World) -> None:
    nobody, publisher = Client(small, ""), Client(small, await key_for(small, "publisher"))
    # Percent-encoded forms of 10 MB held up everybody for seconds, and needed no key.
    large = b"key=" + b"%41" * 100_000
    forms = {"Content-Type": "application/x-www-form-urlencoded"}
    for path in ("/desk/sign-in", "/callbacks/twilio/inbound", "/desk/sign-out"):
        async with nobody.session.post(small.http + path, data=large, headers=forms) as response:
            assert response.status == 413, path
            assert "262144" in (await response.json())["detail"]
            assert response.headers["Connection"] == "close"
    batch = [event(f"L-{n}", "created", note={"text": "x" * 900}) for n in range(400)]
    assert len(msgspec.json.encode(batch)) > 262_144
    assert (await publisher.post("/v1/events", batch))[0] == 200
    async with publisher.session.post(
        f"{small.http}/v1/events",
        data=b" " * 10_600_000,
        headers={**publisher._headers, "Content-Type": "application/json"},
    ) as response:
        assert response.status == 413
    await nobody.close()
    await publisher.close()


@pytest.mark.parametrize(
    "after", ["//[x", "[", "http://[::1", "/desk\\..\\x", "//evil.example", "https://evil.example/desk"]
)
async def test_signing_in_leads_nowhere_but_to_the_desk(small: World, after: str) -> None:
    key = await key_for(small, "agent")
    async with aiohttp.ClientSession() as browser:
        async with browser.get(f"{small.http}/desk/sign-in", params={"next": after}) as response:
            assert response.status == 200
        form = {"key": key, "next": after}
        async with browser.post(f"{small.http}/desk/sign-in", data=form, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/desk")


async def test_what_is_no_http_is_logged_in_one_line_without_content(small: World) -> None:
    with capture_logs() as told:
        for head in (
            "GET /t/secret-token HTTP/1.1\nHost: x\nAuthorization: Bearer\x01sb_secret",
            "POST /v1/events HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\nzz\nsecret 481920",
            "secret secret secret",
            f"GET /{'secret' * 3000} HTTP/1.1\nHost: x",
        ):
            status, text, closed = await ask(small, head)
            assert (status, closed) == (400, True), head[:60]
            assert "secret" not in text
    assert told
    assert all(set(x) <= {"event", "log_level", "error"} for x in told), told
    assert "secret" not in str(told)


async def test_half_a_request_does_not_stay_open() -> None:
    async def ok(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/", ok)
    runner = Runner(app, head_within_s=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]

    async def ends(*pieces: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(30):
                for piece in pieces:
                    writer.write(piece)
                    await asyncio.sleep(0.05)
                return await reader.read()
        finally:
            writer.close()

    whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    half = await asyncio.gather(*(ends(b"GET / HTTP/1.1\r\nHo") for _ in range(300)))
    assert set(half) == {b""}
    assert await ends() == b"", "nor a connection that says nothing"
    assert (await ends(whole, whole, b"GET / HT")).count(b"200 OK") == 2, "nor the third request of a kept connection"
    assert await ends(*[b"G", b"E", b"T"]) == b""
    await runner.cleanup()


async def test_streams_of_a_key_are_counted(small: World) -> None:
    one, other = await key_for(small, "supervisor"), await key_for(small, "supervisor")
    first, second = Client(small, one), Client(small, other)
    url = f"{small.http}/v1/escalations/stream"
    held = [await first.session.get(url, headers=first._headers) for _ in range(3)]
    assert [r.status for r in held] == [200] * 3
    assert (await first.get("/v1/escalations/stream"))[0] == 429
    assert (await first.get("/v1/escalations"))[0] == 200
    async with second.session.get(url, headers=second._headers) as response:
        assert response.status == 200
    held.pop().close()

    async def again() -> bool:
        async with first.session.get(url, headers=first._headers) as response:
            return response.status == 200

    await small.until(again, "a place is free again")
    for response in held:
        response.close()
    for client in (first, second):
        await client.close()


async def test_numbers_are_bounded_however_they_are_written(world: World, caller: Caller) -> None:
    supervisor = await caller("supervisor")
    for wrong in ("000000001999999", "1" * 5000, "0", "-1", "1e3", "٣", "1.0", "+5"):
        for path in (
            "/v1/orders?limit=",
            "/v1/escalations?limit=",
            "/v1/escalations?offset=-",
            "/v1/dead-letters?limit=",
        ):
            assert (await supervisor.get(f"{path}{wrong}"))[0] in (400, 422), (path, wrong)
    assert (await supervisor.get("/v1/escalations?offset=000000001999999"))[0] == 400
    admin = await caller("admin")
    for wrong in ("0", "501", "1" * 5000, "000000000001"):
        assert (await admin.post(f"/v1/dead-letters/{wrong}/replay"))[0] == 404


async def test_cursors_of_no_page_are_refused(world: World, caller: Caller) -> None:
    from base64 import urlsafe_b64encode

    agent = await caller("agent")
    for when in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00"):
        cursor = urlsafe_b64encode(f'["{when}","{"0" * 32}"]'.encode()).decode().rstrip("=")
        for sort in ("activity", "due"):
            assert (await agent.get(f"/v1/orders?sort={sort}&cursor={cursor}"))[0] == 400, when


ODD_IDS = ("{a}", "a/b", "a%2Fb", "100%", ".", "..", "../../etc", "ü ä", "a?b#c", "+", "a;b")


async def test_every_order_can_be_reached_by_its_url(small: World) -> None:
    await small.accept(*(event(order_id, "created", recipients={"customer": CUSTOMER}) for order_id in ODD_IDS))
    key = await key_for(small, "agent")
    answers = {}
    for order_id in ODD_IDS:
        path = "".join(f"%{b:02X}" for b in order_id.encode())
        for base in ("/v1/orders", "/desk/orders"):
            head = f"GET {base}/device_pickup/{path} HTTP/1.1\nHost: x\nConnection: close\nAuthorization: Bearer {key}"
            status, text, _ = await ask(small, head)
            answers[base, order_id] = (status, "device_pickup" in text)
    assert answers == dict.fromkeys(answers, (200, True))
    assert len(answers) == 2 * len(ODD_IDS)


async def test_a_link_has_one_spelling(small: World) -> None:
    token = await link_of(small)
    nobody = Client(small, "")
    assert (await nobody.get(f"/t/{token}"))[0] == 200
    for other in (
        f"{token}=",
        f"{token}==",
        f"{token}.",
        f".{token}",
        f"{token} ",
        token[:-1] + chr(ord(token[-1]) + 1),
    ):
        assert (await nobody.get(f"/t/{other}"))[0] in (404, 429), other
    await nobody.close()


async def test_answers_are_not_kept_and_not_guessed_at(small: World) -> None:
    token, key = await link_of(small), await key_for(small, "admin")
    admin = Client(small, key)
    paths = [
        "/v1/orders", "/v1/orders?format=csv", "/v1/orders/device_pickup/A-1", "/v1/escalations/stream", "/v1/none",
        f"/t/{token}", f"/t/{token}.json", "/desk", "/desk/orders?format=csv", "/openapi.json", "/healthz", "/metrics",
    ]  # fmt: skip
    for path in paths:
        async with admin.session.get(small.http + path, headers=admin._headers) as response:
            assert response.headers["Cache-Control"] == "no-store", path
            assert response.headers["X-Content-Type-Options"] == "nosniff", path
            assert response.headers["Strict-Transport-Security"].startswith("max-age="), path
    async with admin.session.get(f"{small.http}/static/desk.css") as response:
        assert "Cache-Control" not in response.headers
    await admin.close()


async def test_a_token_of_other_letters_is_no_fault_of_ours(small: World) -> None:
    key = await key_for(small, "supervisor")
    nobody = Client(small, "")
    async with nobody.session.post(f"{small.http}/desk/sign-in", data={"key": key}, allow_redirects=False) as response:
        cookie = response.headers["Set-Cookie"].partition(";")[0]
    for value in ("é", "\udce9", "e" * 64):
        head = f"POST /desk/sign-out HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 0\nCookie: {cookie}\nX-CSRF-Token: {value}"
        assert (await ask(small, head))[0] == 403
        head = head.replace("/desk/sign-out", "/v1/orders/device_pickup/A-1/issues")
        assert (await ask(small, head))[0] == 403
    for head in (
        "GET /v1/orders HTTP/1.1\nHost: x\nConnection: close\nAuthorization: Bearer sb_\udce9é",
        "GET /desk HTTP/1.1\nHost: x\nConnection: close\nCookie: stagebell_session=\udce9.a.b",
        "GET /desk/sign-in/oidc/callback HTTP/1.1\nHost: x\nConnection: close\nCookie: stagebell_oidc=\udce9.é",
        "GET /v1/orders/device_pickup/\udce9 HTTP/1.1\nHost: x\nConnection: close",
        f"POST /v1/events HTTP/1.1\nHost: x\nConnection: close\nAuthorization: Basic {encoded(event('A', 'x')).hex()}",
    ):
        assert (await ask(small, head))[0] in (302, 400, 401, 403, 404, 411)
    await nobody.close()


async def test_query_parameters_that_nobody_reads_are_refused_by_name(world: World, caller: Caller) -> None:
    admin = await caller("admin")
    for path, near in (
        ("/v1/orders?statsu=created", "status"),
        ("/v1/orders?overdu=true", "overdue"),
        ("/v1/escalations?teams=finance", "team"),
        ("/v1/metrics/lifecycle?workflw=repair", "workflow"),
        ("/desk/orders?recipent=x", "recipient"),
        ("/v1/escalations/stream?workflows=repair", "workflow"),
        ("/v1/subscriptions?x=1", "known are: none"),
    ):
        status, problem = await admin.get(path)
        assert (status, problem["title"]) == (400, "Unknown query parameter"), path
        assert near in problem["detail"], path
        assert problem["parameter"] in path
    assert (await admin.get("/v1/orders?limit=1&limit=2"))[0] == 400
    assert (await admin.get("/v1/orders?format=xlsx"))[0] == 400
    for route in (*API, *PAGES, *OPERATIONS):
        path = re.sub(r"{[^}]+}", "1", route.path.replace("{act:replay|drop}", "drop"))
        status, problem = await admin.call(route.method, f"{path}?nobody_reads_this=1", allow_redirects=False)
        assert (status == 400 and problem["parameter"] == "nobody_reads_this") != route.lenient, path


async def test_a_customers_link_may_carry_what_others_add(small: World) -> None:
    nobody = Client(small, "")
    assert (await nobody.get(f"/t/{await link_of(small)}?utm_source=mail&fbclid=x&lang=hi"))[0] == 200
    await nobody.close()
