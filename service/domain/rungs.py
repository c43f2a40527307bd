"""The data of ladders: rungs as a pack declares them, and how far a notice has come on them with one reader."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from service.domain.conditions.tree import Condition

Reached = Literal["sent", "delivered", "read"]
# How far a message came. What left within another message counts as delivered, as it does for promises.
RANKS: Final[Mapping[str, int]] = {"sent": 1, "delivered": 2, "bundled": 2, "read": 3}
# The cause of a message that could not be, so that its reader was told by the next rung at once.
SKIPPED: Final = "rung_skipped"
# The cause of a message that waited until an earlier rung had come far enough: the rungs after it have their times.
NOT_NEEDED: Final = "rung_not_needed"
# The kind of clock that a next rung is, and what begins its name: no clock of a pack can be called so.
KIND: Final = "rung"
_PREFIX: Final = "ladder."


def clock_of(notice: str) -> str:
    """What the clock of a notice's next rung is called."""
    return f"{_PREFIX}{notice}"


def notice_of(clock: str) -> str:
    """The notice whose next rung a clock of this name is; empty: it is another clock."""
    return clock.removeprefix(_PREFIX) if clock.startswith(_PREFIX) else ""


class Rung(Struct, frozen=True):
    """One step of a ladder: these channels, so long `after` the step before it.

    It is left out where a message of any earlier step came so far as `unless` says, or while `when` does not hold.
    """

    channels: tuple[str, ...]
    after: timedelta = timedelta(0)
    unless: Reached | None = None
    when: Condition | None = None


class Role(Struct, frozen=True, omit_defaults=True):
    """Who somebody is in the order: one of an audience; `name` finds them again where the audience changes."""

    audience: str
    index: int
    name: str = ""


class Climb(Struct, frozen=True, omit_defaults=True):
    """Where one reader stands on the ladder of a notice; they may have several roles of the order.

    `rung`: the last that was tried, from 1; `since`: when what was told last might leave (UTC). `messages`: all of
    theirs, with how far each came (`RANKS`; 0: nowhere yet); `waits_for`: those of the last rung that may still arrive.
    `planned`, `valid_until`, `stage_rank`, `supersedable`: of the notice, by which it may be stale.
    """

    notice: str
    roles: tuple[Role, ...]
    planned: datetime
    valid_until: datetime
    stage_rank: int = 0
    supersedable: bool = False
    rung: int = 0
    since: datetime | None = None
    messages: Mapping[UUID, int] = {}
    waits_for: tuple[UUID, ...] = ()

    @property
    def reached(self) -> int:
        """How far the best of them came."""
        return max(self.messages.values(), default=0)
