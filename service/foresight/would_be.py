"""A recorded life under another pack.

It is decided by the same causes. Clocks due in both are processed when they were; those due only in the new life are
processed at once. A message planned at the same time gets its recorded result; a new one gets the result of the same
reader's other messages, or else is accepted.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from service.domain.causes import Cause, ClockDue, HandleEscalation, ResendMessages
from service.domain.clocks.running import next_due
from service.domain.draft import escalation_key
from service.domain.errors import Rejection
from service.domain.notices import FINAL_STATES, SENT_STATES, Accepted, Message, Permanent, Receipt
from service.domain.workflow import Workflow
from service.foresight.life import Life, PlayedLife, ProviderAnswer
from service.foresight.replaying import RecordedLife, after, due_in, settled
from service.ledger.orders.past import RecordedChange

# The receipt's delay for a message that resembles none sent.
_RECEIPT_AFTER: Final = timedelta(seconds=5)


class ChangedLife(PlayedLife):
    """The same order under another pack. `refused`: events that this pack rejects, with the reasons."""

    def __init__(self, workflow: Workflow, was: RecordedLife) -> None:
        assert was.order is not None
        super().__init__(workflow, was.order.id, _AsThen(was))
        self._was = was
        self._free: dict[tuple[object, ...], deque[Message]] = defaultdict(deque)
        for n in was.planned.values():
            if n.state == "pending":
                self._free[self._key(was, n)].append(n)
        self._twins: dict[UUID, UUID] = {}
        self.refused: list[tuple[datetime, str]] = []

    @staticmethod
    def _key(life: Life, n: Message) -> tuple[object, ...]:
        at = life.notices[n.notice_id].at
        return n.notice, n.channel, n.address, n.audience, n.person, n.not_before, at

    def _plan(self, n: Message) -> None:
        """A message that was also planned in the recorded life gets the recorded result; others a simulated one."""
        if n.state == "pending" and (twins := self._free.get(self._key(self, n))):
            self._twins[twins.popleft().id] = n.id
        else:
            super()._plan(n)

    def is_opted_out(self, n: Message, now: datetime) -> bool:
        return any(
            m.channel == n.channel
            and m.address == n.address
            and m.error == "the recipient opted out"
            and m.not_before <= now
            for m in self._was.messages.values()
        )

    def play(self, until: datetime) -> None:
        """From its beginning until then."""
        for step in self._was.steps:
            self._play_own(step.at, step.due)
            if step.cause is not None:
                self._take(step.cause)
            elif step.message in self._twins:
                assert step.news is not None
                self._news(self._twins[step.message], step.news)
        self._play_own(until, due_in(self._was.order))

    def _play_own(self, moment: datetime, shared: frozenset[datetime]) -> None:
        """Process what is due until then in this life only; repeated calls are left out."""
        while True:
            first = self._ahead[0][0] if self._ahead else None
            wake = self._own_due(shared)
            if wake is not None and wake <= moment and (first is None or wake <= first):
                self.decide(ClockDue(wake))
            elif first is not None and first <= moment:
                self._next_ahead()
            else:
                return

    def _own_due(self, shared: frozenset[datetime]) -> datetime | None:
        clocks = self.order.clocks.values() if self.order else ()
        return min((m for c in clocks if (m := next_due(c)) is not None and m not in shared), default=None)

    def _take(self, cause: Cause) -> None:
        if isinstance(cause, ClockDue):
            if self.wake is None or self.wake > cause.at:
                return
        elif isinstance(cause, HandleEscalation):
            mapped = self._mapped(cause)
            if mapped is None:
                return
            cause = mapped
        elif isinstance(cause, ResendMessages):
            cause = self._resent(cause)
        try:
            self.decide(cause)
        except Rejection as rejection:
            self.refused.append((cause.at, rejection.reason))

    def _mapped(self, cause: HandleEscalation) -> HandleEscalation | None:
        """The same act on this life's escalation of the same team and reason; None if there is none."""
        acted_on = next((c.escalation for c in self._was.calls if c.escalation.id == cause.escalation_id), None)
        if acted_on is None or self.order is None:
            return None
        if found := self.order.escalations.get(escalation_key(acted_on.team, acted_on.reason)):
            return replace(cause, escalation_id=found.id)
        about = acted_on.team, acted_on.reason
        like = [c.escalation for c in self.calls if (c.escalation.team, c.escalation.reason) == about]
        if not like or cause.settled is None or like[-1].id == cause.escalation_id:
            return cause if like and cause.settled else None
        return replace(cause, escalation_id=like[-1].id, settled=like[-1])

    def _resent(self, cause: ResendMessages) -> ResendMessages:
        """The same act on this life's corresponding messages, of the same notice to the same reader."""
        pairs = [(m, here) for m in cause.messages if (here := self._like(m)) is not None]
        if len(pairs) == len(cause.messages) and all(m.id == here.id for m, here in pairs):
            return cause
        notices = {m.notice_id: here.notice_id for m, here in pairs}
        return replace(
            cause,
            messages=tuple(here for _, here in pairs),
            siblings=tuple(n for n in self.messages.values() if n.notice_id in notices.values()),
            notices=tuple(replace(then, id=notices[then.id]) for then in cause.notices if then.id in notices),
        )

    def _like(self, was: Message) -> Message | None:
        found = self.messages.get(self._twins.get(was.id, was.id))
        about = was.notice, was.channel, was.address
        return found if found is not None and (found.notice, found.channel, found.address) == about else None

    def _news(self, message_id: UUID, news: RecordedChange) -> None:
        before = self.messages[message_id]
        n = after(before, news)
        self.messages[message_id] = n
        if news.n or (n is not before and n.state in FINAL_STATES | SENT_STATES and n.notice in self.workflow.promised):
            try:
                written = self._was.together.get(news.at, {})
                self.decide(settled(self, n, news, {self._twins[m]: x for m, x in written.items() if m in self._twins}))
            except Rejection as rejection:
                self.refused.append((news.at, rejection.reason))


class _AsThen:
    """Answers new messages like the same reader's recorded ones."""

    def __init__(self, was: RecordedLife) -> None:
        self._was = was

    def answers(self, n: Message, now: datetime) -> Sequence[ProviderAnswer]:
        like = [m for m in self._was.messages.values() if (m.channel, m.address) == (n.channel, n.address)]
        same = [m for m in like if m.notice == n.notice] or like
        last = same[-1] if same else None
        if last is not None and last.state == "failed":
            return (ProviderAnswer(now, Permanent(last.provider, last.error_code, last.error)),)
        taken = ProviderAnswer(now, Accepted(last.provider if last else ""))
        if last is not None and last.state == "undelivered":
            return taken, ProviderAnswer(now + _RECEIPT_AFTER, Receipt("undelivered", "", last.error_code, last.error))
        confirmed = any(
            m.channel == n.channel and m.state in ("delivered", "read") for m in self._was.messages.values()
        )
        return (taken, ProviderAnswer(now + _RECEIPT_AFTER, Receipt("delivered", ""))) if confirmed else (taken,)
