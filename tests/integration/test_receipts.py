"""Receipts over HTTP: what Twilio says later, in whatever form it comes, and what others send in its name."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from sqlalchemy import select
from twilio.request_validator import RequestValidator

from service.broker.port import BrokerMessage
from service.dispatch.compose import CALLBACK_PURPOSE
from service.ledger.escalations.tables import escalation_stream
from tests.support.events import CUSTOMER, VENDOR, event
from tests.support.providers import TOKEN, Mailbox, Providers
from tests.support.world import World, settings_for

pytestmark = pytest.mark.any_database

INBOUND = "/callbacks/twilio/inbound"
MULTIPART = "multipart/form-data; boundary=b"
FORM = "application/x-www-form-urlencoded"


# Nothing here is a form that Twilio sends.
BODIES = (
    (MULTIPART, b"--b\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--b--\r\n"),
    (MULTIPART, b"not multipart at all"),
    (MULTIPART, b"--b\r\nbroken header\r\n\r\n"),
    (MULTIPART, b"--b\r\nContent-Disposition: form-data; name=Body\r\n\r\nnever ends"),
    (MULTIPART, b"--b\r\nContent-Disposition: form-data; name=f; filename=x\r\n\r\nSECRET\r\n--b--\r\n"),
    (MULTIPART, b'--b\r\nContent-Disposition: form-data; name=a\r\nContent-Type: text/plain; charset=moon\r\n\r\nx\r\n--b--'),
    (MULTIPART, b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n"),
    ("multipart/form-data", b"x"),
    (f"{FORM}; charset=moon", b"Body=SECRET"),
    (f"{FORM}; charset=base64", b"Body=SECRET"),
    (f"{FORM}; charset=utf-16", b"B"),
    (f"{FORM}; charset=unicode_escape", b"Body=\\ud800"),
    (FORM, b"Body=\xff\xfe"),
    (FORM, b"&".join(b"a%d=1" % n for n in range(20_000))),
    (FORM, b"Body=" + b"x" * 5_000_000),
    ("application/json", b'{"Body": "SECRET"}'),
    ("nonsense", b"\x00"),
)  # fmt: skip


async def told(world: World) -> str:
    """One SMS, sent; its id."""
    await world.accept(event("R-1", "vendor_en_route", recipients={"customer": CUSTOMER}, assignee=VENDOR))
    await world.settled()
    return str((await message(world))["id"])


async def message(world: World) -> dict[str, Any]:
    (found,) = [m for m in (await world.view("R-1"))["messages"] if m["channel"] == "sms"]
    return dict(found)


async def post(world: World, path: str, fields: Sequence[tuple[str, str]]) -> int:
    """A form as Twilio signs it: each value of a name once, in order."""
    signed = "https://track.example" + path
    for name in sorted({name for name, _ in fields}):
        signed += "".join(name + value for value in sorted({v for n, v in fields if n == name}))
    signature = RequestValidator(TOKEN).compute_signature(signed, {})
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            world.http + path, data=aiohttp.FormData(fields), headers={"X-Twilio-Signature": signature}
        ) as got,
    ):
        return got.status


async def receipt(world: World, message_id: str, status: str) -> int:
    token = world.ledger.keyring.token(CALLBACK_PURPOSE, UUID(message_id), whole=True)
    return await post(world, f"/callbacks/twilio/status?n={token}", [("MessageSid", "SM1"), ("MessageStatus", status)])


async def test_read_stands_above_delivered_and_both_are_published(world: World) -> None:
    published: list[tuple[str, str]] = []
    publish = world.app.broker.publish

    async def keep(messages: Sequence[BrokerMessage]) -> list[bool]:
        published.extend((m.exchange, m.routing_key) for m in messages)
        return await publish(messages)

    world.app.broker.publish = keep  # type: ignore[method-assign]
    sms = await told(world)
    for status in ("partially_delivered", "delivered", "read", "delivered", "undelivered", "sent"):
        assert await receipt(world, sms, status) == 204
    await world.settled()
    after = await message(world)
    assert after["state"] == "read"
    assert [h["state"] for h in after["history"]][-6:] == ["receipt", "delivered", "read", *["receipt"] * 3]
    told_outside = [key for exchange, key in published if exchange == "notifications" and key.endswith(".sms")]
    assert told_outside == ["notification.sent.sms", "notification.delivered.sms", "notification.read.sms"]


async def test_a_status_that_twilio_adds_one_day_is_no_error(world: World) -> None:
    sms = await told(world)
    assert await receipt(world, sms, "pondered") == 204
    assert (await message(world))["state"] == "sent"
    assert await receipt(world, sms, "") == 400


async def test_a_name_that_stands_twice_is_signed_with_all_its_values(world: World) -> None:
    fields = [
        ("From", "+919812345678"),
        ("To", "+15005550006"),
        ("Body", "Hello"),
        ("MediaUrl", "b"),
        ("MediaUrl", "a"),
    ]
    assert await post(world, INBOUND, [*fields, ("MediaUrl", "b")]) == 200
    assert await post(world, INBOUND, fields) == 200


async def test_what_is_no_form_is_answered_4xx_and_not_repeated(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    async with aiohttp.ClientSession() as session:
        for content_type, body in BODIES:
            headers = {"Content-Type": content_type, "X-Twilio-Signature": "x"}
            for path in (INBOUND, "/callbacks/twilio/status?n=x", "/desk/sign-in", "/desk/sign-out"):
                async with session.post(world.http + path, data=body, headers=headers, allow_redirects=False) as got:
                    assert got.status < 500, (path, content_type, body[:40])
                    assert path != INBOUND or got.status >= 400, (content_type, body[:40])
    said = capfd.readouterr()
    assert "Traceback" not in said.out + said.err
    assert "SECRET" not in said.out + said.err


async def test_an_address_that_is_no_text_is_refused(world: World) -> None:
    reader, writer = await _connect(world)
    writer.write(b"POST /callbacks/twilio/inbound?\xff\xfe HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: x\r\n")
    writer.write(b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b")
    assert (await reader.readline()).split()[1] in (b"400", b"403")
    writer.close()


async def _connect(world: World) -> Any:
    import asyncio

    host, _, port = world.http.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def test_forty_receipts_at_once_in_any_order_and_doubled_are_one_end(world: World) -> None:
    sms = await told(world)
    said = ["read", "queued", "delivered", "sent", "sending", "delivered", "accepted", "sent"] * 5
    assert await asyncio.gather(*(receipt(world, sms, status) for status in said)) == [204] * len(said)
    after = await message(world)
    assert after["state"] == "read"
    steps = [h["state"] for h in after["history"] if h["state"] != "receipt"]
    assert steps[-1] == "read"
    assert max(Counter(steps).values()) == 1, "each state once"


BACKUP = "AC" + "1" * 32


@pytest.fixture
async def two_accounts(parts: dict[str, Any], providers: Providers, mailbox: Mailbox) -> AsyncIterator[World]:
    """A service with a second account."""
    backup = {
        "twilio_backup_account_sid": BACKUP, "twilio_backup_auth_token": "other",
        "twilio_backup_sms_from": "+15005550008", "twilio_backup_base_url": providers.url,
    }  # fmt: skip
    w = World(settings_for(providers, mailbox, **backup, **parts), providers, mailbox)
    await w.start()
    yield w
    await w.close()


async def incidents_told(world: World) -> list[str]:
    async with world.ledger.reading() as tx:
        query = (
            select(escalation_stream.c.kind)
            .where(escalation_stream.c.reason == "provider_refused")
            .order_by(escalation_stream.c.seq)
        )
        return list((await tx.execute(query)).scalars())


async def test_a_receipt_that_is_about_us_calls_people_and_others_go_another_way(two_accounts: World) -> None:
    world = two_accounts

    async def failed(order: str, phone: str, code: str) -> str:
        """An SMS that the provider takes, then not delivers; by which account it went."""
        person = {"phone": phone, "locale": "en"}
        await world.accept(event(order, "vendor_en_route", recipients={"customer": person}, assignee=VENDOR))
        await world.settled()
        (sms,) = [m for m in (await world.view(order))["messages"] if m["channel"] == "sms"]
        token = world.ledger.keyring.token(CALLBACK_PURPOSE, UUID(sms["id"]), whole=True)
        fields = [("MessageSid", "SM1"), ("MessageStatus", "failed"), ("ErrorCode", code)]
        assert await post(world, f"/callbacks/twilio/status?n={token}", fields) == 204
        (sms,) = [m for m in (await world.view(order))["messages"] if m["channel"] == "sms"]
        assert (sms["state"], sms["error_code"]) == ("undelivered", code)
        return "backup" if BACKUP in world.providers.requests[-1].path else "main"

    # About the reader (30003), the message (30007, 63016), the moment (63018): as ever.
    for n, code in enumerate(("30003", "30007", "63016", "63018")):
        assert await failed(f"R-{n}", f"+9198123456{n:02d}", code) == "main"
    assert await incidents_told(world) == []
    # About us: one account was suspended (30002); or it may not write to that country (21612).
    assert await failed("R-10", "+919812345610", "21612") == "main"
    await world.until(lambda: _told(world, ["opened"]))
    assert await failed("R-11", "+447400123456", "30003") == "main"
    assert await failed("R-12", "+919812345612", "30003") == "backup"
    assert await failed("R-13", "+447400123457", "30002") == "main"
    assert await failed("R-14", "+447400123458", "30003") == "backup"
    # Twice seen, and then no more: after a while it is tried again, and the incident is over.
    world.clock.advance(minutes=15, seconds=30)
    await world.until(lambda: not world.app.health.known())
    world.clock.advance(seconds=30)
    await world.until(lambda: _told(world, ["opened", "resolved"]))
    assert await failed("R-15", "+447400123459", "30003") == "main"


async def _told(world: World, kinds: list[str]) -> bool:
    found = [k for k in await incidents_told(world) if k != "reminded"]
    return found == kinds
