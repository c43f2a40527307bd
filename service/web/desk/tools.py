"""Rendered mails, dead letters, health."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from service.broker.port import DEAD, BrokerLost, intake_queue
from service.intake.dead_letters import WINDOW
from service.ledger.escalations import provider_health
from service.ledger.messages import housekeeping
from service.ledger.orders.totals import messages_waiting
from service.ledger.orders.views import mail_html
from service.web.auth import scope_of
from service.web.context import CONTEXT
from service.web.dead import change_dead_letter, dead_letters_of
from service.web.desk.charts import duration
from service.web.desk.page import render
from service.web.page_query_types import DeadQuery
from service.web.page_values import PageValues
from service.web.params import uuid_of
from service.web.queries import query_of

LETTERS: Final = 100
# The policy for a mail's HTML: no scripts, no external content, only its own styles.
MAIL_CSP: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'"


async def mail(request: web.Request) -> web.StreamResponse:
    """One mail's HTML, sandboxed."""
    orders = request.app[CONTEXT].orders
    key = uuid_of(request.match_info["id"], "message")
    async with orders.ledger.reading() as tx:
        html = await mail_html(tx, key, scope=scope_of(request))
    if not html:
        raise web.HTTPNotFound
    headers = {"Content-Security-Policy": MAIL_CSP, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.Response(text=html, content_type="text/html", headers=headers)


async def dead(request: web.Request) -> web.StreamResponse:
    """The dead letters, with reasons."""
    queue = dead_letters_of(request)
    replayed = query_of(request, DeadQuery).replayed
    values: PageValues = {
        "letters": [],
        "count": 0,
        "most": WINDOW,
        "problem": "",
        "moment": _moment,
        "replayed": replayed,
    }
    try:
        values |= {"count": await queue.count(), "letters": await queue.inspect(LETTERS)}
    except BrokerLost:
        values["problem"] = "The broker does not answer; the letters are safe there."
    return await render(request, "dead.html.j2", values, here="/desk/dead")


def _moment(text: str) -> datetime | None:
    """When a letter was refused, as its header says it; None for what is no time."""
    with suppress(ValueError):
        return datetime.fromisoformat(text).astimezone(UTC)
    return None


async def act_on_dead(request: web.Request) -> web.StreamResponse:
    """Replay or drop one dead letter, and show the others."""
    act = request.match_info["act"]
    raise see_letters(act, await change_dead_letter(request, act))


def see_letters(act: str, count: int) -> web.HTTPSeeOther:
    """The way to the others, where it is said that those which are replayed may come back: that takes a moment."""
    return web.HTTPSeeOther(f"/desk/dead?replayed={count}" if act == "replay" else "/desk/dead")


async def health(request: web.Request) -> web.StreamResponse:
    """The state of queues, lag, providers and circuit breakers."""
    context = request.app[CONTEXT]
    orders, now = context.orders, context.orders.time.now()
    async with orders.ledger.reading() as tx:
        oldest = await housekeeping.oldest_pending(tx, context.routes)
        leaving = await housekeeping.oldest_leaving(tx, now)
        waiting = await messages_waiting(tx)
        refusals = await provider_health.refusing(tx)
    numbers: list[tuple[str, Any]] = [("messages that wait", waiting)]
    numbers.append(("oldest news for other systems", _age(now, leaving)))
    queues = [(f"events that wait, part {n + 1}", intake_queue(n)) for n in range(context.settings.intake_partitions)]
    if len(queues) == 1:
        queues = [("events that wait", intake_queue(0))]
    for title, queue in (*queues, ("dead letters", DEAD)):
        try:
            numbers.append((title, await context.broker.depth(queue)))
        except BrokerLost:
            numbers.append((title, "?"))
    ready = await context.readiness()
    told_below = {f"provider.{r.channel}.{r.provider}" for r in refusals}
    values = {
        "parts": {k: v for k, v in {**ready.parts, **ready.lame}.items() if k not in told_below},
        "refusals": refusals,
        "numbers": numbers,
        "routes": [
            {"channel": c, "provider": p.name, "open": route.is_open(p), "oldest": _age(now, oldest.get(c))}
            for c, route in context.routes.items()
            for p in route.providers
        ],
        "templates": context.templates.known,
        "packs": [p.workflow for p in orders.packs],
    }
    return await render(request, "health.html.j2", values, here="/desk/health")


def _age(now: Any, since: Any) -> str:
    return duration(max(0.0, (now - since).total_seconds())) if since else "nothing waits"
