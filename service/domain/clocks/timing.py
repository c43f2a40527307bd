"""How long a clock runs for an order, and when it ends: in plain time, or in working time of a calendar."""

import re
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from service.domain.attribute_keys import key_of
from service.domain.calendars import Calendar, add_working, is_zone, subtract_working, working_between
from service.domain.conditions.judging import Situation, holds
from service.domain.durations import duration
from service.domain.order import Order
from service.domain.promises import ClockSpec, LengthFrom

_NUMBER: Final = re.compile(r"\d{1,6}(\.\d{1,6})?")


def within(spec: ClockSpec, order: Order) -> timedelta:
    """The clock's length for this order."""
    if spec.variants:
        # Conditions on events and on time are not allowed here (`check` refuses them).
        situation = Situation(order, order.updated, spec.timezone)
        for variant in spec.variants:
            if holds(variant.when, situation):
                return variant.within
    rule = spec.length_from
    found = _length_given(spec, rule, order) if rule else None
    if found is None and rule and rule.otherwise_days and (calendar := calendar_of(spec, order)):
        return calendar.day_length * rule.otherwise_days
    return spec.within if found is None else found


def has_length(spec: ClockSpec, order: Order) -> bool:
    """Whether the clock has a length for this order, where that comes from the order's data."""
    rule = spec.length_from
    return rule is None or rule.otherwise or _length_given(spec, rule, order) is not None


def _length_given(spec: ClockSpec, rule: LengthFrom, order: Order) -> timedelta | None:
    """The length in the order's data; None for an unreadable or unreasonable one."""
    value = order.value(rule.path)
    try:
        if isinstance(value, str) and not _NUMBER.fullmatch(value):
            found = duration(value)
        elif value is None or rule.unit is None or isinstance(value, bool):
            return None
        else:
            calendar = calendar_of(spec, order) if rule.in_days else None
            found = float(value) * (calendar.day_length if calendar else rule.unit)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if timedelta(0) <= found <= rule.most else None


def calendar_of(spec: ClockSpec, order: Order) -> Calendar | None:
    """The calendar for this order, in the order's zone."""
    chosen = spec.calendar_by
    value = order.value(chosen.path) if chosen else None
    found = chosen.calendars.get(key_of(value)) if chosen else None
    calendar = found or spec.calendar
    if calendar is None or not calendar.zone_from:
        return calendar
    zone = order.value(calendar.zone_from)
    return replace(calendar, timezone=zone) if is_zone(zone) else calendar


def later(spec: ClockSpec, order: Order, start: datetime, amount: timedelta) -> datetime:
    """The moment at which this much of the clock's time has passed since `start`."""
    calendar = calendar_of(spec, order)
    return add_working(calendar, start, amount) if calendar else start + amount


def earlier(spec: ClockSpec, order: Order, end: datetime, amount: timedelta) -> datetime:
    """The moment from which this much of the clock's time is left until `end`."""
    calendar = calendar_of(spec, order)
    return subtract_working(calendar, end, amount) if calendar else end - amount


def left(spec: ClockSpec, order: Order, start: datetime, end: datetime) -> timedelta:
    """How much of the clock's time is between these moments."""
    calendar = calendar_of(spec, order)
    return working_between(calendar, start, end) if calendar else end - start


def warn_time(spec: ClockSpec, order: Order, started: datetime, due: datetime) -> datetime | None:
    """When the clock warns before it breaches, if it does."""
    if spec.warn_after is not None:
        return later(spec, order, started, spec.warn_after)
    if spec.warn_at is None:
        return None
    return later(spec, order, started, left(spec, order, started, due) * spec.warn_at)
