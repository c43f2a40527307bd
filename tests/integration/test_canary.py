"""A canary code and a canary person, run through every path: each appears only where it must."""

import asyncio
import base64
import gzip
import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
import aiohttp
import pytest
import structlog

from tests.support.collector import Collector
from tests.support.events import encoded, event, minutes
from tests.support.nodes import connect
from tests.support.process import Process, command, environment
from tests.support.providers import Mailbox, Providers
from tests.support.world import ROOT

CODE, PHONE, EMAIL, NAME, TOKEN = "739184", "+919811122233", "canary@example.com", "Canaryname", "canary-push-token"
PERSON = {"name": NAME, "phone": PHONE, "whatsapp": PHONE, "email": EMAIL, "push_tokens": [TOKEN], "locale": "en"}
WORDS = [w.encode() for w in (CODE, PHONE, PHONE[1:], EMAIL, NAME, TOKEN)]


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/canary.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


# Refused: C-2 to C-4, and every disguise.
LETTERS = 3 + 9


def disguised(e: dict[str, Any]) -> list[aio_pika.Message]:
    """The canary in every dress in which it might slip by."""
    body = encoded(e)
    words = f"call {NAME} at {PHONE} or {EMAIL}, code {CODE}"
    binary = {f"cloudEvents:{k}": v for k, v in e.items() if k != "data"}
    in_words = {**e, "id": "e-words", "data": {**e["data"], "status": words}}
    inside = {**e, "id": "e-inside", "data": {"workflow": words, "status": CODE}}
    extended = {**e, "id": "e-extended", "contactphone": PHONE, "subject": words}
    return [
        aio_pika.Message(body[:-20]),
        aio_pika.Message(gzip.compress(body), content_encoding="gzip", content_type="application/json"),
        aio_pika.Message(body.decode().encode("utf-16"), content_type="application/json"),
        aio_pika.Message(base64.b64encode(body), content_type="text/plain"),
        aio_pika.Message(words.encode(), content_type=f"text/plain; x={NAME}", headers={"x-customer": words}),
        aio_pika.Message(encoded(in_words), content_type="application/cloudevents+json", message_id=PHONE),
        aio_pika.Message(encoded(inside), content_type="application/cloudevents+json"),
        aio_pika.Message(encoded(extended)[:-1], content_type="application/cloudevents+json"),
        aio_pika.Message(b"{}", headers={**binary, "cloudEvents:type": words, "cloudEvents:email": EMAIL, "x": CODE}),
    ]


def malformed(key: str) -> list[bytes]:
    """Requests that the HTTP server cannot read, each with a bearer key and the canary in it."""
    head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n".encode()
    said = f"{NAME} {PHONE} {EMAIL} {CODE}".encode()
    return [
        head + b"Transfer-Encoding: chunked\r\n\r\n" + said + b"\r\n\r\n",
        head + b"X-Name: " + said + b"\x00\x01\r\n\r\n",
        head + b"Content-Length: " + said + b"\r\n\r\n",
        b"GET /t/" + said + b"\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
        head + b"Content-Encoding: gzip\r\nContent-Length: 30\r\n\r\n" + said[:30],
    ]


