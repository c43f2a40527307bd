"""The errors of the domain; their texts are for the person who has to act on them."""


class Rejection(Exception):
    """The cause was understood and may not be applied; the text says why and what would be right."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotNow(Rejection):
    """The cause would be possible in another status of the order, and is not in this one."""
