"""*notify*: a notice reaches its reader in time."""

from datetime import datetime
from typing import ClassVar

from service.domain.clocks.timing import later, within
from service.domain.order import Order
from service.domain.promises import ClockSpec


class Notify:
    """Counts from when the notice was called for, until one of its messages was sent (or delivered)."""

    is_promise: ClassVar[bool] = True
    follows_order: ClassVar[bool] = False
    is_about_order: ClassVar[bool] = False
    only_ahead: ClassVar[bool] = False
    begins_again: ClassVar[bool] = False
    ends_with_order: ClassVar[bool] = True
    needs: ClassVar[str] = "notice"
    takes: ClassVar[frozenset[str]] = frozenset({"notice", "until"})

    def basis(self, spec: ClockSpec, order: Order, timezone: str) -> datetime | None:
        """None: a notice starts it, not the order."""
        return None

    def restarts(self, before: datetime | None, basis: datetime) -> bool:
        """Never: each notice has a clock of its own."""
        return False

    def started(self, basis: datetime, at: datetime) -> datetime:
        """With the notice."""
        return basis

    def due(self, spec: ClockSpec, order: Order, basis: datetime) -> datetime:
        """Its length after the notice was called for."""
        return later(spec, order, basis, within(spec, order))

    def in_words(self, spec: ClockSpec, within: str, statuses: str) -> str:
        """Its rule in a sentence."""
        return f"{spec.notice} must be {spec.until} within {within}"
