"""Promises, as a pack declares them: what starts a clock, how long it may take, what its breach does.

Frozen data only; `service.domain.clocks` runs them.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from msgspec import Struct

from service.domain.calendars import Calendar
from service.domain.conditions.tree import Condition
from service.domain.teams import Severity

ClockKind = Literal["notify", "dwell", "deadline", "reminder", "follow_up", "reply"]
UntilState = Literal["sent", "delivered"]


class Escalate(Struct, frozen=True):
    """The escalation that a breach opens, if `when` holds at that moment."""

    reason: str
    severity: Severity | None = None
    auto_resolve: bool = True
    when: Condition | None = None


class Publish(Struct, frozen=True):
    """The event that a clock publishes, if `when` holds then: its type, and values of the order by name."""

    type: str
    values: Mapping[str, str] = {}
    when: Condition | None = None


class Variant(Struct, frozen=True):
    """Another length for orders that match `when`, such as those with express service."""

    when: Condition
    within: timedelta


class CalendarBy(Struct, frozen=True):
    """Other calendars by the order's value at `path`, such as its region."""

    path: str
    calendars: Mapping[str, Calendar]


class LengthFrom(Struct, frozen=True):
    """A length taken from the order's data: a number of `unit` at `path`, or a text such as `3 days`.

    `most`: longer ones are taken for a mistake. Without an `otherwise`, there is no clock while the order says none.
    `in_days`: `unit` is a working day, as long as it is in the calendar that counts for the order; `otherwise_days`: so
    many of them where the order says none.
    """

    path: str
    unit: timedelta | None
    most: timedelta
    otherwise: bool = True
    in_days: bool = False
    otherwise_days: float = 0.0


class ClockSpec(Struct, frozen=True):
    """A promise: what starts it, how long it may take, and what its breach does.

    `statuses` are those in which it runs (empty: every status that is not final). `date` names a date
    of the order for *deadline* and *reminder*; `default_after` stands in, counted from entering
    `default_in`, while the order has no such date. With a `calendar`, or the one that
    the order's data chooses, lengths are working time. With `length_from`, `within` counts where
    the order says none. It runs
    only `when` that condition holds and the one of `unless` does not; `notify_when` and `warn_when` are asked when it
    is due and when it warns. A reminder noticed more than
    `late_by` after its moment is skipped. `timezone` is the pack's.
    `ends_in_working_time`: its length is plain, and over when somebody works.
    """

    name: str
    kind: ClockKind
    within: timedelta
    notice: str | None = None
    until: UntilState = "sent"
    statuses: frozenset[str] = frozenset()
    reset_by_any_event: bool = False
    date: str | None = None
    default_after: timedelta | None = None
    default_in: frozenset[str] = frozenset()
    warn_at: float | None = None
    warn_after: timedelta | None = None
    notify_at_warning: str | None = None
    warn_when: Condition | None = None
    publish_at_warning: Publish | None = None
    paused_in: frozenset[str] = frozenset()
    notify: str | None = None
    notify_when: Condition | None = None
    publish: Publish | None = None
    escalate: Escalate | None = None
    calendar: Calendar | None = None
    calendar_by: CalendarBy | None = None
    variants: tuple[Variant, ...] = ()
    length_from: LengthFrom | None = None
    when: Condition | None = None
    unless: Condition | None = None
    late_by: timedelta = timedelta(minutes=15)
    timezone: str = "UTC"
    ends_in_working_time: bool = False
