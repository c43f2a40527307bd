"""*follow_up*: a notice some time after entering a status, unless something made it pointless."""

from typing import ClassVar

from service.domain.clocks.kinds.dwell import Dwell
from service.domain.workflow import ClockSpec


class FollowUp(Dwell):
    """Counts like a dwell clock and promises nothing."""

    is_promise: ClassVar[bool] = False
    is_about_order: ClassVar[bool] = False

    def in_words(self, spec: ClockSpec, within: str, statuses: str) -> str:
        """Its rule in a sentence."""
        return f"{spec.notify} {within} after entering {statuses}"
