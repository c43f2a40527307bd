"""How long a clock runs for an order, and when that is over: plain time, or working time of a calendar."""

from datetime import datetime, timedelta

from service.domain.calendars import Calendar, add_working, working_between
from service.domain.conditions.judging import Situation, holds
from service.domain.order import Order
from service.domain.workflow import ClockSpec


def within(spec: ClockSpec, order: Order) -> timedelta:
    """The length of the promise for this order."""
    if not spec.variants:
        return spec.within
    # Of the order as it stands: what happens, and when, is not asked here (`check` sees to it).
    situation = Situation(order, order.updated, spec.timezone)
    return next((v.within for v in spec.variants if holds(v.when, situation)), spec.within)


def calendar_of(spec: ClockSpec, order: Order) -> Calendar | None:
    """The calendar that counts for this order."""
    chosen = spec.calendar_by
    value = order.value(chosen.path) if chosen else None
    found = chosen.calendars.get(str(value).lower()) if chosen and value is not None else None
    return found or spec.calendar


def later(spec: ClockSpec, order: Order, start: datetime, amount: timedelta) -> datetime:
    """When this much of the clock's time has gone by since `start`."""
    calendar = calendar_of(spec, order)
    return add_working(calendar, start, amount) if calendar else start + amount


def left(spec: ClockSpec, order: Order, start: datetime, end: datetime) -> timedelta:
    """How much of the clock's time lies between these moments."""
    calendar = calendar_of(spec, order)
    return working_between(calendar, start, end) if calendar else end - start


def warn_time(spec: ClockSpec, order: Order, started: datetime, due: datetime) -> datetime | None:
    """When the clock warns before it breaches, if it does."""
    if spec.warn_after is not None:
        return later(spec, order, started, spec.warn_after)
    if spec.warn_at is None:
        return None
    return later(spec, order, started, left(spec, order, started, due) * spec.warn_at)
