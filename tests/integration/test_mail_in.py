"""Mail that comes in over the real port: bounces, complaints, replies; and one click that ends mails."""

import asyncio
import base64
import contextlib
import re
import smtplib
from collections.abc import AsyncIterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select, update

from service.broker.port import BrokerMessage
from service.dispatch.mail_links import mail_token
from service.keyring import Keyring
from service.ledger.database.engine import new_uuid
from service.ledger.escalations.tables import escalation_stream
from service.ledger.messages.tables import messages
from service.ledger.orders.records import history_line
from tests.integration.conftest import Caller
from tests.support.events import NOON, event
from tests.support.packs import copied
from tests.support.ports import free_port
from tests.support.providers import Mail, Mailbox, Providers
from tests.support.world import World, settings_for
from tests.unit.test_mail_reports import arf, dsn, plain

HOME = "in.stagebell.example"
CUSTOMER = {"name": "Asha", "email": "asha@example.com", "phone": "+919812345678"}


@cache
def pack_with(order_created: str) -> Path:
    """The pack, with another say of how `order_created` is told, and texts where a mail was not delivered."""
    folder = copied("device_pickup")
    file = folder / "device_pickup/workflow.yaml"
    text = file.read_text()
    text, changed = re.subn(r"(?m)^  order_created: \{channels: .*$", f"  order_created: {order_created}", text)
    assert changed == 1
    file.write_text(text.replace("fallback: {whatsapp: sms}", "reply_to: help@cedar.example\nfallback: {email: sms}"))
    return folder


@pytest.fixture
def protocol() -> str:
    """What the mail server in front speaks."""
    return "lmtp"


@pytest.fixture
async def mail_world(sqlite_url: str, providers: Providers, mailbox: Mailbox, protocol: str) -> AsyncIterator[World]:
    """The service with a port for mail; `order_created` goes out by email alone."""
    more = {"mail_in": f"{protocol}://127.0.0.1:{free_port()}", "mail_domain": HOME}
    more |= {"database_url": sqlite_url, "workflows": str(pack_with("{channels: [email]}"))}
    world = World(settings_for(providers, mailbox, **more), providers, mailbox)
    await world.start()
    yield world
    await world.close()


@pytest.fixture
async def world(mail_world: World) -> World:
    """For the callers."""
    return mail_world


async def deliver(world: World, recipient: str, content: bytes) -> None:
    """As the MX would, over LMTP or SMTP."""
    scheme, _, place = world.settings.mail_in.partition("://")
    host, _, port = place.partition(":")

    def talk() -> None:
        kind = smtplib.LMTP if scheme == "lmtp" else smtplib.SMTP
        with kind(host, int(port)) as client:
            client.sendmail("", [recipient], content)

    await asyncio.to_thread(talk)


async def mailed(world: World, order_id: str = "M-1", **customer: Any) -> Mail:
    await world.accept(event(order_id, "created", recipients={"customer": CUSTOMER | customer}))
    await world.settled()
    return world.mailbox.mails[-1]


async def state_of(world: World, order_id: str = "M-1") -> list[str]:
    return [f"{m['channel']} {m['state']}" for m in (await world.view(order_id))["messages"]]


async def kinds(world: World, order_id: str = "M-1") -> list[str]:
    return [line["kind"] for line in (await world.view(order_id))["timeline"]]


async def test_a_mail_says_where_bounces_and_replies_go_and_how_to_unsubscribe(mail_world: World) -> None:
    mail = await mailed(mail_world)
    assert re.fullmatch(rf"bounce\+[a-z2-7]{{39}}@{HOME}", mail.sender)
    assert re.fullmatch(rf"reply\+[a-z2-7]{{39}}@{HOME}", str(mail.message["Reply-To"]))
    assert re.fullmatch(r"<https://track\.example/u/[a-z2-7]{39}>", str(mail.message["List-Unsubscribe"]))
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "asha" not in mail.sender


