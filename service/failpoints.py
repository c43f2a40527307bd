"""Named points between two steps, at which a test may end the process: `STAGEBELL_FAILPOINT=name` or `name:7`.

Off, which is always but in fault tests, a point is a call of an empty function. `name:7` ends at the seventh passing.
"""

import os
import signal
from collections.abc import Callable
from typing import Final

POINTS: Final = (
    "intake.before_commit", "intake.before_ack", "straight.before_write", "straight.before_send",
    "dispatch.before_begin", "dispatch.before_send", "dispatch.after_send",
    "dispatch.after_settle", "clock.before_commit", "clock.after_commit", "relay.before_publish", "relay.before_done",
    "relay.after_done", "replies.before_commit", "replies.after_commit",
)  # fmt: skip


def _off(_name: str) -> None:
    """Nothing."""


def _switched(setting: str) -> Callable[[str], None]:
    wanted, _, count = setting.partition(":")
    if wanted not in POINTS:
        raise ValueError(f"STAGEBELL_FAILPOINT: unknown point {wanted!r}; known: {', '.join(POINTS)}")
    left = [int(count or 1)]

    def at_point(name: str) -> None:
        if name == wanted:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return at_point


_setting = os.environ.get("STAGEBELL_FAILPOINT", "")
failpoint: Final[Callable[[str], None]] = _switched(_setting) if _setting else _off
