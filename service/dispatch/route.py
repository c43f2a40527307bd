"""How one channel reaches its readers: its providers in order of preference, each behind a breaker."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from aiolimiter import AsyncLimiter
from msgspec.structs import replace

from service.channels.port import OutgoingMessage, Provider, SendResult, chosen_sender, provider_of, route_name
from service.dispatch.breaker import Attempt, Breaker
from service.dispatch.destinations import destination_of
from service.dispatch.guarded import send_within
from service.dispatch.health import Health, SeenRefusal, Silent
from service.domain.notices import Accepted, Deferred, Lookup, NoAnswer, Permanent, Refused, Transient
from service.telemetry import metrics
from service.timekeeping import TimeSource

# No connection, or no token: the provider is out of reach.
CONNECTION_CODES: Final = frozenset({"connect", "token"})
# A message that is refused where others pass waits by itself.
REFUSED_ALONE_S: Final = 300.0
# Another process may find out before that a provider works again: nobody waits longer without looking.
LOOK_AGAIN_S: Final = 30.0
REMEMBERED: Final = 10_000
# A provider bounds itself, and knows best what its silence means: it is let go only after that.
GRACE_S: Final = 1.0


class ChannelRoute:
    """A channel's providers, its rate limit and its concurrency limit. `timeout_s`: what one provider may take."""

    def __init__(
        self,
        channel: str,
        providers: Sequence[Provider],
        clock: TimeSource,
        *,
        concurrent: int,
        per_second: float = 0.0,
        timeout_s: float = 20.0,
        grace_s: float = GRACE_S,
        health: Health | None = None,
    ) -> None:
        self.channel = channel
        self.providers = tuple(providers)
        self.concurrent = concurrent
        self.timeout_s = timeout_s
        self._grace_s = grace_s
        self._clock = clock
        self._health = health or Silent()
        # By provider; those of senders that brands choose come as they are used.
        self._breakers = {p.name: Breaker() for p in providers}
        # Of a provider that refuses us one country or mail domain; closed ones are let go.
        self._narrow: dict[tuple[str, str], Breaker] = {}
        # How much a provider had taken when it last refused this message: does it refuse us, or the message?
        self._refused_at: dict[tuple[str, str], int] = {}
        self._taken: Counter[str] = Counter()
        self._limiter = AsyncLimiter(max(1.0, per_second), max(1.0, per_second) / per_second) if per_second else None

    @property
    def longest_s(self) -> float:
        """No send takes longer, whatever the providers do: they are asked one after the other."""
        return (self.timeout_s + self._grace_s) * max(1, len(self.providers))

    def permits(self, wanted: int) -> int:
        """How many messages may be sent now."""
        now = self._clock.now()
        room = max((breaker.permits(now, wanted) for breaker in self._breakers.values()), default=0)
        while self._limiter and room > 0 and not self._limiter.has_capacity(room):
            room -= 1
        return room

    @property
    def is_probing(self) -> bool:
        """Whether no provider takes more than a probe now."""
        return all(breaker.is_open for breaker in self._breakers.values())

    @property
    def is_rated(self) -> bool:
        """Whether only so many may be sent a second."""
        return self._limiter is not None

    def opens_at(self) -> datetime | None:
        """When a provider may be tried again, while there is no room."""
        return min((t for b in self._breakers.values() if (t := b.rest_until())), default=None)

    def until_admitted(self) -> float:
        """Seconds until the rate limit lets one more message pass; 0 when it does, or there is none."""
        if self._limiter is None or self._limiter.has_capacity():
            return 0.0
        return float(self._limiter.time_period / self._limiter.max_rate)

    def is_open(self, provider: Provider) -> bool:
        """Whether this provider is left alone."""
        return self._breakers[provider.name].is_open

    def is_left_alone(self, provider: Provider) -> bool:
        """The same, unless another process has found out that it works: then the next message here may show it."""
        breaker = self._breakers[provider.name]
        return breaker.is_open and breaker.rest_until() is not None

    def ask_now(self, provider: str, scope: str) -> None:
        """Another process says that this provider works again: the next message finds out."""
        breaker = self._narrow.get((provider, scope)) if scope else self._breakers.get(provider)
        if breaker is not None:
            breaker.ask_now()

    async def send(self, message: OutgoingMessage) -> tuple[SendResult, str]:
        """Send by the first provider that may; a definite failure to reach it goes on to the next.

        Returns the answer and the sender that it is about, within `longest_s`.
        """
        deadline = time.monotonic() + self.longest_s
        if self._limiter:
            try:
                async with asyncio.timeout(self._grace_s):
                    await self._limiter.acquire()
            except TimeoutError:
                return Deferred("", "the channel's rate limit is reached"), ""
        answers: list[tuple[SendResult, str]] = []
        resting: list[str] = []
        where = destination_of(message.address)
        for provider in self._in_turn(message, where):
            way = route_name(provider, message)
            if self._resting(way, where):
                resting.append(way)
                continue
            answer = await self._ask(provider, way, where, message, deadline)
            sender = chosen_sender(provider, message) or provider.sender
            if not isinstance(answer, Transient | Refused) and not _is_unable(answer):
                return answer, sender
            answers.append((answer, sender))
        if resting or not answers:
            answers.append((self._deferred(where, resting), ""))
        return _hopeful(answers)

    def _in_turn(self, message: OutgoingMessage, where: str) -> Sequence[Provider]:
        """In order of preference; a code goes first by those that work.

        Who takes messages and then does not deliver them because of us is asked last: its yes is worth little.

        Anything else first asks one that refused us and whose rest is over: a backup would else be asked no more while
        the first one works, and be said to refuse us long after it was mended. Its no costs the message a moment.
        """
        if len(self.providers) == 1:
            return self.providers
        ways = {p.name: route_name(p, message) for p in self.providers}
        fails = {name for name, way in ways.items() if self._health.fails_later(self.channel, way, where)}
        if message.urgent:
            return sorted(self.providers, key=lambda p: (p.name in fails, self._breaker(ways[p.name]).is_open))
        now = self._clock.now()
        due = {name for name, way in ways.items() if (b := self._breaker(way)).is_refused and b.permits(now, 1)}
        return sorted(self.providers, key=lambda p: (p.name in fails, p.name not in due))

    def _breaker(self, way: str) -> Breaker:
        """A brand's sender has one of its own: that it is refused says nothing of the others."""
        found = self._breakers.get(way)
        return found or self._breakers.setdefault(way, Breaker())

    def _resting(self, way: str, where: str) -> bool:
        now = self._clock.now()
        narrow = self._narrow.get((way, where))
        return not self._breaker(way).permits(now, 1) or (narrow is not None and not narrow.permits(now, 1))

    async def _ask(
        self, provider: Provider, way: str, where: str, message: OutgoingMessage, deadline: float
    ) -> SendResult:
        narrow = self._narrow.get((way, where)) or Breaker()
        breaker = self._breaker(way)
        started = time.monotonic()
        now = self._clock.now
        with breaker.attempt(now) as whole, narrow.attempt(now) as part:
            left = deadline - started
            answer = await send_within(self.channel, provider, message, min(self.timeout_s + self._grace_s, left))
            metrics.provider_seconds.labels(self.channel, provider.name).observe(time.monotonic() - started)
            if way != provider.name:
                answer = replace(answer, provider=way)
            answer = self._learn(way, where, whole, part, answer, message)
        self._keep(way, where, narrow)
        metrics.breaker_open.labels(self.channel, way).set(breaker.is_open)
        return answer

    def _learn(
        self, name: str, where: str, whole: Attempt, part: Attempt, answer: SendResult, message: OutgoingMessage
    ) -> SendResult:
        """Tell the breakers; and the health of providers, what concerns people."""
        if isinstance(answer, NoAnswer) or (isinstance(answer, Transient) and answer.code in CONNECTION_CODES):
            part.unknown()
            return answer
        if isinstance(answer, Refused):
            return self._refused(name, where, whole, part, answer, message)
        part.works()
        if isinstance(answer, Transient) and answer.pause:
            whole.pauses(answer.at_least)
        else:
            whole.works()
        if isinstance(answer, Accepted):
            self._taken[name] += 1
            was_alone = self._refused_at.pop((name, message.message_id), None) is not None
            self._health.works(self.channel, name, where, alone=was_alone)
        return answer

    def _refused(
        self, name: str, where: str, whole: Attempt, part: Attempt, answer: Refused, message: OutgoingMessage
    ) -> SendResult:
        key = (name, message.message_id)
        before, taken = self._refused_at.get(key), self._taken[name]
        if len(self._refused_at) >= REMEMBERED:
            self._refused_at.clear()
        self._refused_at[key] = taken
        scope = answer.scope if where or answer.scope != "destination" else "provider"
        passes_others = before is not None and before < taken
        self._health.refused(SeenRefusal(self.channel, name, where if scope == "destination" else "", scope, answer))
        if scope == "address" or passes_others:
            whole.works()
            part.works()
            return Refused(answer.provider, answer.code, answer.error, "address", REFUSED_ALONE_S)
        if scope == "destination":
            whole.works()
            part.refuses()
            return answer
        part.unknown()
        whole.refuses()
        return answer

    def _keep(self, name: str, where: str, narrow: Breaker) -> None:
        if narrow.is_open:
            self._narrow[name, where] = narrow
        else:
            self._narrow.pop((name, where), None)

    def _deferred(self, where: str, resting: Sequence[str]) -> Deferred:
        """These were not asked: why, and when to look again."""
        now = self._clock.now()
        opens = []
        for way in resting:
            narrow = self._narrow.get((way, where))
            times = [b.rest_until() for b in (self._breaker(way), narrow) if b]
            opens.append(max((t for t in times if t), default=now))
        wait = min(LOOK_AGAIN_S, max(0.0, (min(opens, default=now) - now).total_seconds()))
        words = [w for way in resting if (w := self._health.words_of(self.channel, way, where))]
        why = f"waits: {'; '.join(words)}" if words else "waits: every provider of this channel is left alone for now"
        return Deferred(resting[0] if resting else "", why, wait)

    async def find(self, provider_name: str, message: OutgoingMessage, others: frozenset[str]) -> Accepted | Lookup:
        """Ask the provider that was tried whether it has the message; all of them, where nobody wrote down which."""
        candidates = [p for p in self.providers if provider_of(provider_name) in ("", p.name)]
        missing = bool(candidates)
        for provider in candidates:
            found = await provider.find(message, others)
            if isinstance(found, Accepted):
                return found
            missing = missing and found.missing
        return Lookup(missing)

    async def close(self) -> None:
        """Close all providers."""
        for provider in self.providers:
            await provider.close()


def _hopeful(answers: Sequence[tuple[SendResult, str]]) -> tuple[SendResult, str]:
    """Of the answers of providers that did not take a message, the one to go on with: that of whoever may soonest.

    Who cannot carry it at all is asked no more while another may; of two that are as near, the later was asked last.
    """
    able = [a for a in answers if not _is_unable(a[0])]
    tried = [a for a in able if not isinstance(a[0], Deferred)]
    soonest = min((getattr(a, "at_least", 0.0) for a, _ in able), default=0.0)
    near = [a for a in tried or able if getattr(a[0], "at_least", 0.0) <= soonest]
    return (near or [_sooner(a, soonest) for a in tried or able] or answers)[-1]


def _sooner(answered: tuple[SendResult, str], seconds: float) -> tuple[SendResult, str]:
    """The same words, tried again when another provider may be asked."""
    answer, sender = answered
    return (replace(answer, at_least=seconds) if isinstance(answer, Transient | Refused | Deferred) else answer), sender


def _is_unable(answer: SendResult) -> bool:
    """Whether this provider cannot carry the message and another may."""
    return isinstance(answer, Permanent) and answer.kind == "unable"
