"""Failpoints: named points at which a test can kill the process, by `STAGEBELL_FAILPOINT=name` or `name:7`.

Outside of fault tests they do nothing. `name:7` kills at the seventh time.
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


class _KillPoint:
    """The point at which to kill the process, and after how many passes."""

    def __init__(self, setting: str) -> None:
        self._point, _, count = setting.partition(":")
        if self._point not in POINTS:
            raise ValueError(f"STAGEBELL_FAILPOINT: unknown point {self._point!r}; known: {', '.join(POINTS)}")
        self._left = int(count or 1)

    def passed(self, point: str) -> None:
        """Count a pass, and kill the process at the last one."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


@cache
def configured() -> _KillPoint | None:
    """The failpoint of the environment, read once; raises ValueError for an unknown one."""
    setting = os.environ.get("STAGEBELL_FAILPOINT", "")
    return _KillPoint(setting) if setting else None


def failpoint(name: str) -> None:
    """Kill the process here, if this failpoint is set."""
    if (point := configured()) is not None:
        point.passed(name)
