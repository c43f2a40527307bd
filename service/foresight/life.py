"""One order's life in memory, from its causes to its messages, promises and calls; decided as in the service.

Whoever plays an order says what its causes are and when (UTC), and what becomes of its messages; due clocks ring by
themselves. No database, no provider, no time but the player's.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from heapq import heappop, heappush
from typing import Final, Protocol
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from service.domain.causes import Cause, ClockDue, MessageSettled
from service.domain.clocks.running import wake_at
from service.domain.decide import decide
from service.domain.draft import Decision, EscalationChange
from service.domain.notices import (
    FINAL_STATES,
    SENT_STATES,
    Accepted,
    Message,
    PlannedNotice,
    ProviderResult,
    before_sending,
)
from service.domain.order import Clock, Order
from service.domain.settling import ended_unsent, settle
from service.domain.workflow import Workflow

# Where a retry falls within what it may; see `notices.settle`.
_JITTER: Final = 0.5


class ProviderAnswer(Struct, frozen=True, gc=False):
    """What a provider says of a message, and when."""

    at: datetime
    result: ProviderResult


class Provider(Protocol):
    """Says what becomes of messages."""

    def answers(self, n: Message, now: datetime) -> Sequence[ProviderAnswer]:
        """What the provider says of a message sent now: its response, then receipts."""
        ...


class Life:
    """An order from before its first event on. `new_id` names it.

    `clocks` has the last state of each, `calls` every step of an escalation in its order. `happened`: how many things
    did: events, answers and receipts of providers, clocks that rang, acts.
    """

    def __init__(self, workflow: Workflow, new_id: UUID) -> None:
        self.workflow = workflow
        self.order: Order | None = None
        self.notices: dict[UUID, PlannedNotice] = {}
        self.messages: dict[UUID, Message] = {}
        self.clocks: dict[UUID, Clock] = {}
        self.calls: list[EscalationChange] = []
        self.breached: dict[UUID, Clock] = {}
        self.wake: datetime | None = None
        self.happened = 0
        self._new_id = new_id

    def decide(self, cause: Cause) -> Decision:
        """Decide one cause and keep what follows; raises Rejection."""
        return self.keep(self.decision(cause))

    def decision(self, cause: Cause) -> Decision:
        """What would follow; nothing is kept. Raises Rejection."""
        return decide(self.order, cause, self.workflow, self._new_id)

    def keep(self, decision: Decision) -> Decision:
        """What was decided is so; as in the service, what changes nothing is not even written."""
        self.happened += 1
        if decision.changes_nothing:
            return decision
        self.order = decision.order
        self.wake = wake_at(decision.order)
        for notice in decision.notices:
            self.notices[notice.id] = notice
            for n in notice.messages:
                self.messages[n.id] = n
        for n in decision.more_messages:
            self.messages[n.id] = n
        for clock in decision.clocks:
            if clock.state == "breached":
                self.breached.setdefault(clock.id, clock)
            self.clocks[clock.id] = clock
        for notice_id, why in decision.called_off.items():
            self.notices[notice_id] = replace(self.notices[notice_id], called_off=why)
        self.calls += decision.escalations
        return decision

    def is_opted_out(self, _n: Message, _now: datetime) -> bool:
        """Whether the reader has opted out of this channel by then; unknown here, so False."""
        return False

    def siblings(self, n: Message) -> tuple[Message, ...]:
        """All messages of its notice, this one too."""
        return tuple(m for m in self.messages.values() if m.notice_id == n.notice_id)

    def stale(self, n: Message, now: datetime) -> Message | None:
        """The message as it ends, where it must not be sent now any more."""
        assert self.order is not None
        notice, workflow = self.notices[n.notice_id], self.workflow
        why = before_sending(
            n,
            now,
            planned=notice.planned,
            supersedable=notice.supersedable,
            passed_by=workflow.stages[self.order.stage].rank > notice.stage_rank,
            grace=workflow.grace,
            opted_out=self.is_opted_out(n, now),
            called_off=notice.called_off,
        )
        return ended_unsent(n, *why) if why else None


class PlayedLife(Life):
    """A life whose messages are answered by `provider`, each in its time."""

    def __init__(self, workflow: Workflow, new_id: UUID, provider: Provider) -> None:
        super().__init__(workflow, new_id)
        # Orders whose messages to one person may leave with this one's; none: each leaves alone.
        self.beside: Sequence[PlayedLife] = ()
        self._provider = provider
        self._ahead: list[tuple[datetime, int, Callable[[datetime], object]]] = []
        self._pushed = 0

    def keep(self, decision: Decision) -> Decision:
        """As `Life.keep`; what was planned is sent when its time comes."""
        super().keep(decision)
        for notice in decision.notices:
            for n in notice.messages:
                self._plan(n)
        for n in decision.more_messages:
            self._plan(n)
        return decision

    def _plan(self, n: Message) -> None:
        if n.state == "pending":
            self.later(n.not_before, partial(self._send, n.id))

    def later(self, at: datetime, happens: Callable[[datetime], object]) -> None:
        """Have something happen at that moment."""
        self._pushed += 1
        heappush(self._ahead, (at, self._pushed, happens))

    def play_until(self, moment: datetime) -> None:
        """Let everything happen that is due by then, in due order: clocks ring, messages leave and are answered."""
        ahead = self._ahead
        while True:
            first, wake = ahead[0][0] if ahead else None, self.wake
            if wake is not None and (first is None or wake <= first):
                if wake > moment:
                    return
                self.decide(ClockDue(wake))
            elif first is not None and first <= moment:
                self._next_ahead()
            else:
                return

    @property
    def next_at(self) -> datetime | None:
        """When the next thing is due."""
        return min((m for m in (self.wake, self._ahead[0][0] if self._ahead else None) if m), default=None)

    def _next_ahead(self) -> None:
        at, _, happens = heappop(self._ahead)
        happens(at)

    def _waits_for(self, n: Message) -> bool:
        """Whether a promise that runs hangs on it."""
        if self.order is not None and n.notice in self.workflow.promised:
            for clock in self.order.clocks.values():
                if clock.notice_id == n.notice_id:
                    return True
        return False

    def _send(self, message_id: UUID, at: datetime) -> None:
        n = self.messages[message_id]
        if n.state == "bundled":
            return
        if ended := self.stale(n, at):
            self._settled(at, n, ended)
            return
        self.messages[n.id] = replace(n, state="sending", attempts=n.attempts + 1)
        for answer in self._provider.answers(n, at):
            if answer.at > at:
                self.later(answer.at, partial(self._heard, n.id, answer.result))
                continue
            self._heard(n.id, answer.result, at)
            if n.bundle and isinstance(answer.result, Accepted):
                for life in self.beside:
                    life.join(n, at)

    def join(self, carrier: Message, at: datetime) -> None:
        """What waits here for the same person on the same channel leaves within it, as the service's bundles do."""
        where = carrier.bundle, carrier.channel, carrier.address
        for n in [m for m in self.messages.values() if m.state == "pending"]:
            if (n.bundle, n.channel, n.address) == where:
                left = replace(n, state="bundled", error=f"left in one message with {carrier.notice}")
                self._settled(at, n, self.stale(n, at) or left)

    def _heard(self, message_id: UUID, result: ProviderResult, at: datetime) -> None:
        n = self.messages[message_id]
        self._settled(at, n, settle(n, result, at, _JITTER))

    def _settled(self, at: datetime, before: Message, n: Message) -> None:
        """The order hears of it where that can change anything; what waits is tried again."""
        if n is before:
            return
        self.messages[n.id] = n
        if n.state in SENT_STATES:
            if self._waits_for(n):
                self.decide(MessageSettled(at, n))
            else:
                self.happened += 1  # the order has nothing to decide
        elif n.state in FINAL_STATES:
            self.decide(MessageSettled(at, n, self.siblings(n)))
        elif n.state in ("pending", "retrying"):
            self.later(n.not_before, partial(self._send, n.id))
