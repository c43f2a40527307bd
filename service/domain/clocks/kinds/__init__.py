"""The kinds of clocks, a file each; a pack names one by its `kind`."""

from collections.abc import Mapping
from typing import Final

from service.domain.clocks.kinds.deadline import Deadline
from service.domain.clocks.kinds.dwell import Dwell
from service.domain.clocks.kinds.follow_up import FollowUp
from service.domain.clocks.kinds.kind import Kind
from service.domain.clocks.kinds.notify import Notify
from service.domain.clocks.kinds.reminder import Reminder
from service.domain.clocks.kinds.reply import ReplyClock
from service.domain.promises import ClockKind

KINDS: Final[Mapping[ClockKind, Kind]] = {
    "notify": Notify(),
    "dwell": Dwell(),
    "deadline": Deadline(),
    "reminder": Reminder(),
    "follow_up": FollowUp(),
    "reply": ReplyClock(),
}
