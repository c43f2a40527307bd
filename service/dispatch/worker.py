"""The dispatch loops of one channel: begin what is due, send many at once, hand on what the providers answered.

Channels have loops of their own, so that a hanging provider holds up nobody else. No database connection is
held while a provider is asked.
"""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from service.channels.port import ReplyWindow, SendResult
from service.dispatch.beginning import Beginner
from service.dispatch.bundling import outcomes
from service.dispatch.compose import Composed, Composer
from service.dispatch.guards import SendLimits
from service.dispatch.holds import HoldCache
from service.dispatch.outcomes import OutcomeWriter
from service.dispatch.places import SendQueue, SendSlots
from service.dispatch.preparing import Preparer, Ready, unrendered
from service.dispatch.route import ChannelRoute
from service.dispatch.settle import Outcome
from service.dispatch.template_states import TemplateStates
from service.domain.notices import Accepted, NoAnswer
from service.failpoints import failpoint
from service.ledger.database.transaction import Transaction
from service.ledger.database.wakeups import dispatch_topic
from service.ledger.messages import claims
from service.ledger.messages.claims import Ahead, ClaimedMessage
from service.orders import Orders
from service.pacing import breathe, give_way, stay_prompt, urgent
from service.runtime.loops import run_loop
from service.telemetry import metrics, tracing

log = structlog.get_logger(__name__)

LEASE_MARGIN_S: Final = 30.0
POLL: Final = timedelta(seconds=1)


