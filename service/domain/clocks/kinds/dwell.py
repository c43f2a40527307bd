"""*dwell*: an order does not stay in a status for too long."""

from datetime import datetime
from typing import ClassVar

from service.domain.clocks.timing import later, within
from service.domain.order import Order
from service.domain.promises import ClockSpec


class Dwell:
    """Counts from entering one of its statuses, as long as the order is in any of them."""

    is_promise: ClassVar[bool] = True
    follows_order: ClassVar[bool] = True
    is_about_order: ClassVar[bool] = True
    only_ahead: ClassVar[bool] = False
    begins_again: ClassVar[bool] = True
    ends_with_order: ClassVar[bool] = True
    needs: ClassVar[str] = ""
    takes: ClassVar[frozenset[str]] = frozenset({"paused_in", "reset_by_any_event"})

    def basis(self, spec: ClockSpec, order: Order, timezone: str) -> datetime | None:
        """When the order entered its status."""
        return order.status_since

    def restarts(self, before: datetime | None, basis: datetime) -> bool:
        """Not from one of its statuses to another."""
        return False

    def started(self, basis: datetime, at: datetime) -> datetime:
        """With the status, however late that was heard of."""
        return basis

    def due(self, spec: ClockSpec, order: Order, basis: datetime) -> datetime:
        """Its length after entering."""
        return later(spec, order, basis, within(spec, order))

    def in_words(self, spec: ClockSpec, within: str, statuses: str) -> str:
        """Its rule in a sentence."""
        since = ", since the last event" if spec.reset_by_any_event else ""
        return f"at most {within} in {statuses}{since}"
