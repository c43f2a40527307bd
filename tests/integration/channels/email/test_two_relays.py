"""Two mail relays, and the first is refused, hangs, recovers and is refused again: nothing is lost, doubled or late."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.dispatch.breaker import OPENS_AFTER
from service.telemetry import metrics
from tests.integration.channels.twilio.test_two_accounts import announced, counted, is_resolved
from tests.integration.conftest import Caller
from tests.support.events import event
from tests.support.packs import copied
from tests.support.providers import Mailbox, Providers
from tests.support.relay import CLOSE, HANG, Relay
from tests.support.world import World, settings_for

pytestmark = pytest.mark.any_database

# A relay that wants none of our mail, by what it says where (RFC 5321, RFC 3463; Postfix's words).
REFUSALS = (
    {"connect": "554 5.7.1 no service for your host"},
    {"AUTH": "535 5.7.8 authentication failed"},
    {"MAIL": "550 5.7.1 sender address rejected: not owned by user"},
    {"RCPT": "554 5.7.1 Relay access denied"},
)
SILENCES = ({"connect": HANG, "RSET": HANG}, {"MAIL": HANG}, {"RCPT": HANG}, {"body": HANG})
WELL: tuple[dict[str, str], ...] = ({}, {}, {}, {})
ALL_MOODS = (*REFUSALS, *SILENCES, *WELL, *REFUSALS)
SOME_MOODS = (REFUSALS[0], REFUSALS[3], SILENCES[0], SILENCES[3], WELL[0], REFUSALS[1], REFUSALS[2])


@pytest.fixture(scope="session")
def codes_by_mail() -> Path:
    """A pack in which a code may go by mail."""
    packs = copied("device_pickup")
    pack = packs / "device_pickup" / "workflow.yaml"
    before = "payment_otp_sent:\n    channels: [sms, whatsapp, push]"
    text = pack.read_text()
    assert before in text
    pack.write_text(text.replace(before, before.replace("push]", "push, email]")))
    for locale in ("en", "hi"):
        mail = pack.with_name(locale) / "payment_otp_sent.email.j2"
        mail.write_text(
            "{% extends layout %}{% block subject %}Your code{% endblock %}\n{% block body %}{{ secrets.otp }}"
            "{% endblock %}{% block action %}See your order{% endblock %}\n"
        )
    return packs


@pytest.fixture
async def relays() -> AsyncIterator[tuple[Relay, Relay]]:
    """The first, and the one that stands in."""
    both = (Relay(), Relay())
    for relay in both:
        await relay.start()
    yield both
    for relay in both:
        await relay.close()


def ways(relays: tuple[Relay, Relay]) -> dict[str, str]:
    """The settings for both, with a login, so that AUTH is spoken."""
    first, second = (r.url.replace("//", "//us:pass@") for r in relays)
    return {"smtp_url": first, "smtp_backup_url": second}


async def told(world: World, numbers: range) -> None:
    """One order a number; every fifth is told a code."""
    for n in numbers:
        customer = {"customer": {"email": f"c{n}@example.com", "locale": "en"}}
        if n % 5:
            await world.accept(event(f"M-{n}", "created", recipients=customer))
            continue
        secrets = {"otp": {"value": f"{n:06d}", "expires": (world.clock.now() + timedelta(minutes=10)).isoformat()}}
        await world.accept(event(f"M-{n}", "payment_initiated", recipients=customer, secrets=secrets))


@pytest.mark.uninterrupted
@pytest.mark.parametrize(
    ("moods", "each"), [(SOME_MOODS, 3), pytest.param(ALL_MOODS, 63, marks=pytest.mark.long)], ids=["21", "1008"]
)
async def test_a_moody_relay_costs_nothing(
    parts: dict[str, Any],
    providers: Providers,
    mailbox: Mailbox,
    relays: tuple[Relay, Relay],
    codes_by_mail: Path,
    moods: tuple[dict[str, str], ...],
    each: int,
) -> None:
    first, second = relays
    settings = settings_for(
        providers, mailbox, provider_timeout=2.0, workflows=codes_by_mail, **ways(relays), **parts
    )  # fmt: skip
    orders = len(moods) * each
    world = World(settings, providers, mailbox)
    await world.start()
    try:
        for n, mood in enumerate(moods):
            first.says = mood
            if mood in REFUSALS:
                first.hang_up()
            world.clock.advance(seconds=61)
            await told(world, range(n * each, (n + 1) * each))
            await world.settled()
        first.says = {}
        # Only a mail can find out that it works again.
        for n in range(orders + 1, orders + 5):
            await world.move(seconds=61)
            await told(world, range(n, n + 1))
            await world.settled()

        async def all_out() -> bool:
            found = await counted(world, "email")
            return set(found) == {"sent"} and found["sent"] == orders + 4

        await world.until(all_out)
        await world.until(lambda: is_resolved(world))
        taken = Counter(m.to for relay in relays for m in relay.accepted())
        assert len(taken) == orders + 4
        assert max(taken.values()) == 1
        told_of = await announced(world)
        assert len({incident for _, incident in told_of}) == 1
        assert Counter(kind for kind, _ in told_of)["opened"] == 1
        assert first.accepted()
        assert second.accepted()
    finally:
        await world.close()


@pytest.fixture
async def two_relays(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox, relays: tuple[Relay, Relay]
) -> AsyncIterator[World]:
    """A service with both."""
    w = World(settings_for(providers, mailbox, **ways(relays), **parts), providers, mailbox)
    await w.start()
    yield w
    await w.close()


@pytest.fixture
async def world(two_relays: World) -> World:
    """The callers' one too."""
    return two_relays