class Worker:
    """One channel's loops: codes have one of their own, so that none waits while others are claimed and rendered."""

    def __init__(
        self,
        orders: Orders,
        route: ChannelRoute,
        composer: Composer,
        outcomes: OutcomeWriter,
        limits: SendLimits,
        holds: HoldCache,
        templates: TemplateStates,
    ) -> None:
        self._orders = orders
        self._route = route
        self._preparer = Preparer(orders, composer, limits, holds, route, templates)
        self._outcomes = outcomes
        self.channel = route.channel
        # No send takes longer than the route lets it, and the margin is there to write down what came of it.
        self.lease = timedelta(seconds=route.longest_s + LEASE_MARGIN_S)
        self._beginner = Beginner(orders, route.channel, self._preparer, self.lease, POLL)
        self._sending: set[asyncio.Task[None]] = set()
        topics = {codes: dispatch_topic(route.channel, codes=codes) for codes in (True, False)}
        lines = [
            SendQueue(codes, orders.wakeups.subscribe(topic), orders.time.now()) for codes, topic in topics.items()
        ]
        self.places = SendSlots(route.concurrent, lines)
        self._is_open = True
        # Whether the last events planned messages here, so that those that wait probably do, too.
        self.is_expecting = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until `stopping`; then let what is on its way arrive, and write down what became of it.

        Whoever cancels this has no more patience, wherever it stands: then what is on its way is given up.
        """
        try:
            await asyncio.gather(*(self._run(line, stopping) for line in self.places.lines))
            await self._drain()
        finally:
            self._is_open = False
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
            await self._outcomes.finish()

    async def _run(self, line: SendQueue, stopping: asyncio.Event) -> None:
        (stay_prompt if line.codes else give_way)()
        await run_loop("dispatch", partial(self._turn, line, stopping), stopping, channel=self._route.channel)

    async def _turn(self, line: SendQueue, stopping: asyncio.Event) -> None:
        if not await self._round(line):
            await self._rest(line, stopping)

    async def _rest(self, line: SendQueue, stopping: asyncio.Event) -> None:
        """Sleep until there may be something to do: new work, a freed place, a due retry, a rest that is over."""
        has_slept = False
        while not stopping.is_set():
            until = self._latest(line)
            if not line.is_full and not line.wake.is_set():
                found = await self._ahead(line)
                # What a claim has just left is another process's.
                if found.is_due and has_slept:
                    return
                until = min(until, found.later or until)
            await self._orders.time.wait(line.wake, until)
            if line.is_full or line.wake.is_set():
                return
            has_slept = True
            line.looked_at = self._orders.time.now()

    def _latest(self, line: SendQueue) -> datetime:
        """When to look again, whatever is due."""
        if pause := self._route.until_admitted():
            asyncio.get_running_loop().call_later(pause, line.wake.set)
        now = self._orders.time.now()
        reopens = self._route.opens_at()
        return min(now + POLL, reopens) if reopens and reopens > now else now + POLL

    async def _ahead(self, line: SendQueue) -> Ahead:
        async with self._orders.ledger.reading() as tx:
            return await claims.ahead(tx, self._route.channel, line.looked_at, codes=line.codes)

    async def _round(self, line: SendQueue) -> bool:
        """Claim and start sending; whether there may be more to do at once."""
        line.wake.clear()
        line.looked_at = self._orders.time.now()
        wanted = self.places.left(line)
        permits = self._route.permits(wanted) if wanted > 0 else 0
        if self._route.is_probing and (self._sending or self.places.is_anybody_claiming):
            permits = 0  # one probe, whichever line it comes from; its end wakes the other
        # Before the claim is awaited, so that a place that comes free meanwhile is noticed.
        line.is_full = permits <= 0
        line.is_clear = False
        if permits <= 0:
            return False
        line.claiming = permits
        try:
            with urgent() if line.codes else nullcontext():
                begun = await self._beginner.begin(permits, codes=line.codes)
            failpoint("dispatch.before_send")
            for c, composed in begun.ready:
                self._start(c, composed)
        finally:
            line.claiming = 0
            self.places.wake_full()
        for c, ended in begun.ended:
            self._outcomes.put(Outcome(c.message.id, c.message.order_id, ended, c.fencing_token))
        line.is_full = begun.count == permits
        line.is_clear = not line.is_full
        if line.is_clear:
            self.places.wake_full()
        return begun.count == permits

    def _start(self, c: ClaimedMessage, composed: Composed) -> None:
        task = asyncio.create_task(self._send(c, composed))
        self._sending.add(task)
        self.places.took()
        task.add_done_callback(self._sent)

    def hold(self, *, codes: bool) -> bool:
        """Take a place for a message that comes the straight way, or say that it has to be claimed in its turn.

        So it has while anything may wait, while a cap or a rate may turn it away, and while providers are only probed.
        """
        line = self.places.line(codes=codes)
        if not self._is_open or self._has_to_claim or line.may_hide_some:
            return False
        wanted = line.held + 1
        if self.places.left(line) <= 0 or self._route.permits(wanted) < wanted:
            return False
        self.places.hold(line)
        return True

    def let_go(self, *, codes: bool) -> None:
        """Give back a place that was held."""
        self.places.let_go(self.places.line(codes=codes))

    def room(self, wanted: int) -> int | None:
        """How many of so many messages, none of them codes, it would `hold`; None: none, and that is so for a while.

        0 until half of its places are free: a transaction for a few costs as much as one for many. A channel on which
        nothing is on its way counts where the last events concerned it, and it has places enough.
        """
        if not self._is_open or self._has_to_claim:
            return None
        if not self._sending and not (self.is_expecting and self.places.is_wide):
            return wanted
        line = self.places.line(codes=False)
        places = 0 if line.may_hide_some else min(wanted, self.places.left(line))
        places = self._route.permits(places) if places > 0 else 0
        return places if places == wanted or self.places.is_half(places) else 0

    @property
    def _has_to_claim(self) -> bool:
        return self._route.is_rated or self._route.is_probing or self._preparer.is_counted

    async def windows(
        self, tx: Transaction, claimed: Sequence[ClaimedMessage], now: datetime
    ) -> dict[UUID, ReplyWindow]:
        """In which windows these go out, where the channel has any."""
        return await self._preparer.windows(tx, claimed, now)

    def ready(self, c: ClaimedMessage, now: datetime, window: ReplyWindow | None) -> Ready | None:
        """What it says, if it may be sent; None for what is to be claimed, and then ended with its reason."""
        return self._preparer.ready(c, now, window)

    def send_begun(self, c: ClaimedMessage, ready: Ready) -> None:
        """Send what is committed as begun; a secret is put in only here. Raises nothing: what is begun has an end."""
        try:
            self._start(c, ready.composed or self._preparer.compose(c, self._orders.time.now(), ready.window))
        except Exception as error:
            self._outcomes.put(Outcome(c.message.id, c.message.order_id, unrendered(c, error), c.fencing_token))

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self.places.came_free()

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
                with urgent() if c.message.secret else nullcontext():
                    answer, sender = await self._route.send(composed.outgoing)
            except asyncio.CancelledError:
                answer = NoAnswer("", "the service was stopped while it waited for the answer")
            except Exception as error:
                log.error("message.send_failed", message_id=str(c.message.id), error=type(error).__name__)
                answer = NoAnswer("", f"unexpected: {type(error).__name__}")
            kind = type(answer).__name__.lower()
            tracing.ended(span, kind, str(getattr(answer, "code", "")), failed=not isinstance(answer, Accepted))
        failpoint("dispatch.after_send")
        metrics.sends.labels(self._route.channel, f"answer_{kind}").inc()
        n = c.message
        concerns = not isinstance(answer, Accepted) or self._has_promise(c)
        self._outcomes.put(Outcome(n.id, n.order_id, answer, c.fencing_token, sender, concerns))
        for outcome in outcomes(c, composed, answer, sender):
            self._outcomes.put(outcome)

    def _has_promise(self, c: ClaimedMessage) -> bool:
        """Whether a clock waits for this notice to be told."""
        pack = self._orders.packs.find(c.workflow, c.version)
        return pack is None or c.message.notice in pack.workflow.promised

    async def _drain(self) -> None:
        """Wait for running sends, and for those that begin where a place is held."""
        self._is_open = False
        while self._sending or self.places.held:
            # What is committed meanwhile as begun here is sent here.
            await asyncio.wait(set(self._sending) or {asyncio.create_task(asyncio.sleep(0.01))})
