"""A real Postfix as relay and as receiving side: STARTTLS, AUTH, SMTPUTF8 on and off, a bounce that comes back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from service.channels.email.provider import SmtpProvider
from service.channels.medium import Rendered
from service.channels.port import OutgoingMessage
from service.domain.notices import Accepted, Permanent, Refused
from tests.integration.test_mail_in import HOME, pack_with
from tests.support.events import event
from tests.support.ports import free_port
from tests.support.postfix import Postfix
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for

SENDER = "Cedar <orders@stagebell.example>"


@pytest.fixture(scope="module")
def lmtp_port() -> int:
    """Where the service takes what Postfix hands on."""
    return free_port()


@pytest.fixture(scope="module")
def postfix(lmtp_port: int) -> Iterator[Postfix]:
    """A Postfix with SMTPUTF8."""
    node = Postfix(lmtp_port)
    yield node
    node.close()


@pytest.fixture(autouse=True)
def trusted(postfix: Postfix, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its certificate, as an operator would make it known."""
    monkeypatch.setenv("SSL_CERT_FILE", str(postfix.certificate))


@pytest.fixture
async def world(
    sqlite_url: str, providers: Providers, mailbox: Mailbox, postfix: Postfix, lmtp_port: int
) -> AsyncIterator[World]:
    """The service with that relay, and the port for what comes back."""
    more: dict[str, Any] = {"mail_in": f"lmtp://127.0.0.1:{lmtp_port}", "mail_domain": HOME, "smtp_url": postfix.url()}
    more |= {"database_url": sqlite_url, "workflows": str(pack_with("{channels: [email]}"))}
    running = World(settings_for(providers, mailbox, **more), providers, mailbox)
    await running.start()
    yield running
    await running.close()


def message(address: str) -> OutgoingMessage:
    return OutgoingMessage("n-1", address, Rendered("Your order is here.", "Your order"), 3600, "")


async def test_a_mail_arrives_and_one_that_cannot_comes_back_and_is_understood(world: World, postfix: Postfix) -> None:
    people = {"email": "asha@example.com"}, {"email": "nobody@gone.example", "phone": "+919812345678"}
    for n, person in enumerate(people, 1):
        await world.accept(event(f"P-{n}", "created", recipients={"customer": person}))
    await world.until(lambda: postfix.received("asha"), "the mail is in the mailbox")
    (mail,) = postfix.received("asha")
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in mail
    assert b"Return-Path: <bounce+" in mail

    async def came_back() -> bool:
        return ("order_created", "undelivered") in await world.messages("P-2", "email")

    await world.until(came_back, "the bounce came back")
    await world.settled()
    assert await world.messages("P-2") == [("order_created", "undelivered"), ("order_created", "sent")]
    (line,) = (await world.view("P-2"))["suppressions"]
    assert line["why"] == "bounced 5.1.1"
    assert await world.messages("P-1") == [("order_created", "sent")]


async def test_its_answers_are_understood(postfix: Postfix, monkeypatch: pytest.MonkeyPatch) -> None:
    way = SmtpProvider(postfix.url(), SENDER, 10)
    unknown = await way.send(message("nobody@example.com"))
    assert isinstance(unknown, Permanent)
    assert unknown.kind == "bad_address"
    assert isinstance(await way.send(message("jörg@example.com")), Accepted)
    for _ in range(100):
        if postfix.received("joerg"):
            break
        await asyncio.sleep(0.05)
    assert "To: jörg@example.com".encode() in postfix.received("joerg")[0]
    await way.close()
    wrong = await SmtpProvider(postfix.url("wrong"), SENDER, 10).send(message("asha@example.com"))
    assert isinstance(wrong, Refused)
    assert "535" in wrong.error
    plain = SmtpProvider(f"smtp://127.0.0.1:{postfix.port}", SENDER, 10)
    assert isinstance(await plain.send(message("asha@example.com")), Refused)
    stranger = SmtpProvider(f"smtp+starttls://127.0.0.1:{postfix.port}", SENDER, 10)
    denied = await stranger.send(message("asha@elsewhere.example"))
    assert isinstance(denied, Refused)
    assert "Relay access denied" in denied.error
    await stranger.close()
    monkeypatch.delenv("SSL_CERT_FILE")
    untrusted = await SmtpProvider(postfix.url(), SENDER, 10).send(message("asha@example.com"))
    assert isinstance(untrusted, Refused)
    assert "certificate" in untrusted.error


@pytest.mark.long
async def test_without_smtputf8_an_address_beyond_ascii_is_a_definite_no(
    lmtp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await asyncio.to_thread(Postfix, lmtp_port, smtputf8=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(node.certificate))
    way = SmtpProvider(node.url(), SENDER, 10)
    answer = await way.send(message("jörg@example.com"))
    assert isinstance(answer, Permanent)
    assert answer.kind == "unable"
    assert isinstance(await way.send(message("asha@example.com")), Accepted)
    await way.close()
    await asyncio.to_thread(node.close)