async def report_to(world: World, caller: Caller, address: str) -> None:
    supervisor = await caller("supervisor")
    order = {"workflow": "marketing_services", "report": "orders", "email": address, "every": "now"}
    assert (await supervisor.post("/v1/subscriptions", order))[0] == 202


async def test_a_report_goes_by_the_second_relay_and_people_hear_of_the_first(
    world: World, caller: Caller, relays: tuple[Relay, Relay]
) -> None:
    first, second = relays
    first.says = REFUSALS[2]
    await report_to(world, caller, "boss@example.com")
    await world.settled()
    assert [m.to for m in second.accepted()] == ["<boss@example.com>"]

    async def is_announced() -> bool:
        return [kind for kind, _ in await announced(world)] == ["opened"]

    await world.until(is_announced, "an incident, as of messages")


async def test_a_report_waits_for_a_relay_that_can_carry_it(
    world: World, caller: Caller, relays: tuple[Relay, Relay]
) -> None:
    await report_to(world, caller, "jörg@example.com")
    await world.until(lambda: all(r.connections for r in relays), "both were asked")
    assert not any(r.mails for r in relays)
    # RFC 6531: from now on this one takes addresses in other scripts.
    relays[1].offers = (*relays[1].offers, "SMTPUTF8")
    relays[1].hang_up()

    async def is_taken() -> bool:
        await world.pass_time(seconds=30)
        return len(relays[1].accepted()) == 1

    await world.until(is_taken, "tried again until it is taken")
    await world.settled()
    assert not relays[0].mails


async def test_a_report_whose_reader_is_unknown_is_given_up_and_counted(
    world: World, caller: Caller, relays: tuple[Relay, Relay]
) -> None:
    before = metrics.relay_given_up.labels("mail")._value.get()
    relays[0].says = {"RCPT": "550 5.1.1 User unknown"}
    await report_to(world, caller, "gone@example.com")
    await world.settled()
    assert metrics.relay_given_up.labels("mail")._value.get() == before + 1
    assert not relays[1].connections


async def test_a_mail_that_the_relay_cannot_carry_as_probe_opens_the_way_for_others(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox, relays: tuple[Relay, Relay]
) -> None:
    """Only mails in other scripts wait as it comes back: the probe ends as one of them, and its place is free again."""
    relay, _ = relays
    world = World(settings_for(providers, mailbox, smtp_url=relay.url, **parts), providers, mailbox)
    await world.start()
    try:
        (provider,) = world.app.routes["email"].providers
        relay.says = {"connect": CLOSE}
        for n in range(OPENS_AFTER):
            customer = {"customer": {"email": f"jörg{n}@example.com", "locale": "en"}}
            await world.accept(event(f"J-{n}", "created", recipients=customer))
            await world.settled()
        assert world.app.routes["email"].is_open(provider)
        relay.says = {}
        await world.move(seconds=61)
        await told(world, range(1, 4))

        async def are_sent() -> bool:
            await world.pass_time(seconds=5)
            return (await counted(world, "email")).get("sent") == 3

        await world.until(are_sent, "without a restart")
        assert sorted(m.to for m in relay.accepted()) == [f"<c{n}@example.com>" for n in range(1, 4)]
        assert not world.app.routes["email"].is_open(provider)
    finally:
        await world.close()
