"""*reply*: whoever wrote to us is answered by a person in time."""

from datetime import datetime
from typing import ClassVar

from service.domain.clocks.timing import later, within
from service.domain.order import Order
from service.domain.promises import ClockSpec


class ReplyClock:
    """Counts from the first thing said that nobody has answered; in every status, the last ones too."""

    is_promise: ClassVar[bool] = True
    follows_order: ClassVar[bool] = True
    is_about_order: ClassVar[bool] = False
    only_ahead: ClassVar[bool] = False
    begins_again: ClassVar[bool] = False
    ends_with_order: ClassVar[bool] = False
    needs: ClassVar[str] = ""
    takes: ClassVar[frozenset[str]] = frozenset({"paused_in"})

    def basis(self, spec: ClockSpec, order: Order, timezone: str) -> datetime | None:
        """Since when somebody waits; None while nobody does."""
        return order.conversation.unanswered_since if order.conversation else None

    def restarts(self, before: datetime | None, basis: datetime) -> bool:
        """Another question is another promise."""
        return before != basis

    def started(self, basis: datetime, at: datetime) -> datetime:
        """With what was said, however late an agent gave it to the order."""
        return basis

    def due(self, spec: ClockSpec, order: Order, basis: datetime) -> datetime:
        """Its length after that."""
        return later(spec, order, basis, within(spec, order))

    def in_words(self, spec: ClockSpec, within: str, statuses: str) -> str:
        """Its rule in a sentence."""
        return f"what people write is answered within {within}"