async def test_without_a_port_replies_go_to_the_packs_address_and_what_must_be_told_cannot_be_ended(
    sqlite_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    packs = pack_with("{channels: [email], mandatory: true}")
    world = World(settings_for(providers, mailbox, database_url=sqlite_url, workflows=str(packs)), providers, mailbox)
    await world.start()
    mail = await mailed(world)
    await world.close()
    assert mail.sender == "orders@stagebell.example"
    assert mail.message["Reply-To"] == "help@cedar.example"
    assert mail.message["List-Unsubscribe"] is None
    assert mail.message["List-Unsubscribe-Post"] is None


async def test_a_hard_bounce_starts_the_fallback_and_is_seen_and_lifted_by_an_agent(
    mail_world: World, caller: Caller
) -> None:
    mail = await mailed(mail_world)
    # Some servers change the case of what stands before the @.
    await deliver(mail_world, mail.sender.upper(), dsn("failed", "5.1.1"))
    await mail_world.settled()
    assert await state_of(mail_world) == ["email undelivered", "sms sent"]
    (bounced, _) = (await mail_world.view("M-1"))["messages"]
    assert bounced["error"] == "the mail came back: 5.1.1"
    await deliver(mail_world, mail.sender, dsn("failed", "5.1.1"))
    await mailed(mail_world, "M-2")
    assert (await state_of(mail_world, "M-2"))[0] == "email suppressed"
    assert len(mail_world.mailbox.mails) == 1
    agent, publisher = await caller("agent"), await caller("publisher")
    _, order = await agent.get("/v1/orders/device_pickup/M-2")
    (line,) = order["suppressions"]
    assert (line["channel"], line["address"], line["why"]) == ("email", "asha@example.com", "bounced 5.1.1")
    assert (await agent.get("/v1/suppressions?recipient=Asha@example.com"))[1]["suppressions"][0][
        "why"
    ] == "bounced 5.1.1"
    assert (await publisher.get("/v1/suppressions?recipient=asha@example.com"))[0] == 403
    assert (await agent.get("/v1/suppressions"))[0] == 400
    status, _ = await agent.call("DELETE", "/v1/suppressions?channel=email&recipient=asha@example.com")
    assert status == 200
    await mailed(mail_world, "M-3")
    assert await state_of(mail_world, "M-3") == ["email sent"]
    _, order = await agent.get("/v1/orders/device_pickup/M-3")
    assert order["suppressions"] == []


@pytest.mark.parametrize("protocol", ["smtp"])
async def test_soft_bounces_deliveries_and_replies_are_told_apart(mail_world: World) -> None:
    mail = await mailed(mail_world)
    await deliver(mail_world, mail.sender, dsn("delayed", "4.4.1"))
    assert await state_of(mail_world) == ["email sent"]
    assert "message_delayed" in await kinds(mail_world)
    reply_to = str(mail.message["Reply-To"])
    await deliver(mail_world, reply_to, plain("Out of office", "I am away", Auto_Submitted="auto-replied"))
    assert "message_replied" not in await kinds(mail_world)
    await deliver(mail_world, reply_to, plain("Re: Your order", "my secret text"))
    assert "message_replied" in await kinds(mail_world)
    assert "reply_received" in await kinds(mail_world)
    assert "my secret text" not in str(await mail_world.view("M-1"))
    await deliver(mail_world, mail.sender, dsn("relayed", "2.0.0"))
    assert await state_of(mail_world) == ["email sent"]
    await deliver(mail_world, mail.sender, dsn("delivered", "2.0.0"))
    assert await state_of(mail_world) == ["email delivered"]
    await deliver(mail_world, mail.sender, dsn("failed", "5.2.2"))
    assert await state_of(mail_world) == ["email delivered"]


def answered(said: str, sender: str = "Asha <asha@example.com>", name: str = "<y@example.com>") -> bytes:
    """A reply as mail programs write it: above what it answers."""
    quoted = "On Mon, 2 Mar 2026 at 12:00, Stagebell wrote:\r\n> Do you say no? Cancel?\r\n> No, thanks"
    head = f"From: {sender}\r\nMessage-ID: {name}\r\nSubject: Re: Your price"
    return f"{head}\r\n\r\n{said}\r\n\r\n{quoted}\r\n".encode()


async def test_a_price_is_confirmed_by_a_word_in_a_mail_once_and_by_nobody_elses(mail_world: World) -> None:
    published: list[tuple[str, str]] = []
    publish = mail_world.app.broker.publish

    async def keep(messages: Sequence[BrokerMessage]) -> list[bool]:
        published.extend((m.routing_key, m.message_id) for m in messages if m.exchange == "replies")
        return await publish(messages)

    mail_world.app.broker.publish = keep  # type: ignore[method-assign]
    price = {"amount": "12500.00", "currency": "INR"}
    await mail_world.accept(event("M-1", "inspection_completed", recipients={"customer": CUSTOMER}, price=price))
    await mail_world.settled()
    reply_to = str(mail_world.mailbox.mails[-1].message["Reply-To"])
    # Whoever it was passed on to may say what they like; a person reads it.
    await deliver(mail_world, reply_to, answered("Yes", "Ravi <ravi@example.org>", "<other@example.org>"))
    for _ in range(2):
        await deliver(mail_world, reply_to, answered("Yes, please!\r\n\r\n-- \r\nAsha"))
    await mail_world.settled()
    assert [key for key, _ in published] == ["reply.device_pickup.none", "reply.device_pickup.confirm_price"]
    assert [k for k in await kinds(mail_world) if k.startswith("reply_")] == ["reply_received"] * 2


async def test_what_is_said_by_mail_is_kept_whoever_says_it_and_whatever_is_forgotten_by_now(
    mail_world: World, caller: Caller
) -> None:
    mail = await mailed(mail_world)
    reply_to = str(mail.message["Reply-To"])
    below = b"From: asha@example.com\r\nMessage-ID: <1@x>\r\n\r\nOn Mon, 2 Mar 2026 Stagebell wrote:\r\n> Is it you?\r\n\r\nIt is me.\r\n"
    # Some servers change the case of what stands before the @, of what they take and of what they send.
    await deliver(mail_world, reply_to.upper(), below.replace(b"asha@example", b"ASHA@EXAMPLE"))
    await deliver(mail_world, reply_to, answered("Ring twice", "bob@example.org", "<2@x>"))
    await deliver(mail_world, reply_to, b"Message-ID: <3@x>\r\n\r\nwho am I\r\n")
    agent = await caller("agent")
    _, talk = await agent.get("/v1/orders/device_pickup/M-1/conversation")
    assert [m["text"] for m in talk["messages"]] == [
        "It is me.", "[bob@example.org]\nRing twice", "[nobody named]\nwho am I",
    ]  # fmt: skip
    async with mail_world.ledger.transaction() as tx:
        await tx.execute(messages.delete())
    for sender, said in (("Asha <asha@example.com>", "thanks for all"), ("eve@example.com", "hello?")):
        await deliver(mail_world, reply_to, answered(said, sender, f"<{sender[:3]}@y>"))
    _, talk = await agent.get("/v1/orders/device_pickup/M-1/conversation")
    assert talk["messages"][-1]["text"] == "thanks for all"
    _, tray = await agent.get("/v1/conversations")
    assert [(u["name"], u["text"]) for u in tray["unmatched"]] == [("eve@example.com", "hello?")]


async def test_one_mail_to_two_orders_is_said_in_both(mail_world: World, caller: Caller) -> None:
    addresses = [str((await mailed(mail_world, o)).message["Reply-To"]) for o in ("M-1", "M-2")]
    for address in (*addresses, *addresses):
        await deliver(mail_world, address, answered("I am away on Monday"))
    agent = await caller("agent")
    for order_id in ("M-1", "M-2"):
        _, talk = await agent.get(f"/v1/orders/device_pickup/{order_id}/conversation")
        assert [m["text"] for m in talk["messages"]] == ["I am away on Monday"]


async def test_a_full_mailbox_is_no_reason_to_write_never_again(mail_world: World) -> None:
    mail = await mailed(mail_world)
    await deliver(mail_world, mail.sender, dsn("failed", "5.2.2"))
    await mail_world.settled()
    assert await state_of(mail_world) == ["email undelivered", "sms sent"]
    await mailed(mail_world, "M-2")
    assert await state_of(mail_world, "M-2") == ["email sent"]


async def test_a_mail_that_comes_back_because_of_us_calls_people_and_silences_nobody(mail_world: World) -> None:
    mail = await mailed(mail_world)
    report = dsn("failed", "5.7.1", "smtp; 550 5.7.1 sender is blocked, ask bob@mx.example")
    await deliver(mail_world, mail.sender, report)
    await mail_world.settled()
    assert await state_of(mail_world) == ["email undelivered", "sms sent"]
    await mail_world.until(lambda: _told(mail_world, ["opened"]))
    (refusal,) = mail_world.app.health.known()
    assert (refusal.channel, refusal.provider) == ("email", mail_world.app.routes["email"].providers[0].name)
    assert "accepts messages to example.com but does not deliver them because of us" in refusal.in_words
    assert refusal.in_words.endswith("(5.7.1: the mail came back: 5.7.1 sender is blocked, ask …)")
    assert not refusal.holds_back
    # The reader is written to as before, over the only relay there is.
    assert (await mail_world.view("M-1"))["suppressions"] == []
    await mailed(mail_world, "M-2")
    assert await state_of(mail_world, "M-2") == ["email sent"]
    mail_world.clock.advance(minutes=15, seconds=30)
    await mail_world.until(lambda: not mail_world.app.health.known())


async def _told(world: World, kinds: list[str]) -> bool:
    async with world.ledger.reading() as tx:
        query = (
            select(escalation_stream.c.kind)
            .where(escalation_stream.c.reason == "provider_refused")
            .order_by(escalation_stream.c.seq)
        )
        return [k for k in (await tx.execute(query)).scalars() if k != "reminded"] == kinds


async def test_a_mailbox_that_is_refused_at_once_as_unknown_is_left_alone_until_an_agent_lifts_it(
    mail_world: World, caller: Caller
) -> None:
    mail_world.mailbox.refuse_rcpt = lambda _to: "550 5.1.1 <asha@example.com>: User unknown"
    await mail_world.accept(event("M-1", "created", recipients={"customer": CUSTOMER}))
    await mail_world.settled()
    assert await state_of(mail_world) == ["email failed", "sms sent"]
    mail_world.mailbox.refuse_rcpt = lambda _to: None
    await mail_world.accept(event("M-2", "created", recipients={"customer": CUSTOMER}))
    await mail_world.settled()
    assert (await state_of(mail_world, "M-2"))[0] == "email suppressed"
    agent = await caller("agent")
    _, order = await agent.get("/v1/orders/device_pickup/M-2")
    (line,) = order["suppressions"]
    assert (line["channel"], line["address"], line["why"]) == ("email", "asha@example.com", "bounced 5.1.1")
    assert (await agent.call("DELETE", "/v1/suppressions?channel=email&recipient=asha@example.com"))[0] == 200
    await mailed(mail_world, "M-3")
    assert await state_of(mail_world, "M-3") == ["email sent"]
    # A mailbox that is only full, and a no that gives no such reason, silence nobody.
    for n, said in enumerate(("552 5.2.2 mailbox full", "550 no such user here"), 4):
        mail_world.mailbox.refuse_rcpt = lambda _to, said=said: said  # type: ignore[misc]
        await mail_world.accept(event(f"M-{n}", "created", recipients={"customer": CUSTOMER}))
        await mail_world.settled()
        assert await state_of(mail_world, f"M-{n}") == ["email failed", "sms sent"]


async def test_a_copy_that_the_reader_sends_on_elsewhere_is_no_matter_of_ours(mail_world: World) -> None:
    mail = await mailed(mail_world)
    ours = b"Final-Recipient: rfc822; asha@example.com\r\nAction: delivered\r\nStatus: 2.1.5\r\n\r\n"
    report = dsn("failed", "5.1.1").replace(b"rfc822; asha@example.com", b"rfc822; asha@home.example")
    await deliver(mail_world, mail.sender, report.replace(b"Final-Recipient", ours + b"Final-Recipient"))
    assert await state_of(mail_world) == ["email delivered"]
    assert (await mail_world.view("M-1"))["suppressions"] == []


def passed_on(content: bytes) -> bytes:
    """A mail that Outlook.com's reader called spam, as it is passed on."""
    return (
        b"From: staff@hotmail.com\r\nSubject: complaint about message from 192.0.2.1\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(content) + b"--b--\r\n"
    )


async def test_a_complaint_without_a_report_and_in_base64_counts(mail_world: World) -> None:
    mail = await mailed(mail_world)
    content = passed_on(mail.message.as_bytes())
    await deliver(mail_world, f"abuse@{HOME}", content.replace(b"complaint about message from", b"Fwd: question to"))
    assert (await mail_world.view("M-1"))["suppressions"] == []
    await deliver(mail_world, f"abuse@{HOME}", content)
    (line,) = (await mail_world.view("M-1"))["suppressions"]
    assert line["why"] == "complained of spam"


async def test_who_complains_gets_no_more_mail(mail_world: World) -> None:
    mail = await mailed(mail_world)
    complaint = arf("abuse").replace(
        b"Feedback-Type: abuse\r\n", f"Feedback-Type: abuse\r\nOriginal-Mail-From: <{mail.sender}>\r\n".encode()
    )
    forged = complaint.replace(mail.sender.encode(), mail.sender.replace("a", "b").encode())
    await deliver(mail_world, f"complaints@{HOME}", forged)
    assert (await mail_world.view("M-1"))["suppressions"] == []
    await deliver(mail_world, f"complaints@{HOME}", complaint)
    (line,) = (await mail_world.view("M-1"))["suppressions"]
    assert line["why"] == "complained of spam"
    assert await state_of(mail_world) == ["email sent"]
    assert {"message_complained", "opted_out"} <= set(await kinds(mail_world))


@pytest.mark.parametrize("protocol", ["lmtp", "smtp"])
async def test_only_signed_addresses_are_taken_one_a_mail(mail_world: World) -> None:
    mail = await mailed(mail_world)
    foreign = mail_token(Keyring("another key"), "bounce", new_uuid())
    token = mail.sender.partition("+")[2].partition("@")[0]
    for nobody in (
        f"bounce+{foreign}@{HOME}", f"reply+{token}@{HOME}", f"bounce+@{HOME}", f"orders@{HOME}",
        f"bounce+{token}@elsewhere.example",
    ):  # fmt: skip
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            await deliver(mail_world, nobody, dsn("failed", "5.1.1"))
        assert next(iter(refused.value.recipients.values()))[0] == 550
    # Three bits of a token's last letter are spare; some letters beyond ASCII have a small form within it.
    spare = "abcdefghijklmnopqrstuvwxyz234567"
    odd = f"bounce+{token[:-1]}{spare[spare.index(token[-1]) ^ 1]}@{HOME}"
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await deliver(mail_world, odd, dsn("failed", "5.1.1"))
    assert await state_of(mail_world) == ["email sent"]
    with pytest.raises((smtplib.SMTPResponseException, smtplib.SMTPServerDisconnected)):
        await deliver(mail_world, mail.sender, b"x" * 6_000_000)
    assert await state_of(mail_world) == ["email sent"]


async def test_who_tries_out_addresses_is_let_go_and_the_postmaster_is_there(mail_world: World) -> None:
    host, port = mail_world.settings.mail_in.partition("://")[2].split(":")

    codes: list[int] = []

    def try_out() -> None:
        with smtplib.LMTP(host, int(port)) as client:
            client.ehlo()
            client.mail("")
            with contextlib.suppress(smtplib.SMTPServerDisconnected):
                while len(codes) < 40:
                    codes.append(client.rcpt(f"bounce+{'a' * 39}@{HOME}")[0])

    def postmaster() -> int:
        with smtplib.LMTP(host, int(port)) as client:
            client.ehlo()
            client.mail("")
            return client.rcpt("postmaster")[0]

    assert await asyncio.to_thread(postmaster) == 250
    await asyncio.to_thread(try_out)
    assert codes == [550] * 20 + [421]


async def test_a_bounce_with_long_lines_is_taken_and_a_bombed_address_keeps_a_history_of_bounded_length(
    mail_world: World,
) -> None:
    mail = await mailed(mail_world)
    reply_to = str(mail.message["Reply-To"])
    async with mail_world.ledger.transaction() as connection:
        long = history_line("replied", NOON, "before") * 1000
        await connection.execute(update(messages).values(history=messages.c.history + long))
    before = await kinds(mail_world)
    await deliver(mail_world, reply_to, plain("Re: Your order", "again"))
    after = await kinds(mail_world)
    assert sorted(after) == sorted([*before, "reply_received"]), "its order keeps what was said, the message is full"
    await deliver(mail_world, mail.sender, dsn("failed", "5.2.2").replace(b"Your mail", b"<p>" * 60_000))
    await mail_world.settled()
    assert await state_of(mail_world) == ["email undelivered", "sms sent"]


async def test_one_click_ends_mails_and_a_link_only_shows(mail_world: World, caller: Caller) -> None:
    mail = await mailed(mail_world)
    path = str(mail.message["List-Unsubscribe"]).strip("<>").removeprefix("https://track.example")
    anybody = await caller("")
    status, page = await anybody.get(path)
    assert status == 200
    assert "<form" in page
    await mailed(mail_world, "M-2")
    assert await state_of(mail_world, "M-2") == ["email sent"]
    status, _ = await anybody.call("POST", path, data={"List-Unsubscribe": "One-Click"})
    assert status == 200
    # RFC 8058, §3.2 has mail programs post it as multipart/form-data; it counts once.
    with aiohttp.MultipartWriter("form-data") as body:
        body.append("One-Click").set_content_disposition("form-data", name="List-Unsubscribe")
    assert (await anybody.call("POST", path, data=body))[0] == 200
    assert (await anybody.post(path))[0] == 200
    assert (await kinds(mail_world)).count("message_unsubscribed") == 1
    await mailed(mail_world, "M-3")
    assert (await state_of(mail_world, "M-3"))[0] == "email suppressed"
    assert (await anybody.post("/u/" + "a" * 39))[0] == 404
    assert (await anybody.get("/u/x"))[0] == 404
