"""The dispatch loops of one channel: claim, render and mark begun in one transaction; send many at once; write answers.

Channels have loops of their own, so that a hanging provider holds up nobody else. No database connection is
held while a provider is asked.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct

from service.channels.port import ReplyWindow, SendResult
from service.channels.registry import medium_of, spec_of
from service.dispatch import guards
from service.dispatch.bundling import all_of, beside, outcomes, together
from service.dispatch.compose import Composed, Composer
from service.dispatch.guards import Places, SendLimits
from service.dispatch.holds import Holds
from service.dispatch.outcomes import OutcomeWriter
from service.dispatch.route import ChannelRoute
from service.dispatch.settle import Ended, Outcome
from service.dispatch.template_states import TemplateStates
from service.dispatch.windows import OUTSIDE, WHY_CLOSED, is_closed, windows_of
from service.domain.errors import Rejection
from service.domain.notices import Accepted, NoAnswer, before_sending
from service.earlier_packs import recall
from service.failpoints import failpoint
from service.ledger.database.faults import is_transient
from service.ledger.database.transaction import Transaction
from service.ledger.database.wakeups import dispatch_topic
from service.ledger.messages import claims
from service.ledger.messages.claims import ClaimedMessage
from service.orders import Orders
from service.pacing import breathe, give_way, stay_prompt, urgent
from service.runtime.loops import run_loop
from service.telemetry import metrics, tracing
from service.workflows.templates import UNRENDERABLE

log = structlog.get_logger(__name__)

CLAIM_AT_ONCE: Final = 100
# A process that dies in its sends leaves all of them unanswered: a new one begins a few, and more as answers come.
FIRST_AT_ONCE: Final = 4
# One in so many places of a channel is for codes alone.
CODES_SHARE: Final = 10
LEASE_MARGIN_S: Final = 30.0
POLL: Final = timedelta(seconds=1)


class _Begun(Struct):
    """What one round took on: to be sent, not to be sent after all, and how many in all."""

    ready: Sequence[tuple[ClaimedMessage, Composed]]
    ended: Sequence[tuple[ClaimedMessage, Ended]]
    count: int


def _over(places: Places, c: ClaimedMessage) -> Ended:
    return Ended("suppressed", f"over {places.over[c.message.id]}", "cap")


class _Line(Struct):
    """One of the two lines of a channel: of codes, or of everything else. `claiming`: places taken while it claims."""

    codes: bool
    wake: asyncio.Event
    looked_at: datetime
    is_full: bool = False
    claiming: int = 0


class Worker:
    """One channel's loops: codes have one of their own, so that none waits while others are claimed and rendered."""

    def __init__(
        self,
        orders: Orders,
        route: ChannelRoute,
        composer: Composer,
        outcomes: OutcomeWriter,
        limits: SendLimits,
        holds: Holds,
        templates: TemplateStates,
    ) -> None:
        self._orders = orders
        self._templates = templates
        self._route = route
        self._composer = composer
        self._outcomes = outcomes
        self._limits = limits
        self._medium = medium_of(route.channel)
        self._holds = holds
        # No send takes longer than the route lets it, and the margin is there to write down what came of it.
        self._lease = timedelta(seconds=route.longest_s + LEASE_MARGIN_S)
        self._sending: set[asyncio.Task[None]] = set()
        topics = {codes: dispatch_topic(route.channel, codes=codes) for codes in (True, False)}
        self._lines = [
            _Line(codes, orders.wakeups.subscribe(topic), orders.time.now()) for codes, topic in topics.items()
        ]
        self._at_once = min(FIRST_AT_ONCE, route.concurrent)

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until `stopping`; then let what is on its way arrive, and write down what became of it."""
        try:
            await asyncio.gather(*(self._run(line, stopping) for line in self._lines))
        finally:
            await self._finish()

    async def _run(self, line: _Line, stopping: asyncio.Event) -> None:
        (stay_prompt if line.codes else give_way)()
        await run_loop("dispatch", partial(self._turn, line, stopping), stopping, channel=self._route.channel)

    async def _turn(self, line: _Line, stopping: asyncio.Event) -> None:
        if not await self._round(line):
            await self._rest(line, stopping)

    async def _rest(self, line: _Line, stopping: asyncio.Event) -> None:
        """Sleep until there may be something to do: new work, a freed place, a due retry, a rest that is over."""
        if stopping.is_set():
            return
        now = self._orders.time.now()
        until = now + POLL
        if (reopens := self._route.opens_at()) and reopens > now:
            until = min(until, reopens)
        if pause := self._route.until_admitted():
            asyncio.get_running_loop().call_later(pause, line.wake.set)
        if not line.is_full and not line.wake.is_set() and (due := await self._next_due(line)):
            until = min(until, due)
        await self._orders.time.wait(line.wake, until)

    async def _next_due(self, line: _Line) -> datetime | None:
        async with self._orders.ledger.reading() as tx:
            return await claims.next_due(tx, self._route.channel, line.looked_at)

    async def _round(self, line: _Line) -> bool:
        """Claim and start sending; whether there may be more to do at once."""
        line.wake.clear()
        line.looked_at = self._orders.time.now()
        wanted = self._places_left(line)
        permits = self._route.permits(wanted) if wanted > 0 else 0
        if self._route.is_probing and (self._sending or any(other.claiming for other in self._lines)):
            permits = 0  # one probe, whichever line it comes from; its end wakes the other
        # Before the claim is awaited, so that a place that comes free meanwhile is noticed.
        line.is_full = permits <= 0
        if permits <= 0:
            return False
        line.claiming = permits
        try:
            with urgent() if line.codes else nullcontext():
                begun = await self._begin_surely(permits, line)
            failpoint("dispatch.before_send")
            for c, composed in begun.ready:
                task = asyncio.create_task(self._send(c, composed))
                self._sending.add(task)
                task.add_done_callback(self._sent)
        finally:
            line.claiming = 0
            self._wake_full()
        for c, ended in begun.ended:
            self._outcomes.put(Outcome(c.message.id, c.message.order_id, ended, c.fencing_token))
        line.is_full = begun.count == permits
        return begun.count == permits

    def _places_left(self, line: _Line) -> int:
        """How many may be sent now: a few places stay those of codes, however much else there is."""
        for_codes = -(-self._route.concurrent // CODES_SHARE) if self._route.concurrent > 1 else 0
        taken = len(self._sending) + sum(other.claiming for other in self._lines)
        if line.codes:
            return min(max(1, for_codes), min(self._at_once + for_codes, self._route.concurrent) - taken)
        return min(CLAIM_AT_ONCE, min(self._at_once, self._route.concurrent - for_codes) - taken)

    def _wake_full(self) -> None:
        """Places came free."""
        for line in self._lines:
            if line.is_full:
                line.wake.set()

    async def _begin_surely(self, permits: int, line: _Line) -> _Begun:
        """As `_begin`; where the database broke off at the commit, what it committed after all is ours to send."""
        tried = _Begun([], [], 0)
        try:
            await self._begin(permits, tried, line)
            return tried
        except Exception as error:
            if not is_transient(error) or not tried.count:
                raise
        tokens = {c.message.id: c.fencing_token for c, _ in (*tried.ready, *tried.ended)}
        async with self._orders.ledger.reading() as tx:
            ours = await claims.still_leased(tx, tokens)
        ready = [(c, x) for c, x in tried.ready if c.message.id in ours]
        ended = [(c, x) for c, x in tried.ended if c.message.id in ours]
        return _Begun(ready, ended, len(ours))

    async def _begin(self, permits: int, begun: _Begun, line: _Line) -> None:
        """Claim what is due into `begun`; what can be sent is rendered and marked so, in the same transaction."""
        now = self._orders.time.now()
        async with self._orders.ledger.transaction() as tx:
            claimed = await claims.claim(tx, self._route.channel, now, limit=permits, codes=line.codes)
            if not claimed:
                return
            await recall(tx, self._orders.packs, ((c.workflow, c.version) for c in claimed))
            others = await beside(tx, claimed, self._orders.packs, self._orders.keyring, now) if not line.codes else []
            await recall(tx, self._orders.packs, ((c.workflow, c.version) for c in others))
            every = [*claimed, *others]
            providers = self._route.providers
            windows = await windows_of(tx, self._route.channel, every, providers, self._orders.packs, now)
            ready, ended = await self._prepare(every, now, windows)
            ready = together(ready, others)
            places = await self._reserve(tx, ready, now)
            ended += [(n, _over(places, c)) for c, x in ready if c.message.id in places.over for n in all_of(c, x)]
            all_ready, ready = ready, [(c, x) for c, x in ready if not places.refuses(c.message.id)]
            failpoint("dispatch.before_begin")
            # What is over a cap only by sends under way waits for how they end.
            later = [n.message.id for c, x in all_ready if c.message.id in places.later for n in all_of(c, x)]
            await claims.put_off(tx, later, now + POLL)
            said = [(n, shown.shown) for c, x in ready for n, shown in ((c, x), *x.companions)]
            # Paid for is what leaves: the message with all that is in it.
            parts = {n.message.id: 0 for c, x in ready for n in all_of(c, x)}
            parts |= {c.message.id: self._medium.paid_parts(x.outgoing.rendered) for c, x in ready}
            await claims.begin(tx, said, now, now + self._lease, places.taken, parts)
            await claims.lease(tx, [c.message.id for c, _ in ended], now + self._lease)
            begun.ready, begun.ended, begun.count = ready, ended, len(claimed)

    async def _reserve(
        self, tx: Transaction, ready: Sequence[tuple[ClaimedMessage, Composed]], now: datetime
    ) -> Places:
        if not spec_of(self._route.channel).is_dialled:
            return Places()
        return await guards.reserve(tx, [c for c, _ in ready], self._limits, now)

    async def _prepare(
        self, claimed: Sequence[ClaimedMessage], now: datetime, windows: Mapping[UUID, ReplyWindow]
    ) -> tuple[list[tuple[ClaimedMessage, Composed]], list[tuple[ClaimedMessage, Ended]]]:
        """What can be sent, rendered; and what must not or cannot, with why."""
        ready: list[tuple[ClaimedMessage, Composed]] = []
        ended: list[tuple[ClaimedMessage, Ended]] = []
        for c in claimed:
            await breathe()
            if unfit := self._unfit(c):
                ended.append((c, unfit))
                continue
            ttl = max(1, int((c.message.valid_until - now).total_seconds()))
            try:
                composed = self._composer.compose(c, ttl, windows.get(c.message.id))
            except (Rejection, *UNRENDERABLE) as error:
                log.error("message.render_failed", message_id=str(c.message.id), error=type(error).__name__)
                ended.append((c, Ended("failed", f"its template does not render: {type(error).__name__}", "template")))
                continue
            if is_closed(composed.outgoing, self._route.providers, self._templates):
                ended.append((c, Ended("failed", WHY_CLOSED, OUTSIDE)))
            else:
                ready.append((c, composed))
        return ready, ended

    def _unfit(self, c: ClaimedMessage) -> Ended | None:
        n = c.message
        pack = self._orders.packs.find(c.workflow, c.version)
        if pack is None or n.notice not in pack.workflow.notices:
            return Ended("failed", "its workflow or notice is not installed any more", "pack")
        stale = before_sending(
            n,
            self._orders.time.now(),
            planned=c.planned,
            supersedable=c.supersedable,
            passed_by=c.passed_by,
            grace=pack.workflow.grace,
            opted_out=c.opted_out,
            called_off=c.called_off,
        )
        if stale:
            return Ended(*stale)
        if hold := self._holds.on(n.channel, c.workflow, n.notice):
            return Ended("held", hold.in_words, "held")
        if n.secret and c.secret is None:
            return Ended("expired", "its code has been erased")
        if spec_of(n.channel).is_dialled and (why := guards.refuse_address(n.address, self._limits)):
            return Ended("failed", why, "address")
        return None

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._at_once = min(self._at_once + 1, self._route.concurrent)
        self._wake_full()

    async def _send(self, c: ClaimedMessage, composed: Composed) -> None:
        answer: SendResult
        sender = ""
        if not c.message.secret:
            give_way()
            await breathe()
        with tracing.span(
            "send", parent=c.traceparent or None, outward=True, channel=self._route.channel,
            message_id=str(c.message.id),
        ) as span:  # fmt: skip
            try:
                answer, sender = await self._route.send(composed.outgoing)
            except asyncio.CancelledError:
                answer = NoAnswer("", "the service was stopped while it waited for the answer")
            except Exception as error:
                log.error("message.send_failed", message_id=str(c.message.id), error=type(error).__name__)
                answer = NoAnswer("", f"unexpected: {type(error).__name__}")
            code = str(getattr(answer, "code", ""))
            tracing.ended(span, type(answer).__name__.lower(), code, failed=not isinstance(answer, Accepted))
        failpoint("dispatch.after_send")
        metrics.sends.labels(self._route.channel, f"answer_{type(answer).__name__.lower()}").inc()
        n = c.message
        concerns = not isinstance(answer, Accepted) or self._has_promise(c)
        self._outcomes.put(Outcome(n.id, n.order_id, answer, c.fencing_token, sender, concerns))
        for outcome in outcomes(c, composed, answer, sender):
            self._outcomes.put(outcome)

    def _has_promise(self, c: ClaimedMessage) -> bool:
        """Whether a clock waits for this notice to be told."""
        pack = self._orders.packs.find(c.workflow, c.version)
        return pack is None or c.message.notice in pack.workflow.promised

    async def _finish(self) -> None:
        """Wait for running sends, bounded by the caller's patience, and for their answers to be written."""
        try:
            if self._sending:
                await asyncio.wait(set(self._sending))
        except asyncio.CancelledError:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
        finally:
            await self._outcomes.finish()
