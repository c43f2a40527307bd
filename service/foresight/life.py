"""One order's life in memory, from causes to messages, clocks and escalations, decided by the service's `decide`.

The caller supplies the causes with their times (UTC) and the results of messages; due clocks fire by themselves. There
is no database, no provider and no real time.
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

# The random part of a retry's delay, fixed; see `notices.settle`.
_JITTER: Final = 0.5


class ProviderAnswer(Struct, frozen=True, gc=False):
    """A provider's response about a message, and its time."""

    at: datetime
    result: ProviderResult


class ResultSource(Protocol):
    """Supplies the results of messages."""

    def answers(self, n: Message, now: datetime) -> Sequence[ProviderAnswer]:
        """The responses for a message sent now: the provider's result, then receipts."""
        ...


class Life:
    """An order, from before its first event. `new_id` is its id.

    `clocks` has the last state of each clock, `calls` every change of an escalation in sequence. `happened` counts
    events, provider results and receipts, due clocks and acts.
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
        """Decide one cause and apply the decision; raises Rejection."""
        return self.keep(self.decision(cause))

    def decision(self, cause: Cause) -> Decision:
        """The decision for a cause, without applying it. Raises Rejection."""
        return decide(self.order, cause, self.workflow, self._new_id)

    def keep(self, decision: Decision) -> Decision:
        """Apply a decision; one that changes nothing is not stored, as in the service."""
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
        """Whether the reader has opted out of this channel; unknown here, so False."""
        return False

    def siblings(self, n: Message) -> tuple[Message, ...]:
        """All messages of its notice, including this one."""
        return tuple(m for m in self.messages.values() if m.notice_id == n.notice_id)

    def stale(self, n: Message, now: datetime) -> Message | None:
        """The message in its final state if it must not be sent any more, else None."""
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
    """A life whose messages are answered by `provider`, each when it is due."""

    def __init__(self, workflow: Workflow, new_id: UUID, provider: ResultSource) -> None:
        super().__init__(workflow, new_id)
        # Lives whose messages to the same person may be bundled with this one's.
        self.beside: Sequence[PlayedLife] = ()
        self._provider = provider
        self._ahead: list[tuple[datetime, int, Callable[[datetime], object]]] = []
        self._pushed = 0

    def keep(self, decision: Decision) -> Decision:
        """Like `Life.keep`; the planned messages are sent when due."""
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
        """Schedule a function for that time."""
        self._pushed += 1
        heappush(self._ahead, (at, self._pushed, happens))

    def play_until(self, moment: datetime) -> None:
        """Run everything that is due until then, in sequence: clocks fire, messages are sent and answered."""
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
        """The time of the next thing that is due."""
        return min((m for m in (self.wake, self._ahead[0][0] if self._ahead else None) if m), default=None)

    def _next_ahead(self) -> None:
        at, _, happens = heappop(self._ahead)
        happens(at)

    def _waits_for(self, n: Message) -> bool:
        """Whether a running clock depends on this message."""
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
        """Bundle messages that wait here for the same person and channel into `carrier`, as the service does."""
        where = carrier.bundle, carrier.channel, carrier.address
        for n in [m for m in self.messages.values() if m.state == "pending"]:
            if (n.bundle, n.channel, n.address) == where:
                left = replace(n, state="bundled", error=f"left in one message with {carrier.notice}")
                self._settled(at, n, self.stale(n, at) or left)

    def _heard(self, message_id: UUID, result: ProviderResult, at: datetime) -> None:
        n = self.messages[message_id]
        self._settled(at, n, settle(n, result, at, _JITTER))

    def _settled(self, at: datetime, before: Message, n: Message) -> None:
        """Inform the order if that can change anything; schedule retries."""
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
