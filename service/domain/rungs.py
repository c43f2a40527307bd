"""The data of ladders: rungs as a pack declares them, and how far a notice has come on them with one reader."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from service.domain.conditions.tree import Condition

Reached = Literal["sent", "delivered", "read"]
# How far a message got. A bundled one counts as delivered, as it does for clocks.
RANKS: Final[Mapping[str, int]] = {"sent": 1, "delivered": 2, "bundled": 2, "read": 3}
# The cause of a message that could not be sent, so that the next rung went at once.
SKIPPED: Final = "rung_skipped"
# The cause of a waiting message that an earlier rung made unnecessary; later rungs keep their times.
NOT_NEEDED: Final = "rung_not_needed"
# The kind of clock of a next rung, and the prefix of its name, which no clock of a pack can have.
KIND: Final = "rung"
_PREFIX: Final = "ladder."


def clock_of(notice: str) -> str:
    """The name of the clock of a notice's next rung."""
    return f"{_PREFIX}{notice}"


def notice_of(clock: str) -> str:
    """The notice to which the clock of a next rung belongs; empty for any other clock."""
    return clock.removeprefix(_PREFIX) if clock.startswith(_PREFIX) else ""


class Rung(Struct, frozen=True):
    """One step of a ladder: channels, and how long `after` the step before it they are used.

    It is left out where a message of an earlier step has got as far as `unless`, or while `when` does not hold.
    """

    channels: tuple[str, ...]
    after: timedelta = timedelta(0)
    unless: Reached | None = None
    when: Condition | None = None


class Role(Struct, frozen=True, omit_defaults=True):
    """The role of a person in the order: audience and index in it; `name` finds them where the audience changes."""

    audience: str
    index: int
    name: str = ""


class Climb(Struct, frozen=True, omit_defaults=True):
    """The progress of one reader on the ladder of a notice; a reader may have several roles.

    `rung`: the last one tried, from 1; `since`: when its messages could leave (UTC). `messages`: all of the reader's,
    with how far each got (`RANKS`; 0: not sent); `waits_for`: those of the last rung that may still arrive.
    `planned`, `valid_until`, `stage_rank`, `supersedable`: the notice's, by which it may become stale.
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
        """The highest rank among the messages."""
        return max(self.messages.values(), default=0)
