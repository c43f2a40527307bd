"""What a kind of clock has to say."""

from datetime import datetime
from typing import ClassVar, Protocol

from service.domain.order import Order
from service.domain.promises import ClockSpec


class Kind(Protocol):
    """One kind of clock.

    `is_promise`: it breaches when it is due; else it is a plan, which tells at its moment, is never broken, and is
    skipped when noticed too late. `follows_order`: it runs while the order's status and data want it to; else it is
    started by what it is about. `is_about_order`: those who work on the order sort by when it is due.
    `only_ahead`: it is not started once its moment is past. `begins_again`: it counts anew when its one status is
    entered again. `ends_with_order`: it runs in no status that is final, unless its pack says in which it runs.
    `needs`: the key of a pack without which there is no such clock, if there is one. `takes`: the keys of a pack that
    it heeds and others do not.
    """

    is_promise: ClassVar[bool]
    follows_order: ClassVar[bool]
    is_about_order: ClassVar[bool]
    only_ahead: ClassVar[bool]
    begins_again: ClassVar[bool]
    ends_with_order: ClassVar[bool]
    needs: ClassVar[str]
    takes: ClassVar[frozenset[str]]

    def basis(self, spec: ClockSpec, order: Order, timezone: str) -> datetime | None:
        """The moment (UTC) from which the clock counts now; None while there is none."""
        ...

    def restarts(self, before: datetime | None, basis: datetime) -> bool:
        """Whether another basis than `before` makes it another clock."""
        ...

    def started(self, basis: datetime, at: datetime) -> datetime:
        """When a clock that is armed `at` that moment began to run."""
        ...

    def due(self, spec: ClockSpec, order: Order, basis: datetime) -> datetime:
        """When it breaches or tells."""
        ...

    def in_words(self, spec: ClockSpec, within: str, statuses: str) -> str:
        """Its rule in a sentence; `within` and `statuses` in words."""
        ...
