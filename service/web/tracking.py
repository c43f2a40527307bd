"""`/t/{token}`: what a customer sees of an order; no sign-in, and nothing personal except who is coming."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from service.domain.calendars import zone_of
from service.domain.conversation import ANSWER
from service.domain.languages import region_of
from service.domain.order import Order
from service.domain.workflow import Workflow
from service.ledger.conversations import reading
from service.ledger.conversations.reading import ConversationMessage
from service.ledger.orders.views import parts_shown
from service.web.brand_look import brand_of
from service.web.context import CONTEXT
from service.web.page_values import PageValues
from service.web.params import answer
from service.web.preview import masked
from service.web.problems import Problem
from service.web.schemas.tracking import Tracking, TrackingAssignee, TrackingPart, TrackingStage, TrackingSupport
from service.web.tracking_link import (
    HEADERS,
    gone,
    lead_to_whole,
    linked_order,
    nearest_locale,
    page,
    wanted_languages,
)
from service.web.tracking_replies import AUDIENCE, as_data, buttons
from service.workflows import cldr, filters

# The notices that the page shows after a tap; any other word in the address shows none.
RESULTS: Final = ("taken", "again", "too_late", "saved")
ANSWERS_SHOWN: Final = 5


async def get_tracking_data(request: web.Request) -> web.StreamResponse:
    """The tracking page as data."""
    order, workflow = await linked_order(request)
    await lead_to_whole(request, order, ".json")
    locale = nearest_locale(workflow, wanted_languages(request, order))
    return answer(_tracking(request, order, workflow, locale), headers=HEADERS)


async def get_tracking_page(request: web.Request) -> web.StreamResponse:
    """Show the tracking page, or that the link is wrong or has expired."""
    try:
        order, workflow = await linked_order(request)
        await lead_to_whole(request, order)
    except Problem as problem:
        return gone(request, problem)
    context = request.app[CONTEXT]
    wanted = wanted_languages(request, order)
    locale = nearest_locale(workflow, wanted)
    writing = cldr.writing(locale, next(filter(None, map(region_of, wanted)), ""))
    zone = zone_of(_zone(order, workflow))
    result = request.query.get("result", "")
    values: PageValues = {
        "t": _tracking(request, order, workflow, locale),
        "when": lambda moment: filters.moment(moment.astimezone(zone), writing),
        "clock": lambda moment: filters.clock(moment.astimezone(zone), writing),
        "start": order.appointment.start if order.appointment else None,
        "end": order.appointment.end if order.appointment else None,
        "token": request.match_info["token"],
        "buttons": buttons(context.orders.keyring, order, workflow, locale, context.orders.time.now()),
        "result": result if result in RESULTS else "",
        "answers": await _answers(request, order, workflow),
    }
    return page(
        request, "tracking.html.j2", values, locale, brand=brand_of(workflow, order.brand, context.settings.brand)
    )


async def _answers(request: web.Request, order: Order, workflow: Workflow) -> Sequence[ConversationMessage]:
    """Agents' answers to the customer, the newest last."""
    if order.conversation is None:
        return ()
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        found = await reading.answers(tx, order.id, {ANSWER})
    return [s for s in found if s.audience == AUDIENCE and s.text][-ANSWERS_SHOWN:]


def _zone(order: Order, workflow: Workflow) -> str:
    known = next((p.timezone for people in order.recipients.values() for p in people if p.timezone), None)
    return known or workflow.timezone


def _tracking(request: web.Request, order: Order, workflow: Workflow, locale: str) -> Tracking:
    current = workflow.stages[order.stage]

    def title(name: str) -> str:
        return workflow.title_in(workflow.stages[name].titles, locale, name)

    # A failed stage is shown only for orders that reached it; then the stages ahead are not.
    visible = [s for s in workflow.stages.values() if not s.failed or s.name == order.stage]
    stages = []
    for s in visible:
        ahead = s.rank > current.rank
        if current.failed and s.name != current.name:
            continue
        stages.append(TrackingStage(s.name, title(s.name), "next" if ahead else "current" if s is current else "done"))
    final = workflow.is_final(order.status)
    following = next((s.title for s in stages if s.state == "next"), None)
    rules = workflow.tracking
    eta = order.eta if _awaits_eta(order, workflow) else None
    support = TrackingSupport(rules.phone, rules.email, workflow.title_in(rules.hours, locale, ""))
    return Tracking(
        workflow=workflow.name,
        order_id=order.reference,
        brand=brand_of(workflow, order.brand, request.app[CONTEXT].settings.brand).title,
        stage=order.stage,
        stage_title=title(order.stage),
        next_stage=None if final else following,
        stages=stages,
        eta=eta,
        appointment=order.appointment,
        assignee=_assignee(order, workflow),
        final=final,
        failed=current.failed,
        updated=order.updated,
        locale=locale,
        late=eta is not None and eta < request.app[CONTEXT].orders.time.now(),
        says=workflow.title_in(rules.says.get(order.status, {}), locale, ""),
        support=support if rules.phone or rules.email else None,
        replies=as_data(order, workflow, locale, request.app[CONTEXT].orders.time.now()),
        parts=_parts(request, order, workflow, locale),
    )


def _parts(request: web.Request, order: Order, workflow: Workflow, locale: str) -> list[TrackingPart]:
    """The order's parts, without those in statuses that customers may not see."""
    context = request.app[CONTEXT]
    known, now = {**context.orders.packs.workflows, workflow.name: workflow}, context.orders.time.now()
    return [
        TrackingPart(p.order_id, p.stage, p.stage_title, eta, eta is not None and eta < now, p.final, p.failed)
        for p in parts_shown(order, known, locale)
        if p.workflow not in known or _is_tracked(known[p.workflow], p.status)
        for eta in (None if p.final else p.eta,)
    ]


def _is_tracked(workflow: Workflow, status: str) -> bool:
    return status not in workflow.statuses or workflow.statuses[status].tracked


def _awaits_eta(order: Order, workflow: Workflow) -> bool:
    """Whether an arrival is still expected: while a clock of the pack waits for the ETA; without one, until the end."""
    waits = [c.statuses for c in workflow.clocks.values() if c.kind == "deadline" and c.date == "eta" and c.statuses]
    if workflow.is_final(order.status):
        return False
    return not waits or any(order.status in statuses for statuses in waits)


def _assignee(order: Order, workflow: Workflow) -> TrackingAssignee | None:
    a, policy = order.assignee, workflow.tracking.assignee
    if a is None or order.status not in workflow.contact_from or policy == "hidden":
        return None
    contact = a.phone or a.email or ""
    return TrackingAssignee(a.name, {"masked": masked(contact), "contact": contact}.get(policy, ""))
