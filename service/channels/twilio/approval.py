"""The approval status of WhatsApp templates."""

from typing import Final

from msgspec import Struct

APPROVED: Final = "approved"


class Approval(Struct, frozen=True):
    """The status of one template: approved, pending, rejected, paused, disabled, unsubmitted, else unknown."""

    sid: str
    status: str
    why: str = ""

    @property
    def is_good(self) -> bool:
        """Whether messages may be sent with it."""
        return self.status == APPROVED
