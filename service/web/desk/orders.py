"""One order on the desk, with everything an agent needs."""

from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web
from msgspec import Struct

from service.domain.attributes import Attribute, moment_of
from service.domain.calendars import zone_of
from service.domain.causes import ReportIssue, SendNotice
from service.domain.errors import Rejection
from service.domain.json_object import JsonObject
from service.domain.order import CUSTOMER, Order
from service.domain.replying import ways_to_answer
from service.domain.workflow import Workflow
from service.orders import NoSuchOrder
from service.web.assignee_link import act_link_of
from service.web.audited import audit_line
from service.web.auth import scope_of
from service.web.context import CALLER, CONTEXT
from service.web.conversations import locale_of, prepared
from service.web.desk import act_forms, story
from service.web.desk.page import render
from service.web.desk.titles import Titles, language
from service.web.desk.urgency import urgency_of
from service.web.messages import tell_again
from service.web.once import once_by_form
from service.web.orders import (
    load_order,
    order_ref,
    send_once,
)
from service.web.page_values import PageValues
from service.web.params import form_of
from service.web.party_view import lists_for, viewer_of
from service.web.preview import preview
from service.web.schemas.orders import Asked, OrderDocument
from service.web.suppressions import lift_as_asked


def path_of(workflow: str, order_id: str) -> str:
    """Where an order stands on the desk."""
    return f"/desk/orders/{quote(workflow, safe='')}/{quote(order_id, safe='')}"


async def order(request: web.Request) -> web.StreamResponse:
    """One order."""
    return await render(request, template_for(request), await page_values(request), here="/desk/orders")


def template_for(request: web.Request) -> str:
    """The order's page as the company's own people see it, or as those of a party do."""
    return "party_order.html.j2" if viewer_of(request) else "order.html.j2"


async def order_now(request: web.Request) -> web.StreamResponse:
    """The changing part of the page, for its refresh; 204 where nothing has changed."""
    values = await page_values(request)
    if request.headers.get("X-Seen") == values["seen"]:
        return web.Response(status=204)
    return await render(request, "order_live.html.j2", values | {"live": True})


async def tell_again_and_show(request: web.Request) -> web.StreamResponse:
    """Resend one message, by another channel for example, and show its order."""
    form = await form_of(request)
    await tell_again(request, form.get("channel", ""))
    raise web.HTTPSeeOther(f"{path_of(form.get('workflow', ''), form.get('order_id', ''))}#messages")


async def page_values(request: web.Request) -> PageValues:
    """What the order's page shows."""
    context = request.app[CONTEXT]
    stored, view = await load_order(request)
    pack = context.orders.packs.find(view.workflow, view.pack)
    assert pack is not None
    w, titles = pack.workflow.for_brand(stored.brand), Titles(context.orders.packs)
    viewer = viewer_of(request)
    return {
        "o": view,
        "workflow": w,
        "language": language,
        "path_of": path_of,
        "base": path_of(view.workflow, view.order_id),
        "seen": _digest(view),
        "side": viewer.role if viewer else "",
        "tracking": f"/t/{context.composer.link_token(stored.id, stored.links)}",
        "theirs_to_act": act_link_of(context, stored, w),
        "lists": [
            {"name": n, "title": spec.titles.get(w.default_locale, n.replace("_", " ")), "count": size}
            for n, spec in lists_for(request, w).items()
            for size in [stored.lists[n].count if n in stored.lists else 0]
        ],
        **_state(w, view),
        **_history(titles, view),
        **_actions(titles, w, stored, view),
    }


def _state(w: Workflow, view: OrderDocument) -> PageValues:
    """How the order stands: what comes next, what is promised, who is called, and the facts known of it."""
    rank = w.stages[view.stage].rank
    ahead = [s for s in w.stages.values() if s.rank > rank and not s.failed]
    running = sorted((c for c in view.clocks if c.state == "running"), key=lambda c: c.due)
    customer = min(view.people, key=lambda p: (p.audience != CUSTOMER, not p.name), default=None)
    return {
        "next_stage": ahead[0].titles.get(w.default_locale, ahead[0].name) if ahead and not view.final else "",
        "promise": running[0] if running else None,
        "called": sorted((e for e in view.escalations if e.state != "resolved"), key=urgency_of),
        "customer": customer,
        "theirs": zone_of(customer.timezone) if customer and customer.timezone else None,
        "facts": _facts(w, view.attributes),
    }


def _history(titles: Titles, view: OrderDocument) -> PageValues:
    """What has happened to the order, told in several ways."""
    return {
        "told": story.told(titles, view.workflow, view.messages),
        "notes": story.notes(view.timeline),
        "story": story.story(titles, view.workflow, view.timeline),
        "timeline": list(reversed(view.timeline)),
    }


def _actions(titles: Titles, w: Workflow, stored: Order, view: OrderDocument) -> PageValues:
    """What the agent may do, and the choices of each form."""
    locale = w.default_locale if stored.conversation is None else locale_of(stored, w)
    lived = w.for_brand(stored.brand)
    return {
        "work": act_forms.work(titles, w, stored, view.acts),
        "asked": [
            {"reason": n.reason, "title": n.title, "fields": [_field(w, n.reason, a) for a in n.asks]}
            for n in view.manual_notices
            if n.asks
        ],
        "prepared": prepared(w, view.status, locale),
        "ways": [c for c, _ in ways_to_answer(w, stored)],
        "channels": list(dict.fromkeys(c for n in view.manual_notices for c in n.channels)),
        "again_by": {n.name: lived.channels_of(n) for n in lived.notices.values()},
        "reasons": [
            {"name": r.name, "title": r.titles.get(w.default_locale, r.name), "team": r.team}
            for r in w.reasons.values()
        ],
    }


