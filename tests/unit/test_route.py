"""A channel's rate limit: so many at once, then as fast as the limit lets more pass."""

import pytest

from service.channels.capture import CaptureProvider
from service.channels.medium import Rendered
from service.channels.port import OutgoingMessage, SendResult
from service.dispatch.route import ChannelRoute
from service.domain.notices import Accepted, Deferred, Lookup, Permanent, Refused, Transient
from service.timekeeping import ManualTime
from tests.support.events import NOON

MESSAGE = OutgoingMessage("n-1", "+919812345678", Rendered(text="hello"), 60, "")


async def test_no_more_are_begun_than_the_rate_lets_pass() -> None:
    route = ChannelRoute("sms", [CaptureProvider()], ManualTime(NOON), concurrent=60, per_second=0.5)
    assert route.permits(60) == 1
    assert route.until_admitted() == 0
    assert await route.send(MESSAGE) == (Accepted("capture", "n-1"), "capture")
    assert route.permits(60) == 0
    assert route.until_admitted() == 2
    assert ChannelRoute("sms", [CaptureProvider()], ManualTime(NOON), concurrent=60, per_second=7).permits(60) == 7
    assert ChannelRoute("sms", [CaptureProvider()], ManualTime(NOON), concurrent=60).permits(60) == 60


class Scripted:
    """A provider that gives one answer."""

    def __init__(self, name: str, answer: SendResult) -> None:
        self.name = self.sender = name
        self.answer = answer

    async def send(self, message: OutgoingMessage) -> SendResult:
        return self.answer

    async def find(self, message: OutgoingMessage, others: frozenset[str]) -> Lookup:
        return Lookup()

    async def close(self) -> None:
        pass


UNABLE = Permanent("b", "smtputf8", "no SMTPUTF8", "unable")
DOWN = Transient("a", "connect", "refused")
GREYLISTED = Transient("b", "450", "greylisted", 300.0)
REFUSES = Refused("a", "535", "no")


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (DOWN, UNABLE, DOWN),
        (REFUSES, UNABLE, REFUSES),
        (UNABLE, DOWN, DOWN),
        (UNABLE, UNABLE, UNABLE),
        (DOWN, GREYLISTED, DOWN),
        (GREYLISTED, DOWN, DOWN),
        (GREYLISTED, GREYLISTED, GREYLISTED),
        (DOWN, REFUSES, REFUSES),
    ],
)
async def test_a_message_goes_on_with_whoever_may_take_it_soonest(
    first: SendResult, second: SendResult, kept: SendResult
) -> None:
    providers = [Scripted("a", first), Scripted("b", second)]
    route = ChannelRoute("email", providers, ManualTime(NOON), concurrent=10)
    answer, _ = await route.send(MESSAGE)
    assert answer == kept


@pytest.mark.parametrize("order", [1, -1])
async def test_what_one_relay_cannot_carry_waits_while_the_other_rests(order: int) -> None:
    clock = ManualTime(NOON)
    resting, unable = Scripted("a", REFUSES), Scripted("b", Transient("b", "450", "later"))
    route = ChannelRoute("email", [resting, unable][::order], clock, concurrent=10)
    await route.send(MESSAGE)
    assert route.is_open(resting)
    unable.answer = UNABLE
    answer, _ = await route.send(MESSAGE)
    assert isinstance(answer, Deferred)
    assert 0 < answer.at_least <= 30
    unable.answer = GREYLISTED
    answer, _ = await route.send(MESSAGE)
    assert isinstance(answer, Transient)
    assert 0 < answer.at_least <= 30, "the one that rests may be asked before"


async def test_a_backup_that_refused_us_is_asked_again_while_the_first_one_works() -> None:
    clock = ManualTime(NOON)
    first, backup = Scripted("a", REFUSES), Scripted("b", Refused("b", "535", "no"))
    route = ChannelRoute("email", [first, backup], clock, concurrent=10)
    await route.send(MESSAGE)
    assert route.is_open(first)
    assert route.is_open(backup)
    first.answer, backup.answer = Accepted("a"), Accepted("b")
    clock.advance(seconds=31)
    assert [(await route.send(MESSAGE))[0] for _ in range(3)] == [Accepted("a"), Accepted("b"), Accepted("a")]
    assert not route.is_open(backup)


async def test_a_code_tries_out_nobody_while_another_works() -> None:
    clock = ManualTime(NOON)
    first, backup = Scripted("a", Accepted("a")), Scripted("b", REFUSES)
    route = ChannelRoute("email", [backup, first], clock, concurrent=10)
    await route.send(MESSAGE)
    clock.advance(seconds=31)
    backup.answer = Accepted("b")
    code = OutgoingMessage("n-2", "+919812345678", Rendered(text="hello"), 60, "", urgent=True)
    assert (await route.send(code))[0] == Accepted("a")
    assert (await route.send(MESSAGE))[0] == Accepted("b")


async def test_what_another_process_found_to_work_is_left_alone_no_more() -> None:
    provider = Scripted("a", REFUSES)
    route = ChannelRoute("email", [provider], ManualTime(NOON), concurrent=10)
    await route.send(MESSAGE)
    assert route.is_left_alone(provider)
    route.ask_now("a", "")
    assert not route.is_left_alone(provider)
    assert route.permits(10) == 1


async def test_a_message_that_nobody_was_asked_for_waits_no_longer_than_another_process_may_need() -> None:
    clock = ManualTime(NOON)
    provider = Scripted("a", REFUSES)
    route = ChannelRoute("push", [provider], clock, concurrent=10)
    for _ in range(6):
        await route.send(MESSAGE)
        clock.advance(seconds=301)
    await route.send(MESSAGE)
    answer, _ = await route.send(MESSAGE)
    assert isinstance(answer, Deferred)
    assert answer.at_least == 30
