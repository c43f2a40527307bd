"""`/v1/.../conversation` and `/v1/conversations`: people's messages, agents' answers, and the unanswered ones."""

from datetime import datetime

from aiohttp import web

from service import conversations
from service.dispatch.windows import free_words, senders_of
from service.domain.acting import is_offered
from service.domain.causes import AnswerCustomer
from service.domain.conversation import ANSWER
from service.domain.errors import Rejection
from service.domain.languages import pick_locale
from service.domain.order import Order, OrderRef
from service.domain.replying import matching_act, ways_to_answer
from service.domain.workflow import Workflow
from service.ledger.conversations import reading, writing
from service.ledger.database.transaction import Transaction
from service.ledger.database.wakeups import TALK_TOPIC, announce
from service.ledger.orders.locking import find
from service.orders import NoSuchOrder
from service.web import known
from service.web.audited import audit_line
from service.web.auth import INCLUDES, scope_of
from service.web.context import CALLER, CONTEXT, Context
from service.web.orders import order_ref
from service.web.params import answer, body_of, uuid_of
from service.web.queries import query_of
from service.web.query_types import TrayQuery
from service.web.schemas.conversations import (
    AnswerWay,
    Conversation,
    CustomerAnswer,
    OfferedAct,
    PreparedAnswer,
    ReplyMove,
    Tray,
)


async def get_conversation(request: web.Request) -> web.StreamResponse:
    """Everything that was said and answered in an order."""
    return answer(await conversation_view(request, order_ref(request)))


async def conversation_view(request: web.Request, ref: OrderRef) -> Conversation:
    """A conversation as agents see it; raises NoSuchOrder."""
    context = request.app[CONTEXT]
    now = context.orders.time.now()
    async with context.orders.ledger.reading() as tx:
        order = await find(tx, *ref, scope=scope_of(request))
        if order is None:
            raise NoSuchOrder
        workflow = context.orders.packs.for_order(order.workflow, order.version).workflow
        messages = await reading.conversation(tx, order.id, workflow)
        who = await reading.answering(tx, order.id, now)
        ways = await _ways(context, tx, order, workflow, now)
    talk = order.conversation
    locale = locale_of(order, workflow)
    return Conversation(
        messages=messages,
        unanswered_since=talk.unanswered_since if talk else None,
        answering=who.by,
        answering_until=who.until,
        channel=talk.channel if talk else "",
        locale=locale,
        prepared=prepared(workflow, order.status, locale),
        act=_offered(workflow, order, frozenset[str](INCLUDES[request[CALLER].role])),
        ways=ways,
    )


async def _ways(context: Context, tx: Transaction, order: Order, workflow: Workflow, now: datetime) -> list[AnswerWay]:
    found = []
    for channel, address in ways_to_answer(workflow.for_brand(order.brand), order):
        route = context.routes.get(channel)
        senders = senders_of(workflow, order.brand, channel, route.providers if route else ())
        free = await free_words(tx, channel, address, workflow, senders, now)
        found.append(AnswerWay(channel, free.is_open, free.until) if free else AnswerWay(channel))
    return found


def _offered(workflow: Workflow, order: Order, roles: frozenset[str]) -> OfferedAct | None:
    reply = matching_act(workflow, order)
    if reply is None or reply.act is None or not is_offered(workflow, order, reply.act, roles):
        return None
    title = workflow.title_in(reply.titles, workflow.default_locale, reply.name)
    return OfferedAct(reply.name, title, reply.act.act, reply.act.status, dict(reply.act.attributes))


def locale_of(order: Order, workflow: Workflow) -> str:
    """The locale of the person who wrote last."""
    audience = order.conversation.audience if order.conversation else ""
    people = order.people(audience) if audience else tuple(p for ps in order.recipients.values() for p in ps)
    return pick_locale(workflow.locales, next((p.locale for p in people if p.locale), None))


def prepared(workflow: Workflow, status: str, locale: str) -> list[PreparedAnswer]:
    """The pack's prepared answers to frequent questions in this status, in this locale where it has them."""
    return [
        PreparedAnswer(a.question, a.says.get(locale, a.say))
        for a in workflow.faqs
        if not a.statuses or status in a.statuses
    ]


