"""`/v1/subscriptions`: which reports are mailed to whom, and when."""

from datetime import time
from email.utils import parseaddr
from typing import Final

from aiohttp import web
from msgspec import structs

from service.domain.calendars import Schedule, zone_of
from service.domain.errors import Rejection
from service.domain.transitions import require_known
from service.ledger.auditing.lines import write_audit
from service.ledger.database.engine import new_uuid
from service.ledger.escalations import digests, schedules
from service.ledger.escalations.schedules import ReportSubscription
from service.ledger.messages import outbox
from service.mail_address import canonical_mail
from service.web.audited import audit_line, noted
from service.web.auth import scope_of
from service.web.context import CALLER, CONTEXT
from service.web.known import require_workflow
from service.web.params import answer, body_of, uuid_of
from service.web.problems import Problem
from service.web.schemas.fields import Count
from service.web.schemas.subscriptions import SubscriptionLine, SubscriptionOrder, Subscriptions

SUNDAY: Final = 6


async def list_subscriptions(request: web.Request) -> web.StreamResponse:
    """All subscriptions."""
    return answer(Subscriptions(await subscription_lines(request)))


async def subscription_lines(request: web.Request) -> list[SubscriptionLine]:
    """All subscriptions as lines."""
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        return [_line(s) for s in await schedules.listed(tx) if scope_of(request).has_workflow(s.workflow)]


async def add_subscription(request: web.Request) -> web.StreamResponse:
    """Send a report now, or regularly from now on."""
    made = await subscribe(request, await body_of(request, SubscriptionOrder))
    return answer(made, 201) if made else answer(Count(1), 202)


async def subscribe(request: web.Request, wanted: SubscriptionOrder) -> SubscriptionLine | None:
    """Send the report regularly from now on; None where it is sent once, now. Raises Rejection."""
    orders = request.app[CONTEXT].orders
    try:
        wanted = structs.replace(wanted, email=canonical_mail(wanted.email))
    except ValueError as error:
        raise Rejection(f"email: {error}") from None
    workflow = require_workflow(request, wanted.workflow)
    require_known("report", wanted.report, workflow.all_reports, "report")
    report = workflow.all_reports[wanted.report]
    now = orders.time.now()
    noted(request, people=[wanted.email], report=report.name, every=wanted.every)
    noted(request, outside=_is_outside(request, wanted.email))
    line = audit_line(request, "subscription.made", workflow.name)
    day = _day(wanted)
    if wanted.every == "now":
        async with orders.ledger.transaction() as tx:
            mail = await digests.report_mail(tx, workflow, report, wanted.email, new_uuid().hex, now)
            await outbox.put(tx, [mail], now)
            await write_audit(tx, [line], now)
        orders.wakeups.wake({"relay"})
        return None
    if wanted.every not in report.every:
        raise Rejection(f"every: {wanted.report!r} comes every {' or '.join(report.every)}, not every {wanted.every}")
    if wanted.timezone and zone_of(wanted.timezone).key != wanted.timezone:
        raise Rejection(f"timezone: unknown time zone {wanted.timezone!r}; write one like 'Europe/Berlin'")
    schedule = Schedule(
        every=wanted.every,
        at=time.fromisoformat(wanted.at or report.at),
        timezone=wanted.timezone or workflow.timezone,
        day=day,
    )
    async with orders.ledger.transaction() as tx:
        # Whoever asks for the same once more gets it once.
        what = (workflow.name, report.name, schedule, wanted.email)
        there = {(s.workflow, s.name, s.schedule, s.target.get("email")): s for s in await schedules.listed(tx)}
        made = there.get(what) or await schedules.subscribe(tx, *what, request[CALLER].name, now)
        await write_audit(tx, [line], now)
    orders.wakeups.wake({"clock"})
    return _line(made)


def _day(wanted: SubscriptionOrder) -> int:
    """The day on which it is sent, by default the first; raises Rejection for a day that the interval does not have."""
    if wanted.every == "now":
        for field in ("at", "timezone", "day"):
            if getattr(wanted, field):
                raise Rejection(f"{field}: goes with what comes every day, week or month, not with a report now")
    day = wanted.day
    if wanted.every == "week" and day is not None and day > SUNDAY:
        raise Rejection(f"day: {day} is no weekday; 0 is Monday and 6 is Sunday")
    if wanted.every == "month" and day == 0:
        raise Rejection("day: 0 is no day of a month; 1 is its first and 31 its last")
    if wanted.every == "day" and day:
        raise Rejection("day: goes with every week or every month, not with every day")
    return (1 if wanted.every == "month" else 0) if day is None else day


async def end_subscription(request: web.Request) -> web.StreamResponse:
    """End a subscription."""
    await unsubscribe(request)
    return web.Response(status=204)


async def unsubscribe(request: web.Request) -> None:
    """End the subscription that the path names; raises Problem."""
    orders = request.app[CONTEXT].orders
    key = uuid_of(request.match_info["id"], "subscription")
    async with orders.ledger.transaction() as tx:
        theirs = [s for s in await schedules.listed(tx) if s.id == key and scope_of(request).has_workflow(s.workflow)]
        if not theirs or not await schedules.unsubscribe(tx, key):
            raise Problem(404, "No such subscription", "there is no subscription with this id")
        line = audit_line(request, "subscription.ended", subscription=str(key))
        await write_audit(tx, [line], orders.time.now())


def _is_outside(request: web.Request, email: str) -> bool | None:
    """Whether a report goes to another domain than that of our own mails; None where that is not known."""
    ours = parseaddr(request.app[CONTEXT].settings.email_from)[1].rpartition("@")[2].lower()
    return email.rpartition("@")[2].lower() != ours if ours else None


def _line(s: ReportSubscription) -> SubscriptionLine:
    return SubscriptionLine(
        id=str(s.id),
        workflow=s.workflow,
        report=s.name,
        email=s.target.get("email", ""),
        every=s.schedule.every,
        at=f"{s.schedule.at:%H:%M}",
        timezone=s.schedule.timezone,
        day=s.schedule.day,
        next_at=s.next_at,
    )