async def said_to(port: int, request: bytes) -> bytes:
    """The answer to bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(2000), 30)
    except (TimeoutError, ConnectionError):
        return b""
    finally:
        writer.close()


async def everything_in(database_url: str) -> bytes:
    """Every column of every table, as bytes."""
    if database_url.startswith("sqlite"):
        connection = sqlite3.connect(database_url.partition(":///")[2])
        return "\n".join(connection.iterdump()).encode()

    pg = await connect(database_url)
    tables = await pg.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found = [str(await pg.fetch(f'SELECT * FROM "{t[0]}"')) for t in tables]
    await pg.close()
    return "\n".join(found).encode()


async def test_codes_and_people_appear_only_where_they_must(
    tmp_path: Path,
    database_url: str,
    rabbit_url: str,
    providers: Providers,
    mailbox: Mailbox,
    collector: Collector,
) -> None:
    env = environment(tmp_path, database_url, rabbit_url, providers, mailbox)
    env["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    key = (
        (await asyncio.to_thread(command, tmp_path, env, "keys", "create", "--role", "admin", "t"))
        .stdout.strip()
        .splitlines()[-1]
    )
    process = Process(tmp_path, env)
    await process.ready()
    otp = {"otp": {"value": CODE, "expires": "2099-01-01T00:00:00Z"}}
    now = datetime.now(UTC)
    events: list[dict[str, Any]] = [
        event("C-1", "created", now, recipients={"customer": PERSON}),
        event("C-1", "payment_initiated", now, secrets=otp),
        event("C-1", "vendor_failed", now),
        event("C-2", "no_such_status", now, recipients={"customer": PERSON}, secrets=otp),
        event("C-3", "created", now + minutes(60), recipients={"customer": PERSON}, secrets=otp),
        event("C-4", "created", now, recipients={"customer": PERSON}, nonsense=otp, secrets=[CODE]),
    ]
    connection = await aio_pika.connect(rabbit_url)
    async with connection:
        channel = await connection.channel()
        outcomes = await channel.declare_queue("", exclusive=True)
        await outcomes.bind("notifications", "#")
        exchange = await channel.get_exchange("orders")
        for e in events:
            await exchange.publish(aio_pika.Message(encoded(e), content_type="application/cloudevents+json"), "order.x")
        for disguise in disguised(events[1]):
            await exchange.publish(disguise, "order.x")
        dead = await channel.get_queue("stagebell.dead")
        for _ in range(900):
            declared = await channel.declare_queue("stagebell.dead", passive=True)
            codes = [s for s in providers.sent if CODE in s.text]
            told = await channel.declare_queue(outcomes.name, passive=True)
            arrived = (declared.declaration_result.message_count or 0, told.declaration_result.message_count or 0)
            if arrived[0] >= LETTERS and arrived[1] >= 3 and len(codes) == 3 and len(mailbox.mails) == 2:
                break
            await asyncio.sleep(0.1)
        letters = [await dead.get(timeout=5) for _ in range(LETTERS)]
        published = []
        while (message := await outcomes.get(fail=False)) is not None:
            published.append(message.body)
            await message.ack()
        assert len(published) >= 3
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
            base = f"http://127.0.0.1:{process.port}"
            metrics = await (await session.get(f"{base}/metrics")).read()
            shown = await (await session.get(f"{base}/v1/orders/device_pickup/C-1")).read()
            await session.get(f"{base}/desk/messages")
            await session.post(f"{base}/v1/events", json=events[3])
        for request in malformed(key):
            await said_to(process.port, request)
    explained = (await asyncio.to_thread(command, tmp_path, env, "explain", "device_pickup", "C-1")).stdout
    assert await process.terminate() == 0
    assert len([s for s in providers.sent if CODE in s.text]) == 3
    ledger = await everything_in(database_url)
    assert b"C-1" in ledger
    assert b"C-1" in collector.raw
    written = process.log.read_bytes()
    assert b"Traceback" not in written
    assert key.encode() not in written
    assert written.count(b"http.unparsable") >= 3
    places = {
        "log": written,
        "metrics": metrics,
        "ledger": ledger,
        "dead letters": b"".join(x.body + str(x.headers).encode() for x in letters if x),
        "outcomes": b"".join(published),
        "traces": collector.raw,
        "files": b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file() and f.suffix in (".log", ".key")),
    }
    for place, text in places.items():
        for word in WORDS:
            assert word not in text, f"{word!r} in {place}"
    assert CODE not in shown.decode() + explained
    process.close()


def test_no_workflow_is_named_in_python() -> None:
    named = re.compile(r"device_pickup|home_service|repair|marketing_services|vendor_ops")
    found = [
        f"{path.relative_to(ROOT)}:{n}"
        for path in (ROOT / "service").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix in (".py", ".j2", ".js", ".css", ".yaml")
        for n, line in enumerate(path.read_text().splitlines(), 1)
        if named.search(line)
    ]
    assert found == []


def test_debug_logging_of_libraries_stays_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    import logging

    from service.telemetry import logs

    logs.configure("json", level=logging.DEBUG)
    logging.getLogger("twilio.http_client").debug("Body=%s", CODE)
    logging.getLogger("twilio").info("To=%s", PHONE)
    logging.getLogger("mail.log").info("rcpt %s", EMAIL)
    logging.getLogger("aiosmtplib").error("rcpt %s", EMAIL)
    logging.getLogger("apprise").warning("url %s", TOKEN)
    try:
        assert capfd.readouterr().err == ""
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers.clear()
