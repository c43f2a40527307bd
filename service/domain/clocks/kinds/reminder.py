"""*reminder*: a notice some time before a date of the order."""

from datetime import datetime
from typing import ClassVar

from service.domain.clocks.kinds.deadline import Deadline, date_of
from service.domain.clocks.timing import earlier, within
from service.domain.order import Order
from service.domain.promises import ClockSpec


class Reminder(Deadline):
    """Counts back from the date and promises nothing."""

    is_promise: ClassVar[bool] = False
    is_about_order: ClassVar[bool] = False
    only_ahead: ClassVar[bool] = True
    takes: ClassVar[frozenset[str]] = frozenset({"date", "default", "late_by"})

    def basis(self, spec: ClockSpec, order: Order, timezone: str) -> datetime | None:
        """The date; one without a time is its start, in the pack's zone."""
        return date_of(spec, order, timezone, start_of_day=True)

    def due(self, spec: ClockSpec, order: Order, basis: datetime) -> datetime:
        """Its length before the date."""
        return earlier(spec, order, basis, within(spec, order))

    def in_words(self, spec: ClockSpec, within: str, statuses: str) -> str:
        """Its rule in a sentence."""
        return f"{within} before {spec.date}, in {statuses}"