async def post_answer(request: web.Request) -> web.StreamResponse:
    """Answer the customer, or show other agents that the caller is about to."""
    customer_answer = await body_of(request, CustomerAnswer)
    ref = order_ref(request)
    if customer_answer.answering:
        await show_answering(request, ref)
        return answer(await conversation_view(request, ref))
    await answer_customer(request, ref, customer_answer)
    return answer(await conversation_view(request, ref), 201)


async def show_answering(request: web.Request, ref: OrderRef) -> None:
    """Show other agents for a while that the caller is answering; raises NoSuchOrder."""
    orders = request.app[CONTEXT].orders
    async with orders.ledger.transaction() as tx:
        order = await find(tx, *ref, scope=scope_of(request))
        if order is None:
            raise NoSuchOrder
        until = orders.time.now() + writing.ANSWERING_FOR
        await writing.show_answering(tx, order.id, request[CALLER].name, until)
        await announce(tx, {TALK_TOPIC}, orders.wakeups.origin)
    orders.wakeups.wake({TALK_TOPIC})


async def answer_customer(request: web.Request, ref: OrderRef, customer_answer: CustomerAnswer) -> None:
    """Send the agent's answer; raises NoSuchOrder, Rejection."""
    context = request.app[CONTEXT]
    text = customer_answer.text
    if customer_answer.prepared:
        ready = {p.question: p.text for p in (await conversation_view(request, ref)).prepared}
        if customer_answer.prepared not in ready:
            raise Rejection(f"prepared: no such question is answered in this status; known: {', '.join(ready)}")
        text = text or ready[customer_answer.prepared]
    by = request[CALLER].name
    cause = AnswerCustomer(context.orders.time.now(), text, by, customer_answer.channel)
    line = audit_line(request, f"notice.sent {ANSWER}", *ref)
    result = await context.orders.act(ref, cause, [line], scope=scope_of(request))
    assert result.decision is not None
    async with context.orders.ledger.transaction() as tx:
        await writing.show_answering(tx, result.decision.order.id, by, None)


async def list_waiting(request: web.Request) -> web.StreamResponse:
    """Conversations that wait for an answer, longest first."""
    return answer(await tray(request))


async def tray(request: web.Request) -> Tray:
    """The tray as the query asks for it."""
    context = request.app[CONTEXT]
    q = query_of(request, TrayQuery)
    workflows = None if not (q.team or q.workflow) else workflows_of(request, q.team, q.workflow)
    agent = request[CALLER].name if q.mine else ""
    async with context.orders.ledger.reading() as tx:
        now = context.orders.time.now()
        scope = scope_of(request)
        waiting = await reading.waiting(tx, now, workflows=workflows, agent=agent, limit=q.limit, scope=scope)
        apart = [] if q.mine or q.team or q.workflow else await reading.unmatched(tx, q.limit, scope=scope)
    return Tray(waiting, apart)


def workflows_of(request: web.Request, team: str, workflow: str) -> frozenset[str]:
    """The workflows whose conversations this team answers: those whose reply clocks escalate to it."""
    packs = [w for w in known.workflows_of(request) if workflow in ("", w.name)]
    return frozenset(w.name for w in packs if not team or team in _teams_of(w))


def _teams_of(w: Workflow) -> set[str]:
    """The teams to which the pack's clocks of unanswered customers escalate."""
    called = [c.escalate.reason for c in w.clocks.values() if c.kind == "reply" and c.escalate]
    return {w.reasons[r].team for r in called if r in w.reasons}


async def move_reply(request: web.Request) -> web.StreamResponse:
    """Move a message to the order that it is about, where it is decided anew."""
    to = await body_of(request, ReplyMove)
    ref = OrderRef(to.workflow, to.order_id)
    await move(request, request.match_info["id"], ref)
    return answer(await conversation_view(request, ref))


async def move(request: web.Request, reply_id: str, to: OrderRef) -> None:
    """Move a message to that order; raises NoSuchOrder, Rejection, Problem."""
    orders = request.app[CONTEXT].orders
    scope = scope_of(request)
    if "\x00" in "".join(to) or orders.packs.find(to.workflow) is None or not scope.has_workflow(to.workflow):
        raise NoSuchOrder
    line = audit_line(request, "reply.moved", *to)
    await conversations.move(orders, uuid_of(reply_id, "message"), to, request[CALLER].name, [line], scope=scope)
