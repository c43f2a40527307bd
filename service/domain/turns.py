"""The sequence of messages on a channel: codes first, then orders in turn, however many messages one of them has."""

from datetime import datetime, timedelta
from typing import Final

from service.domain.notices import Message

# By how much each further message of an order queues later, up to a bound.
APART: Final = timedelta(milliseconds=100)
MOST_BEHIND: Final = timedelta(seconds=60)
_NONE: Final = timedelta(0)
# How much earlier a code counts as queued; no message is delayed longer than that.
HEAD_START: Final = timedelta(days=2)
HEAD_START_MS: Final = HEAD_START // timedelta(milliseconds=1)


def behind_others(busy_until: datetime | None, now: datetime) -> timedelta:
    """How far the next message of an order that is busy until then queues behind those of other orders."""
    if busy_until is None or busy_until <= now:
        return _NONE
    return min(busy_until - now, MOST_BEHIND)


def turn_of(n: Message) -> int:
    """A message's place in its channel's queue: the moment from which it counts as waiting, in ms since 1970."""
    return _ms(n.not_before + n.behind) - (HEAD_START_MS if n.secret else 0)


def last_turn(now: datetime, *, codes_only: bool) -> int:
    """The last place in the queue that may be sent now: of codes only, or of everything."""
    return _ms(now + MOST_BEHIND) - (HEAD_START_MS if codes_only else 0)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
