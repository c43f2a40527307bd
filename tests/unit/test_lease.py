"""A send never outlives its lease: whatever providers do, and however many there are."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.channels.medium import Rendered
from service.channels.port import OutgoingMessage, SendResult
from service.dispatch.route import GRACE_S, ChannelRoute
from service.dispatch.worker import LEASE_MARGIN_S
from service.domain.notices import Accepted, Deferred, Lookup, NoAnswer, Permanent, Refused, Transient
from service.timekeeping import SteadyTime
from tests.support.examples import examples
from tests.support.ticks import Ticks

TIMEOUT_S: Final = 0.05
MESSAGE: Final = OutgoingMessage("n-1", "+919812345678", Rendered(text="hello"), 60, "")
ANSWERS: Final = (
    Accepted("p"),
    Transient("p", "connect", "no"),
    Transient("p", "429", "no", 1.0, pause=True),
    Permanent("p", "1", "no"),
    Permanent("p", "1", "no", "unable"),
    Refused("p", "1", "no"),
    Refused("p", "1", "no", "destination"),
    NoAnswer("p", "no"),
)
RAISED: Final = (
    ValueError("+919812345678"), UnicodeEncodeError("ascii", "ö", 0, 1, "no"), OSError("no"), TimeoutError(),
    asyncio.CancelledError(), RecursionError(), MemoryError(), ExceptionGroup("many", [KeyError("x")]),
)  # fmt: skip


class Wild:
    """A provider that behaves as it was told: answers, raises, hangs, drips, or swallows its cancelling."""

    def __init__(self, name: str, behaviour: object) -> None:
        self.name = self.sender = name
        self.behaviour = behaviour
        self.running = 0

    async def send(self, message: OutgoingMessage) -> SendResult:
        self.running += 1
        try:
            return await self._behave()
        finally:
            self.running -= 1

    async def _behave(self) -> SendResult:
        match self.behaviour:
            case BaseException() as error:
                raise error
            case "hang":
                await asyncio.Event().wait()
            case "drip":
                while True:
                    await asyncio.sleep(TIMEOUT_S / 10)
            case "deaf":
                ends = time.monotonic() + TIMEOUT_S * 8
                while time.monotonic() < ends:
                    try:
                        await asyncio.sleep(ends - time.monotonic())
                    except asyncio.CancelledError:
                        continue
        if isinstance(self.behaviour, str):
            raise ValueError("late")
        return self.behaviour  # type: ignore[return-value]

    async def find(self, message: OutgoingMessage, others: frozenset[str]) -> Accepted | Lookup:
        return Lookup()

    async def close(self) -> None:
        pass


behaviours = st.one_of(st.sampled_from(ANSWERS), st.sampled_from(RAISED), st.sampled_from(["hang", "drip", "deaf"]))


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(behaviours, min_size=1, max_size=3), st.integers(1, 7))
async def test_no_send_outlives_its_lease(chosen: Sequence[object], sends: int) -> None:
    # The grace is a second in life; here all times are short.
    route = ChannelRoute("sms", [Wild(f"p{n}", b) for n, b in enumerate(chosen)], SteadyTime(), concurrent=10,
                  timeout_s=TIMEOUT_S, grace_s=TIMEOUT_S)  # fmt: skip
    async with Ticks() as took:
        answers = await asyncio.gather(*(route.send(MESSAGE) for _ in range(sends)))
    assert took.seconds < route.longest_s + LEASE_MARGIN_S / 30
    for answer, _ in answers:
        assert isinstance(answer, Accepted | Transient | Permanent | Refused | Deferred | NoAnswer)
    # No probe's place is left taken: each breaker opens again when its rest is over.
    for breaker in route._breakers.values():
        until = breaker.rest_until()
        assert breaker.permits(until or SteadyTime().now(), 1) == 1


def test_the_lease_is_longer_than_the_longest_send() -> None:
    for n in range(1, 6):
        route = ChannelRoute("sms", [Wild(f"p{i}", "hang") for i in range(n)], SteadyTime(), concurrent=1, timeout_s=20)
        assert route.longest_s == n * (20 + GRACE_S)


async def test_a_cancelled_send_frees_the_probe() -> None:
    route = ChannelRoute("sms", [Wild("p", "hang")], SteadyTime(), concurrent=1, timeout_s=20)
    breaker = route._breakers["p"]
    for _ in range(5):
        breaker.troubled(SteadyTime().now())
    breaker.ask_now()
    task = asyncio.create_task(route.send(MESSAGE))
    await asyncio.sleep(0.01)
    assert breaker.permits(SteadyTime().now(), 1) == 0, "the probe is on its way"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    until = breaker.rest_until()
    assert until is not None
    assert breaker.permits(until, 1) == 1
