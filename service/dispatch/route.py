"""How one channel reaches its readers: its providers in order of preference, each behind a breaker."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from aiolimiter import AsyncLimiter

from service.dispatch.breaker import Breaker
from service.dispatch.channels.port import Outgoing, Provider, SendAnswer
from service.domain.notices import Accepted, Lookup, NoAnswer, Permanent, Refused, Transient
from service.telemetry import metrics
from service.timekeeping import TimeSource


class Route:
    """A channel's providers, its rate limit and its concurrency limit."""

    def __init__(
        self,
        channel: str,
        providers: Sequence[Provider],
        clock: TimeSource,
        *,
        concurrent: int,
        per_second: float = 0.0,
    ) -> None:
        self.channel = channel
        self.providers = tuple(providers)
        self.concurrent = concurrent
        self._clock = clock
        self._breakers = {p.name: Breaker() for p in providers}
        self._limiter = AsyncLimiter(max(1.0, per_second), max(1.0, per_second) / per_second) if per_second else None

    def room(self, wanted: int) -> int:
        """How many messages may be sent now."""
        now = self._clock.now()
        room = max((self._breakers[p.name].room(now, wanted) for p in self.providers), default=0)
        while self._limiter and room > 0 and not self._limiter.has_capacity(room):
            room -= 1
        return room

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

    def may_write(self, opted_out: frozenset[str]) -> bool:
        """Whether any of our senders is still welcome at an address that opted out of some."""
        return any(p.sender not in opted_out for p in self.providers)

    async def send(self, message: Outgoing, opted_out: frozenset[str] = frozenset()) -> tuple[SendAnswer, str]:
        """Send by the first provider that may; a definite failure to reach it goes on to the next.

        Returns the answer and the sender that it is about.
        """
        answer: SendAnswer = Transient("", "breaker", "every provider of this channel is left alone for now")
        sender = ""
        if self._limiter:
            await self._limiter.acquire()
        for provider in self.providers:
            breaker = self._breakers[provider.name]
            if provider.sender in opted_out or not breaker.room(self._clock.now(), 1):
                continue
            sender = provider.sender
            breaker.begin()
            started = time.monotonic()
            try:
                answer = await provider.send(message)
            except asyncio.CancelledError:
                breaker.troubled(self._clock.now())
                raise
            metrics.provider_seconds.labels(self.channel, provider.name).observe(time.monotonic() - started)
            self._learn(breaker, answer)
            metrics.breaker_open.labels(self.channel, provider.name).set(breaker.is_open)
            if not isinstance(answer, Transient | Refused) and not _is_unable(answer):
                break
        return answer, sender

    def _learn(self, breaker: Breaker, answer: SendAnswer) -> None:
        now = self._clock.now()
        if isinstance(answer, NoAnswer) or (isinstance(answer, Transient) and answer.code == "connect"):
            breaker.troubled(now)
        elif isinstance(answer, Transient) and answer.code == "429":
            breaker.pause(now + timedelta(seconds=answer.at_least))
        else:
            breaker.succeeded()

    async def find(self, provider_name: str, message: Outgoing, others: frozenset[str]) -> Accepted | Lookup:
        """Ask the provider that was tried whether it has the message; all of them, where nobody wrote down which."""
        asked = [p for p in self.providers if provider_name in ("", p.name)]
        missing = bool(asked)
        for provider in asked:
            found = await provider.find(message, others)
            if isinstance(found, Accepted):
                return found
            missing = missing and found.missing
        return Lookup(missing)

    async def close(self) -> None:
        """Close all providers."""
        for provider in self.providers:
            await provider.close()


def _is_unable(answer: SendAnswer) -> bool:
    """Whether this provider cannot carry the message and another may."""
    return isinstance(answer, Permanent) and answer.kind == "unable"
