"""*deadline*: something is done by a date of the order, such as its ETA and half an hour."""

from datetime import datetime
from typing import ClassVar

from service.domain.clocks.timing import later, within
from service.domain.order import Order
from service.domain.promises import ClockSpec


class Deadline:
    """Counts from the date, or from entering a status while the order has no such date."""

    is_promise: ClassVar[bool] = True
    follows_order: ClassVar[bool] = True
    is_about_order: ClassVar[bool] = True
    only_ahead: ClassVar[bool] = False
    begins_again: ClassVar[bool] = False
    ends_with_order: ClassVar[bool] = True
    needs: ClassVar[str] = "date"
    takes: ClassVar[frozenset[str]] = frozenset({"date", "default", "paused_in"})

    def basis(self, spec: ClockSpec, order: Order, timezone: str) -> datetime | None:
        """The date; one without a time is its end, in the pack's zone."""
        return date_of(spec, order, timezone, start_of_day=False)

    def restarts(self, before: datetime | None, basis: datetime) -> bool:
        """A date that was moved is another promise."""
        return before != basis

    def started(self, basis: datetime, at: datetime) -> datetime:
        """When the date became known."""
        return at

    def due(self, spec: ClockSpec, order: Order, basis: datetime) -> datetime:
        """Its length after the date."""
        return later(spec, order, basis, within(spec, order))

    def in_words(self, spec: ClockSpec, within: str, statuses: str) -> str:
        """Its rule in a sentence."""
        return f"{within} after {spec.date}, in {statuses}"


def date_of(spec: ClockSpec, order: Order, timezone: str, *, start_of_day: bool) -> datetime | None:
    """The order's date that the clock names, or what stands in for it."""
    date = order.date(spec.date or "", timezone, start_of_day=start_of_day)
    if date is None and spec.default_after and order.status in spec.default_in:
        return order.status_since + spec.default_after
    return date
