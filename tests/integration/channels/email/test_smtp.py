"""A relay that refuses, hangs, drips, closes: what is known of the mail, within its time, on real connections."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.channels.email.provider import SmtpProvider
from service.channels.medium import Rendered
from service.channels.port import OutgoingMessage
from service.dispatch.route import ChannelRoute
from service.domain.notices import Accepted, NoAnswer, Permanent, Refused, Transient
from service.timekeeping import ManualTime
from tests.support.events import NOON
from tests.support.examples import examples
from tests.support.relay import CLOSE, DRIP, HANG, Relay
from tests.support.ticks import Ticks

SENDER = "Cedar <orders@cedar.example>"
STEPS = ("connect", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "body")


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """A relay of our own."""
    made = Relay()
    await made.start()
    yield made
    await made.close()


def message(address: str = "asha@example.com") -> OutgoingMessage:
    return OutgoingMessage("0190-n", address, Rendered("Your order is here.\n.\nBye", "Your order"), 3600, "")


def provider(relay: Relay, timeout_s: float = 5.0, sender: str = SENDER, user: str = "", **more: float) -> SmtpProvider:
    return SmtpProvider(relay.url.replace("//", f"//{user}"), sender, timeout_s, **more)


async def test_each_step_refused_goes_to_the_next_relay_but_a_reader_that_is_unknown(relay: Relay) -> None:
    second = Relay()
    await second.start()
    refusals = {
        "connect": "554 no service here",
        "EHLO": "550 5.7.1 no",
        "AUTH": "535 5.7.8 wrong password",
        "MAIL": "550 5.1.8 Access denied, bad outbound sender",
        "RCPT": "554 5.7.1 Relay access denied",
        "body": "554 Message rejected: Email address is not verified",
    }
    for n, (step, said) in enumerate(refusals.items(), 1):
        relay.says = {step: said}
        if step == "EHLO":
            relay.says["HELO"] = said
        ways = [provider(relay, user="user:password@"), provider(second)]
        route = ChannelRoute("email", ways, ManualTime(NOON), concurrent=5)
        answer, sender = await route.send(message())
        assert isinstance(answer, Accepted), step
        assert answer.provider == ways[1].name != ways[0].name
        assert sender == "orders@cedar.example"
        assert len(second.accepted()) == n
        assert isinstance(await ways[0].send(message()), Refused)
        await route.close()
    relay.says = {"RCPT": "550 5.1.1 User unknown"}
    route = ChannelRoute("email", [provider(relay), provider(second)], ManualTime(NOON), concurrent=5)
    answer, _ = await route.send(message())
    assert answer == Permanent(provider(relay).name, "550", "SMTP 550 5.1.1 User unknown", "bad_address", "5.1.1")
    assert len(second.accepted()) == len(refusals)
    await route.close()
    await second.close()


async def test_any_yes_at_rcpt_is_one_and_who_is_out_of_step_is_not_asked_again_there(relay: Relay) -> None:
    way = provider(relay)
    for said in ("250 2.1.5 Ok", "251 2.1.5 will forward", "252 2.5.0 cannot verify", "259 yes"):
        relay.says = {"RCPT": said}
        assert isinstance(await way.send(message()), Accepted), said
    assert relay.connections == 1
    for n, (step, said) in enumerate({"MAIL": "354 go on", "RCPT": "354 go on", "DATA": "250 2.0.0 Ok"}.items(), 1):
        relay.says = {step: said}
        answer = await way.send(message())
        assert isinstance(answer, Transient), step
        assert answer.error.startswith("an unexpected answer")
        relay.says = {}
        assert isinstance(await way.send(message()), Accepted)
        assert relay.connections == 1 + n
    assert len(relay.accepted()) == 7
    await way.close()


async def test_a_password_is_never_repeated(relay: Relay) -> None:
    relay.says = {"AUTH": "535 5.7.8 wrong password hunter2 for cedar-app"}
    answer = await provider(relay, user="cedar-app:hunter2@").send(message())
    assert isinstance(answer, Refused)
    assert "hunter2" not in answer.error
    assert "cedar-app" not in answer.error
    relay.offers = ("8BITMIME",)
    answer = await provider(relay, user="cedar-app:hunter2@").send(message())
    assert isinstance(answer, Refused)
    assert "AUTH" in answer.error


@pytest.mark.parametrize("step", STEPS)
async def test_silence_ends_in_time_and_only_after_the_mail_is_it_unknown(relay: Relay, step: str) -> None:
    relay.says = {step: HANG}
    way = provider(relay, timeout_s=0.4, user="user:password@")
    async with Ticks() as took:
        answer = await way.send(message())
    assert took.seconds < 1
    if step == "body":
        assert isinstance(answer, NoAnswer)
    else:
        assert isinstance(answer, Transient)
        assert answer.code == "connect"
        assert not relay.mails
    await way.close()


async def test_a_relay_that_drips_cannot_take_longer_in_all_than_one_that_hangs(relay: Relay) -> None:
    relay.says = dict.fromkeys(STEPS, DRIP)
    relay.drip_s = 0.15
    way = provider(relay, timeout_s=0.4, user="user:password@")
    async with Ticks() as took:
        assert isinstance(await way.send(message()), Transient)
    assert took.seconds < 0.8
    assert not relay.mails


async def test_ten_connections_that_died_in_silence_cost_one_wait(relay: Relay) -> None:
    way = provider(relay, timeout_s=2.0)
    relay.says = {"body": DRIP}
    assert {type(a) for a in await asyncio.gather(*(way.send(message()) for _ in range(10)))} == {Accepted}
    assert relay.connections == 10
    relay.says = {}
    relay.go_silent()
    async with Ticks() as took:
        assert isinstance(await way.send(message()), Accepted)
    assert took.seconds < 1
    assert isinstance(await way.send(message()), Accepted)
    assert relay.connections == 11
    await way.close()


async def test_a_connection_that_was_idle_for_long_is_not_used_again(relay: Relay) -> None:
    way = provider(relay, kept_for_s=0.05)
    await way.send(message())
    await way.send(message())
    assert relay.connections == 1
    await asyncio.sleep(0.1)
    await way.send(message())
    assert relay.connections == 2
    await way.close()


async def test_a_relay_that_ends_a_kept_connection_is_asked_again_on_a_new_one(relay: Relay) -> None:
    way = provider(relay)
    await way.send(message())
    for goodbye in ({"RSET": "421 4.4.2 timeout exceeded"}, {"RSET": CLOSE}):
        relay.says = goodbye
        assert isinstance(await way.send(message()), Accepted)
    await way.close()


async def test_a_send_that_waits_for_a_place_was_not_sent(relay: Relay) -> None:
    relay.says = {"body": HANG}
    way = provider(relay, timeout_s=0.5)
    answers = await asyncio.gather(*(way.send(message()) for _ in range(12)))
    assert {type(a) for a in answers} <= {NoAnswer, Transient}
    assert [type(a) for a in answers].count(NoAnswer) == len(relay.mails)
    await way.close()


async def test_lines_of_dots_arrive_as_they_were(relay: Relay) -> None:
    way = provider(relay)
    await way.send(message())
    assert b"\r\n..\r\nBye" in relay.mails[0].content
    await way.close()


async def test_addresses_beyond_ascii(relay: Relay) -> None:
    way = provider(relay)
    assert isinstance(await way.send(message("info@bücher.example")), Accepted)
    assert relay.mails[0].to == "<info@xn--bcher-kva.example>"
    answer = await way.send(message("jörg@example.com"))
    assert isinstance(answer, Permanent)
    assert "SMTPUTF8" in answer.error
    able = Relay(offers=("8BITMIME", "SMTPUTF8"))
    await able.start()
    other = provider(able)
    route = ChannelRoute("email", [way, other], ManualTime(NOON), concurrent=5)
    answer, _ = await route.send(message("jörg@bücher.example"))
    assert isinstance(answer, Accepted)
    assert "MAIL FROM:<orders@cedar.example> SMTPUTF8" in able.commands
    assert able.mails[0].to == "<jörg@xn--bcher-kva.example>"
    assert "To: jörg@xn--bcher-kva.example".encode() in able.mails[0].content
    await route.close()
    await able.close()


async def test_a_sender_beyond_ascii_needs_a_relay_that_can_carry_it(relay: Relay) -> None:
    answer = await provider(relay, sender="Jörg <jörg@cedar.example>").send(message())
    assert isinstance(answer, Refused)
    assert "EMAIL_FROM" in answer.error


async def test_tls_that_cannot_be_had_is_set_up_wrongly(relay: Relay) -> None:
    starttls = SmtpProvider(relay.url.replace("smtp:", "smtp+starttls:"), SENDER, 5.0)
    answer = await starttls.send(message())
    assert isinstance(answer, Refused)
    assert "STARTTLS" in answer.error
    plain = SmtpProvider(relay.url.replace("smtp:", "smtps:"), SENDER, 1.0)
    assert isinstance(await plain.send(message()), Refused | Transient)
    assert not relay.mails


BEHAVIOURS = st.dictionaries(
    st.sampled_from([*STEPS, "RSET", "HELO"]),
    st.one_of(
        st.sampled_from(
            [HANG, CLOSE, DRIP, "", "250", "999 ?", "no code", "2", "250-endless", "\x00\xff", "550 " + "x" * 9000]
        ),
        st.builds(lambda code: f"{code} said", st.integers(200, 599)),
    ),
    max_size=4,
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BEHAVIOURS, BEHAVIOURS)
async def test_whatever_a_relay_does_a_send_ends_in_its_time_with_what_is_true(
    first: dict[str, str], second: dict[str, str]
) -> None:
    relay = Relay(drip_s=0.03)
    await relay.start()
    way = provider(relay, timeout_s=0.15, user="user:password@")
    try:
        for says in (first, second):
            relay.says, before = says, len(relay.mails)
            async with Ticks() as took:
                answer = await way.send(message())
            assert took.seconds < 0.15 + 0.5
            heard = relay.mails[before:]
            if isinstance(answer, Accepted):
                assert heard[-1].accepted
            elif not isinstance(answer, NoAnswer):
                assert not any(m.accepted for m in heard)
    finally:
        await way.close()
        await relay.close()
