"""Replays a recorded life exactly.

Each recorded cause has the length of the order's timeline before it; causes that leave the length unchanged come
before the one that increases it. If the timeline ends up different from the ledger's, the record is incomplete.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final, get_args
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from service.domain.causes import Cause, MessageSettled
from service.domain.clocks.running import next_due
from service.domain.draft import Decision
from service.domain.errors import Rejection
from service.domain.escalation import next_due as next_call
from service.domain.notices import (
    MAY_HAVE_LEFT,
    SENT_STATES,
    Message,
    State,
)
from service.domain.order import Order
from service.domain.workflow import Workflow
from service.foresight.life import Life
from service.ledger.orders.past import Past, RecordedChange

_STATES: Final = frozenset(get_args(State))


class NotRecorded(Exception):
    """The history cannot be replayed, as a cause is missing."""


class Step(Struct, frozen=True):
    """One recorded step: a cause, or an outcome of a message. `due`: the times at which something was due before it."""

    at: datetime
    due: frozenset[datetime]
    cause: Cause | None = None
    message: UUID | None = None
    news: RecordedChange | None = None


class RecordedLife(Life):
    """An order as it was. `steps`: what happened, in sequence; `planned`: its messages as they were planned.

    `together`: outcomes of several messages at the same time, which were one transaction.
    """

    def __init__(self, workflow: Workflow, new_id: UUID) -> None:
        super().__init__(workflow, new_id)
        self.steps: list[Step] = []
        self.planned: dict[UUID, Message] = {}
        self.together: dict[datetime, dict[UUID, RecordedChange]] = defaultdict(dict)

    def keep(self, decision: Decision) -> Decision:
        super().keep(decision)
        for n in (*(m for notice in decision.notices for m in notice.messages), *decision.more_messages):
            self.planned[n.id] = n
        return decision


def replay_recorded(past: Past, workflow_of: Callable[[str], Workflow]) -> RecordedLife:
    """Replay a recorded life; raises NotRecorded. `workflow_of`: the workflow of a pack version."""
    first = past.moved[0].was if past.moved else past.version
    life = RecordedLife(workflow_of(first), past.id)
    by_n: dict[int, list[_Item]] = defaultdict(list)
    for message, history in past.messages.items():
        for line in history[1:]:
            if line.n:
                by_n[line.n].append(_Item(line.at, message=message, news=line))
                life.together[line.at][message] = line
    for recorded in past.causes:
        by_n[recorded.n].append(_Item(recorded.cause.at, recorded.cause))
    unheard = _Unheard(past)
    while by_n:
        n = life.order.entries if life.order else 0
        if (group := by_n.pop(n, None)) is None:
            raise NotRecorded
        version = next((m.to for m in reversed(past.moved) if m.n <= n + 1), first)
        life.workflow = workflow_of(version)
        # Causes that leave the timeline's length unchanged come before the one that does not.
        _play_group(life, deque(sorted(group, key=lambda i: (i.cause is not None, i.at))), unheard)
    for item in unheard.until(None):
        _hear(life, item)
    if (life.order.entries if life.order else 0) != past.lines:
        raise NotRecorded
    return life


class _Item(Struct, frozen=True):
    at: datetime
    cause: Cause | None = None
    message: UUID | None = None
    news: RecordedChange | None = None


class _Unheard:
    """Outcomes of which the order was not informed, by message; each comes before the message's next outcome."""

    def __init__(self, past: Past) -> None:
        self._left = {m: deque(history[1:]) for m, history in past.messages.items()}

    def before(self, message: UUID, news: RecordedChange) -> Iterator[_Item]:
        """The earlier outcomes of this message."""
        line = self._left[message]
        if not any(other is news for other in line):
            return  # postponed, and applied since
        while (first := line.popleft()) is not news:
            yield _Item(first.at, message=message, news=first)

    def until(self, moment: datetime | None) -> Iterator[_Item]:
        """Outcomes before that time (None: all), unless an earlier one of the same message is missing."""
        found = []
        for message, line in self._left.items():
            while line and not line[0].n and (moment is None or line[0].at < moment):
                first = line.popleft()
                found.append(_Item(first.at, message=message, news=first))
        return iter(sorted(found, key=lambda item: item.at))


def _play_group(life: RecordedLife, group: deque[_Item], unheard: _Unheard) -> None:
    """Replay everything with the same length of the timeline."""
    before, put_off = life.order.entries if life.order else 0, 0
    while group:
        item = group.popleft()
        for news in unheard.until(item.at):
            _hear(life, news)
        cause = item.cause or _heard(life, item, unheard)
        try:
            decision = life.decision(cause)
        except Rejection:
            continue
        if decision.order.entries != before and group:
            if put_off > len(group):
                raise NotRecorded
            put_off += 1
            group.append(item)
            continue
        life.steps.append(Step(item.at, due_in(life.order), item.cause, item.message, item.news))
        life.keep(decision)


def _heard(life: RecordedLife, item: _Item, unheard: _Unheard) -> Cause:
    assert item.message is not None
    assert item.news is not None
    for earlier in unheard.before(item.message, item.news):
        _hear(life, earlier)
    if item.message not in life.messages:
        raise NotRecorded
    life.messages[item.message] = n = after(life.messages[item.message], item.news)
    return settled(life, n, item.news, life.together[item.at])


def _hear(life: RecordedLife, item: _Item) -> None:
    """An outcome that changed only its message."""
    if item.message in life.messages and item.news is not None:
        life.messages[item.message] = after(life.messages[item.message], item.news)
        life.steps.append(Step(item.at, due_in(life.order), None, item.message, item.news))


def after(n: Message, news: RecordedChange) -> Message:
    """The message after this line of its history."""
    if news.state not in _STATES:
        return n
    sent_at = n.sent_at or (news.at if news.state in MAY_HAVE_LEFT - {"unknown"} else None)
    return replace(
        n,
        state=news.state,
        provider=news.provider or n.provider,
        error_code=news.code,
        error=news.why,
        sent_at=sent_at,
    )


def settled(life: Life, n: Message, news: RecordedChange, together: Mapping[UUID, RecordedChange]) -> MessageSettled:
    """The cause of which the order was informed; `together`: outcomes of other messages written with it."""
    siblings: tuple[Message, ...] = ()
    if n.state not in SENT_STATES:
        others = (m for m in life.siblings(n) if m.id != n.id)
        siblings = (n, *(after(m, together[m.id]) if m.id in together else m for m in others))
    return MessageSettled(news.at, n, siblings, drop_address=news.drop)


def due_in(order: Order | None) -> frozenset[datetime]:
    """The times at which something of this order is due."""
    if order is None:
        return frozenset()
    moments = [next_due(c) for c in order.clocks.values()] + [next_call(e) for e in order.escalations.values()]
    return frozenset(m for m in moments if m is not None)
