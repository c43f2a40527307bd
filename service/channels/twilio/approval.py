"""What is known of a WhatsApp template. Data."""

from typing import Final

from msgspec import Struct

APPROVED: Final = "approved"


class Approval(Struct, frozen=True):
    """What is known of one template: approved, pending, rejected, paused, disabled, unsubmitted; else unknown."""

    sid: str
    status: str
    why: str = ""

    @property
    def is_good(self) -> bool:
        """Whether messages may be sent by it."""
        return self.status == APPROVED
