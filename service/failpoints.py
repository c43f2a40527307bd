"""Named points between two steps, at which a test may end the process: `STAGEBELL_FAILPOINT=name` or `name:7`.

Off, which is always but in fault tests, a point is a call that finds nothing asked for. `name:7` ends at the seventh.
"""

import os
import signal
from functools import cache
from typing import Final

POINTS: Final = (
    "intake.before_commit", "intake.before_ack", "straight.before_write", "straight.before_send",
    "dispatch.before_begin", "dispatch.before_send", "dispatch.after_send",
    "dispatch.after_settle", "clock.before_commit", "clock.after_commit", "relay.before_publish", "relay.before_done",
    "relay.after_done", "replies.before_commit", "replies.after_commit", "waiting.before_commit",
)  # fmt: skip


class _Asked:
    """The point at which this process is to end, and how many passings from now."""

    def __init__(self, setting: str) -> None:
        self._point, _, count = setting.partition(":")
        if self._point not in POINTS:
            raise ValueError(f"STAGEBELL_FAILPOINT: unknown point {self._point!r}; known: {', '.join(POINTS)}")
        self._left = int(count or 1)

    def passed(self, point: str) -> None:
        """Ends the process when its time has come."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


@cache
def asked() -> _Asked | None:
    """What the environment asks for, looked up once; raises ValueError for a point that is not there."""
    setting = os.environ.get("STAGEBELL_FAILPOINT", "")
    return _Asked(setting) if setting else None


def failpoint(name: str) -> None:
    """End the process here, if that was asked for."""
    if (point := asked()) is not None:
        point.passed(name)
