"""Providers that refuse us: reported by the routes, kept in the ledger, with an incident for the responsible team.

A message that a provider takes ends it. All processes share the ledger's word: whichever finds out first tells the
others, which then ask anew, and the desk and `/readyz` of a process that sends nothing show it too.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

import structlog
from msgspec import Struct

from service.channels.port import provider_of
from service.dispatch import guards
from service.dispatch.budgets import Budgets
from service.dispatch.guards import SendLimits
from service.domain.notices import Refused, RefusedScope
from service.domain.teams import Team
from service.domain.workflow import Workflow
from service.ledger.database.transaction import Transaction
from service.ledger.database.wakeups import announce
from service.ledger.escalations import provider_health as rows
from service.ledger.escalations.incidents import PROVIDER_REFUSED
from service.ledger.escalations.provider_health import SOME, UNDELIVERED, Key, Refusal
from service.ledger.messages import cap_incidents
from service.ledger.messages.cap_incidents import Near
from service.orders import Orders
from service.runtime.loops import run_loop
from service.telemetry import metrics

log = structlog.get_logger(__name__)
TOPIC: Final = "providers"
EVERY: Final = timedelta(seconds=5)
# What is refused again and again is written down again, so that its time is known; not each time.
AGAIN: Final = timedelta(minutes=1)


class SeenRefusal(Struct, frozen=True):
    """A refusal as a route saw it. `where`: the country or mail domain, if it concerns only that one.

    `later`: the provider had taken the message, and a receipt says that it was not delivered.
    """

    channel: str
    provider: str
    where: str
    scope: RefusedScope
    answer: Refused
    later: bool = False

    @property
    def key(self) -> Key:
        """The row it belongs to."""
        scope = SOME if self.scope == "address" else self.where
        return self.channel, self.provider, f"{UNDELIVERED}{scope}" if self.later else scope


class Health(Protocol):
    """What routes report and ask."""

    def refused(self, seen: SeenRefusal) -> None:
        """This provider refuses us."""

    def works(self, channel: str, provider: str, where: str, *, alone: bool) -> None:
        """It took a message that goes there; `alone`: one that it had refused."""

    def words_of(self, channel: str, provider: str, where: str) -> str:
        """Why the provider refuses us, in words; empty where it does not."""

    def fails_later(self, channel: str, provider: str, where: str) -> bool:
        """Whether it accepts messages to this destination, and then does not deliver them because of us."""


class Silent:
    """Ignores all reports."""

    def refused(self, seen: SeenRefusal) -> None:
        """Nothing."""

    def works(self, channel: str, provider: str, where: str, *, alone: bool) -> None:
        """Nothing."""

    def words_of(self, channel: str, provider: str, where: str) -> str:
        """Nothing."""
        return ""

    def fails_later(self, channel: str, provider: str, where: str) -> bool:
        """Nothing."""
        return False


class ProviderHealth:
    """The loop that writes it down, one in each process. `called`: PROVIDER_TEAM, or empty.

    The same team hears of caps (`limits`) that are near their end.
    """

    def __init__(
        self, orders: Orders, called: str = "", limits: SendLimits | None = None, budgets: Budgets | None = None
    ) -> None:
        self._orders = orders
        self._budgets = budgets
        self._called = called
        self._limits = limits or SendLimits()
        self._refusing: dict[Key, Refusal] = {}
        self._news: dict[Key, Refusal | None] = {}
        self._wake = orders.wakeups.subscribe(TOPIC)
        self._used: Mapping[str, frozenset[str]] = {}
        self._on_works: Callable[[Key], None] = lambda _key: None
        self._is_tidy = True

    def refused(self, seen: SeenRefusal) -> None:
        """As a route told it."""
        now, answer = self._orders.time.now(), seen.answer
        known = self._refusing.get(seen.key)
        refusal = Refusal(*seen.key, answer.code, answer.error, known.since if known else now, now)
        if known is not None and known.code == refusal.code and now - known.seen < AGAIN and seen.key not in self._news:
            return
        if known is None:
            log.error(
                "provider.refuses_us", channel=seen.channel, provider=seen.provider, only=refusal.scope,
                code=answer.code, words=answer.error,
            )  # fmt: skip
        self._refusing[seen.key] = self._news[seen.key] = refusal
        metrics.provider_refuses.labels(seen.channel, seen.provider).set(1)
        self._wake.set()

    def works(self, channel: str, provider: str, where: str, *, alone: bool) -> None:
        """As a route told it."""
        if not self._refusing:
            return
        for scope in dict.fromkeys(("", where, SOME)):
            key = (channel, provider, scope)
            if key in self._refusing and (scope != SOME or alone):
                del self._refusing[key]
                self._news[key] = None
                log.warning("provider.recovered", channel=channel, provider=provider, only=scope)
                self._wake.set()
        self._show(channel, provider)

    def words_of(self, channel: str, provider: str, where: str) -> str:
        """Why it is left alone."""
        for scope in ("", where):
            if (refusal := self._refusing.get((channel, provider, scope))) is not None:
                return refusal.in_words
        return ""

    def fails_later(self, channel: str, provider: str, where: str) -> bool:
        """As receipts said lately."""
        return any((channel, provider, f"{UNDELIVERED}{to}") in self._refusing for to in ("", where))

    def known(self) -> list[Refusal]:
        """Who refuses us, as far as this process knows: a few seconds old at most."""
        return sorted(self._refusing.values(), key=lambda r: r.since)

    def _show(self, channel: str, provider: str) -> None:
        refuses = any(key[:2] == (channel, provider) for key in self._refusing)
        metrics.provider_refuses.labels(channel, provider).set(refuses)

    def follow(self, used: Mapping[str, frozenset[str]], on_works: Callable[[Key], None]) -> None:
        """Which providers each channel has, and whom to tell when another process says that one works again."""
        self._used, self._on_works, self._is_tidy = used, on_works, False

    async def _forget_unused(self) -> None:
        """What refused us and is not used any more would do so for ever: nothing asks it."""
        async with self._orders.ledger.transaction() as tx:
            for refusal in await rows.refusing(tx):
                if provider_of(refusal.provider) not in self._used.get(refusal.channel, frozenset()):
                    await rows.note_recovered(tx, refusal.key, self._orders.time.now())
        self._is_tidy = True

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`."""
        await run_loop("providers", partial(self._turn, stopping), stopping)

    async def _turn(self, stopping: asyncio.Event) -> None:
        self._wake.clear()
        if not self._is_tidy:
            await self._forget_unused()
        await self.write()
        if not stopping.is_set() and not self._news:
            await self._orders.time.wait(self._wake, self._orders.time.now() + EVERY)

    async def write(self) -> None:
        """What is new, and what others wrote; open and resolve the incidents of it."""
        orders, now = self._orders, self._orders.time.now()
        news = dict(self._news)
        if not news and not self._refusing:
            async with orders.ledger.reading() as tx:
                near = await self._near(tx, now)
                if not near and await rows.is_quiet(tx):
                    return
        async with orders.ledger.transaction() as tx:
            if news:
                await rows.note(tx, news, now)
            team, severity = self._team(PROVIDER_REFUSED)
            changed = await rows.sync_incidents(tx, team, severity, orders.team_endpoints, now)
            changed = await rows.call_again(tx, team, orders.team_endpoints, now) or changed
            near = await self._near(tx, now)
            called = self._team(cap_incidents.CAP_NEAR)
            changed = await cap_incidents.keep(tx, near, called, orders.team_endpoints, now) or changed
            if news or changed:
                await announce(tx, {TOPIC, "relay", "stream"}, orders.wakeups.origin)
            written = {refusal.key: refusal for refusal in await rows.refusing(tx)}
        self._news = {k: v for k, v in self._news.items() if k not in news or news[k] is not v}
        if changed:
            orders.wakeups.wake({"relay", "stream"})
        self._compare(written)

    async def _near(self, tx: Transaction, now: datetime) -> list[Near]:
        """Caps and budgets that are near their end."""
        return [*await guards.near(tx, self._limits, now), *(self._budgets.near if self._budgets else ())]

    def _compare(self, written: Mapping[Key, Refusal]) -> None:
        """What another process found out since."""
        before = set(self._refusing)
        pending = {k: v for k, v in self._news.items() if v is not None}
        gone = {k for k, v in self._news.items() if v is None}
        self._refusing = {k: v for k, v in written.items() if k not in gone} | pending
        for key in before - set(self._refusing):
            self._on_works(key)
        for channel, provider, _ in before ^ set(self._refusing):
            self._show(channel, provider)

    def _team(self, reason: str) -> tuple[Team | None, str]:
        """Whom to call, and how severe it is: as a pack's reason of that name says, or high."""
        found = team_called(self._called, [pack.workflow for pack in self._orders.packs])
        if found is None:
            return None, "high"
        reasons = [r for p in self._orders.packs if (r := p.workflow.reasons.get(reason)) and r.team == found.name]
        return found, reasons[0].severity if reasons else "high"


def team_called(name: str, workflows: list[Workflow]) -> Team | None:
    """The team of that name; without one, that of the first workflow by name which knows errors of the app."""
    for workflow in sorted(workflows, key=lambda w: w.name):
        if name and name in workflow.teams:
            return workflow.teams[name]
        if not name and (reason := workflow.reasons.get("app_error")) is not None:
            return workflow.teams[reason.team]
    return None