def _digest(view: OrderDocument) -> str:
    """A digest of the page's content, by which a change is noticed."""
    return blake2b(msgspec.json.encode(view), digest_size=8).hexdigest()


def _facts(w: Workflow, attributes: JsonObject) -> list[tuple[str, Any]]:
    """Titles and values of the attributes that the pack declares and the order has; of a list, how many."""
    return [
        (a.titles.get(w.default_locale, name.replace("_", " ")), _shown(w, a, attributes[name]))
        for name, a in w.attributes.items()
        if attributes.get(name) not in (None, "", [], {})
    ]


def _shown(w: Workflow, attribute: Attribute, value: Any) -> Any:
    if isinstance(value, list):
        return len(value)
    chosen = attribute.choices.get(value) if isinstance(value, str) else None
    return w.title_in(chosen, w.default_locale, value) if chosen else value


async def _notice(request: web.Request) -> SendNotice:
    form = await form_of(request)
    reason = form.get("reason", "")
    pack = request.app[CONTEXT].orders.packs.find(request.match_info["workflow"])
    notice = pack.workflow.notices.get(reason) if pack else None
    chosen = tuple(form.getall("channels", []))
    # The form offers every channel that any notice has; those that this one does not have are left out.
    fitting = tuple(c for c in chosen if notice is None or c in notice.channels)
    if notice is not None and not fitting:
        raise Rejection("channels: choose at least one that this message has")
    inputs = {
        name: given(ask.attribute.type, form.get(f"{reason}.{name}", ""))
        for name, ask in (notice.asks if notice else {}).items()
    }
    return SendNotice(request.app[CONTEXT].orders.time.now(), reason, request[CALLER].name, fitting, inputs)


INPUTS: Final = {"datetime": "datetime-local", "date": "date", "number": "number"}


class Field(Struct, frozen=True):
    """A field of the form. `type`: as HTML names kinds of inputs."""

    name: str
    title: str
    type: str
    value: str


def _field(w: Workflow, reason: str, ask: Asked) -> Field:
    """A field of the form; moments are shown, and read, in the pack's time zone."""
    kind, value = ask.type, ask.default
    title = ask.title
    if kind == "datetime":
        title = f"{title} ({w.timezone})"
        moment = moment_of(value, w.timezone) if value else None
        value = f"{moment.astimezone(zone_of(w.timezone)):%Y-%m-%dT%H:%M}" if moment else ""
    elif kind == "date" and value:
        value = value[:10]
    return Field(f"{reason}.{ask.name}", title, INPUTS.get(kind, "text"), value or "")


def given(kind: str, text: str) -> Any:
    """A field's text as the API takes it; one that cannot be read stays as it is, to be refused by name."""
    if kind == "list":
        return [part.strip() for part in text.split(",") if part.strip()] or None
    if kind == "money" and len(parts := text.split()) == 2:
        return {"amount": parts[0], "currency": parts[1].upper()}
    return text.strip()


async def preview_notice(request: web.Request) -> web.StreamResponse:
    """The exact words, while the agent chooses."""
    try:
        cause = await _notice(request)
        messages = (
            await preview(request.app[CONTEXT], order_ref(request), cause, scope=scope_of(request))
            if cause.reason
            else []
        )
        return await render(request, "preview.html.j2", {"messages": messages})
    except Rejection as rejection:
        return await render(request, "preview.html.j2", {"messages": [], "problem": rejection.reason})


async def send_notice(request: web.Request) -> web.StreamResponse:
    """Send it, and show the order again."""
    cause = await _notice(request)

    async def send(request: web.Request) -> web.StreamResponse:
        return await send_once(request, cause, _send)

    return await once_by_form(request, send)


async def _send(request: web.Request, cause: SendNotice) -> web.StreamResponse:
    ref = order_ref(request)
    line = audit_line(request, f"notice.sent {cause.reason}", *ref)
    await request.app[CONTEXT].orders.act(ref, cause, [line], scope=scope_of(request))
    raise web.HTTPSeeOther(path_of(*ref))


async def lift_suppression(request: web.Request) -> web.StreamResponse:
    """Allow messages to an address again, and show the order again."""
    form = await form_of(request)
    ref = order_ref(request)
    await lift_as_asked(request, form.get("channel", ""), form.get("address", ""))
    raise web.HTTPSeeOther(path_of(*ref))


async def report_issue(request: web.Request) -> web.StreamResponse:
    """Escalate at once, and show the order again."""
    return await once_by_form(request, _report)


async def _report(request: web.Request) -> web.StreamResponse:
    form = await form_of(request)
    reason, detail = form.get("reason", ""), form.get("detail", "")[:2000]
    ref = order_ref(request)
    cause = ReportIssue(request.app[CONTEXT].orders.time.now(), reason, request[CALLER].name, detail)
    try:
        line = audit_line(request, f"issue.reported {reason}", *ref)
        await request.app[CONTEXT].orders.act(ref, cause, [line], scope=scope_of(request))
    except NoSuchOrder:
        raise web.HTTPNotFound from None
    raise web.HTTPSeeOther(path_of(*ref))
