"""Calendars as packs write them, and warnings that move in working time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from service.domain.calendars import add_working, quiet_until, working_between
from service.domain.causes import ClockDue, EventReceived
from service.domain.decide import decide
from service.domain.event_decoding import decode
from service.domain.order import Order, order_uuid
from service.domain.workflow import Workflow
from service.workflows import build_clocks
from service.workflows.packs import PackError
from service.workflows.schema_times import CalendarYaml, QuietYaml
from tests.support.events import encoded, event
from tests.support.packs import pack_of

HOUR = timedelta(hours=1)
FRIDAY = datetime(2026, 11, 27, tzinfo=UTC)
PACK = """
workflow: office
title: Office hours
locales: [en]
stages: {{one: {{title: {{en: One}}}}, end: {{title: {{en: End}}}}}}
statuses: {{waiting: {{stage: one}}, held: {{stage: one}}, over: {{stage: end, final: true}}}}
transitions: {{also: {{waiting: [held], held: [waiting]}}, from_any: [over], repeat: update}}
notices:
  hurry: {{audience: customer, channels: [webhook]}}
clocks:
  slow: {{kind: dwell, in: [waiting, held], {clock}}}
calendars:
{calendars}
teams: {{tech: {{title: Tech}}}}
reasons: {{slow: {{team: tech, title: {{en: Slow}}}}}}
"""
WEEK = '  plain: {timezone: UTC, opens: "09:00", closes: "17:00"}'


def _pack(clock: str, calendars: str = WEEK) -> Workflow:
    return pack_of(PACK.format(clock=clock, calendars=calendars)).workflow


def _step(workflow: Workflow, order: Order | None, status: str, at: datetime, **said: Any) -> Order:
    body = encoded(event("O-1", status, at, workflow="office", **said))
    return decide(order, EventReceived(at, decode(body)), workflow, order_uuid(UUID(int=1 << 90))).order


@pytest.mark.parametrize(
    ("said", "hours"),
    [
        ({}, 5 * 9),
        ({"opens": "00:00", "closes": "24:00"}, 5 * 24),
        ({"opens": 540, "closes": 1440}, 5 * 15),  # 09:00 and 24:00 unquoted, as YAML 1.1 reads them
        ({"hours": ["09:00-12:30", "13:30-18:00"]}, 5 * 8),
        ({"hours": {"mon": ["09:00-12:00", "13:00-17:00"], "sat": "10:00-14:00"}}, 7 + 4),
        ({"opens": "22:00", "closes": "06:00"}, 5 * 8),
        ({"hours": ["18:00-02:00"], "days": ["sat"]}, 8),
        ({"closed": ["2026-12-02"]}, 4 * 9),
        ({"special": {"2026-12-02": ["09:00-13:00"], "2026-12-06": "10:00-12:00"}}, 4 * 9 + 4 + 2),
        ({"holidays": "DE", "special": {"2026-12-01": []}}, 4 * 9),
    ],
)
def test_a_week_s_working_time(said: dict[str, Any], hours: float) -> None:
    calendar = build_clocks.calendar(CalendarYaml.model_validate({"timezone": "UTC", **said}))
    monday = datetime(2026, 11, 30, tzinfo=UTC)
    # From Monday 07:00, so that what a week's last evening lends the next one is counted once.
    assert working_between(calendar, monday + 7 * HOUR, monday + timedelta(days=7, hours=7)) == hours * HOUR


def test_quiet_hours_may_end_with_the_day() -> None:
    quiet = build_clocks.quiet(QuietYaml.model_validate({"start": "20:00", "end": "24:00"}))
    assert quiet is not None
    evening = datetime(2026, 11, 30, 21, tzinfo=UTC)
    assert quiet_until(quiet, evening, "UTC") == evening + 3 * HOUR
    assert quiet_until(quiet, evening + 3 * HOUR, "UTC") is None


def test_a_whole_day_loses_no_minute() -> None:
    calendar = build_clocks.calendar(
        CalendarYaml.model_validate({"timezone": "Europe/Berlin", "hours": ["00:00-24:00"], "days": list(DAYS)})
    )
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for days in (1, 100, 300, 365):
        assert add_working(calendar, start, timedelta(days=days)) == start + timedelta(days=days)


DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def test_own_days_go_before_the_country_s() -> None:
    said = {
        "timezone": "Europe/Berlin",
        "holidays": "DE",
        "closed": ["2026-12-24"],
        "special": {"2026-12-25": ["09:00-10:00"]},
    }
    calendar = build_clocks.calendar(CalendarYaml.model_validate(said))
    assert [len(calendar.spans_on(date(2026, 12, d))) for d in (23, 24, 25)] == [1, 0, 1]


@pytest.mark.parametrize(
    ("calendars", "said"),
    [
        ('  plain: {timezone: UTC, hours: ["09:00-12:00", "11:00-13:00"]}', "spans overlap"),
        ('  plain: {timezone: UTC, opens: "00:00", closes: "00:00"}', "no working time"),
        ('  plain: {timezone: UTC, hours: ["09:00-25:00"]}', "hours"),
        ('  plain: {timezone: UTC, opens: "08:00", hours: ["09:00-12:00"]}', "replaces opens"),
        ("  plain: {timezone: UTC, days: []}", "no working time"),
    ],
)
def test_what_cannot_be_a_calendar_is_said(calendars: str, said: str) -> None:
    with pytest.raises(PackError, match=said):
        _pack("within: 8h, calendar: plain, escalate: {reason: slow}", calendars)


def test_a_region_of_the_order_chooses_the_calendar() -> None:
    calendars = (
        "  usual: {timezone: UTC, opens: '09:00', closes: '17:00'}\n"
        "  south: {timezone: UTC, opens: '09:00', closes: '17:00', closed: [2026-11-27]}"
    )
    pack = _pack(
        "within: 1 working day, calendar: {by: attributes.region, is: {BY: south}, else: usual}, escalate: {reason: slow}",
        calendars,
    )
    at = FRIDAY + 9 * HOUR
    usual = _step(pack, None, "waiting", at)
    south = _step(pack, None, "waiting", at, attributes={"region": "by"})
    assert usual.clocks["slow"].due == FRIDAY + 17 * HOUR
    assert south.clocks["slow"].due == FRIDAY + timedelta(days=3, hours=17)
    told_later = _step(pack, usual, "waiting", at + HOUR, attributes={"region": "BY"})
    assert told_later.clocks["slow"].due == FRIDAY + timedelta(days=3, hours=17)
    with pytest.raises(PackError, match="unknown calendar"):
        _pack(
            "within: 8h, calendar: {by: attributes.region, is: {BY: nowhere}, else: usual}, escalate: {reason: slow}",
            calendars,
        )


def test_a_paused_clock_in_working_hours_warns_in_working_hours() -> None:
    """Paused on Friday afternoon, it goes on on Monday: the warning is then, not on Sunday night."""
    pack = _pack("within: 8h, warn_at: 50%, calendar: plain, paused_in: held, escalate: {reason: slow}")
    order = _step(pack, None, "waiting", FRIDAY + 9 * HOUR)
    assert order.clocks["slow"].warn == FRIDAY + 13 * HOUR
    order = _step(pack, order, "held", FRIDAY + 10 * HOUR)
    order = _step(pack, order, "waiting", FRIDAY + 16 * HOUR)
    clock = order.clocks["slow"]
    monday = FRIDAY + timedelta(days=3)
    # 7 h are left: one on Friday, six on Monday; four of the eight are over after 2 h of Monday.
    assert (clock.due, clock.warn) == (monday + 15 * HOUR, monday + 11 * HOUR)


def test_a_warning_may_tell_somebody_while_there_is_time() -> None:
    pack = _pack("within: 8h, warn_at: 50%, at_warning: {notify: hurry}, escalate: {reason: slow}")
    order = _step(
        pack, None, "waiting", FRIDAY, recipients={"customer": {"name": "Asha", "webhook": "https://x.example/h"}}
    )
    warned = decide(order, ClockDue(FRIDAY + 4 * HOUR), pack, order.id)
    assert [n.name for n in warned.notices] == ["hurry"]
    late = decide(order, ClockDue(FRIDAY + 9 * HOUR), pack, order.id)
    assert not late.notices
    assert [e.kind for e in late.entries][:2] == ["clock_warned", "clock_breached"]
    with pytest.raises(PackError, match="unknown notice"):
        _pack("within: 8h, warn_at: 50%, at_warning: {notify: nothing}, escalate: {reason: slow}")
    with pytest.raises(PackError, match="needs 'warn_at'"):
        _pack("within: 8h, at_warning: {notify: hurry}, escalate: {reason: slow}")
