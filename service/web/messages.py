"""`/v1/messages`: messages of all orders, as pages or as a CSV table."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, get_args

from aiohttp import web
from msgspec import structs

from service.canonical import spellings
from service.channels import registry
from service.domain import resending as words
from service.domain.notices import State
from service.domain.transitions import require_known
from service.ledger.messages.listing import WantedMessages, as_table, listed_messages
from service.resending import Request, Resent, resend
from service.web.audited import address_in, audit_line, noted
from service.web.auth import scope_of
from service.web.context import CALLER, CONTEXT
from service.web.known import check_names, require_workflow
from service.web.order_search import countries_of, recipient_of
from service.web.params import answer, body_of, uuid_of
from service.web.problems import Problem
from service.web.queries import in_order, query_of
from service.web.query_types import MessagesQuery
from service.web.schemas.messages import MessageFilter, MessagePage, ResendAnswer, ResendOne, ResendOrder

MOST_CSV: Final = 50_000
# Why one message is not resent, in words for the caller.
WHY_NOT: Final[Mapping[str, str]] = {
    words.CODE: "a one-time code is never sent again; ask for a new one",
    words.MONEY: "it is about money and may have arrived",
    words.SENT: "it was sent",
    words.MAY_HAVE_ARRIVED: "it may have arrived: its provider has not answered yet",
    words.TOLD: "they were told by another channel",
    words.WAITS: "it still waits to be sent; choose another channel to send it by that instead",
    words.ELSEWHERE: "another message about the same still waits; choose that one to send it by another channel",
    words.STALE: "the order has moved on, or its time is over",
    words.NO_WORDS: "its notice is not written for that channel",
    words.NO_ADDRESS: "they have no address on that channel",
    words.OPTED_OUT: "they opted out of that channel",
    words.UNWANTED: "they do not want it by that channel, or not at this hour",
    words.PACK: "its notice is not in the pack any more",
    "gone": "its order is gone",
}


async def list_messages(request: web.Request) -> web.StreamResponse:
    """A page of messages, the newest first; `format=csv` gives all of them as a table."""
    context = request.app[CONTEXT]
    wanted = await wanted_messages(request)
    if query_of(request, MessagesQuery).format:
        return await _table(request, wanted)
    async with context.orders.ledger.reading() as tx:
        found, cursor = await listed_messages(tx, wanted, scope=scope_of(request))
    return answer(MessagePage(found, cursor))


async def wanted_messages(request: web.Request) -> WantedMessages:
    """The query string as filters; raises Rejection."""
    q = query_of(request, MessagesQuery)
    await check_names(request)
    noted(request, people=address_in(q.recipient))
    since, until = in_order(("from", q.since), ("to", q.until))
    return WantedMessages(
        channels=_known("channel", q.channel, registry.channels()),
        states=_known("state", q.state, get_args(State)),
        notices=listed_in(q.notice),
        causes=listed_in(q.cause),
        workflow=q.workflow,
        recipient=_spelled(request, recipient_of(q.recipient), q.country),
        since=since,
        until=until,
        cursor=q.cursor,
        limit=q.limit,
    )


def listed_in(given: str | Sequence[str]) -> tuple[str, ...]:
    """One value or several, separated by commas or in a list."""
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(part for part in (p.strip() for p in parts) if part)


def _known(name: str, given: str | Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """The values, each of which must be known; raises Rejection with the nearest known one."""
    values = listed_in(given)
    for value in values:
        require_known(name.rpartition(".")[2], value, known, name)
    return values


async def resend_messages(request: web.Request) -> web.StreamResponse:
    """Resend the messages that a filter finds, or count them."""
    body = await body_of(request, ResendOrder)
    wanted = wanted_in_body(request, body.filter)
    if wanted == WantedMessages(limit=wanted.limit):
        raise Problem(422, "Not accepted", "filter: say which messages; without any filter it would be all")
    what = Request(wanted, request[CALLER].name, scope_of(request), body.channel, body.per_minute, dry_run=body.dry_run)
    return answer(ResendAnswer(body.dry_run, **structs.asdict(await resend_many(request, what))))


async def resend_many(request: web.Request, what: Request) -> Resent:
    """Resend the messages, or count them; the audit log says which were meant. Raises Rejection."""
    if what.channel:
        require_known("channel", what.channel, registry.channels(), "channel")
    noted(request, "messages.resend_counted", channel=what.channel, wanted=filter_in_words(what.wanted))
    line = None if what.dry_run else audit_line(request, "messages.resent")
    return await resend(request.app[CONTEXT].orders, what, line)


def filter_in_words(wanted: WantedMessages) -> list[str]:
    """The filter for the audit log, without what may name a person: their addresses are logged as digests."""
    parts = (
        ("channel", wanted.channels),
        ("state", wanted.states),
        ("workflow", (wanted.workflow,) if wanted.workflow else ()),
        ("from", (f"{wanted.since:%Y-%m-%dT%H:%MZ}",) if wanted.since else ()),
        ("to", (f"{wanted.until:%Y-%m-%dT%H:%MZ}",) if wanted.until else ()),
        ("one address", ("",) if wanted.recipient else ()),
        ("chosen messages", (str(len(wanted.ids)),) if wanted.ids else ()),
    )
    return [f"{what} {' or '.join(values)}".strip() for what, values in parts if values]


async def resend_message(request: web.Request) -> web.StreamResponse:
    """Resend one message, by another channel for example."""
    body = await body_of(request, ResendOne)
    done = await tell_again(request, body.channel)
    return answer(ResendAnswer(dry_run=False, **structs.asdict(done)))


async def tell_again(request: web.Request, channel: str) -> Resent:
    """Resend the message that the path names, by this channel or its own; raises Problem."""
    message_id = uuid_of(request.match_info["id"], "message")
    if channel:
        require_known("channel", channel, registry.channels(), "channel")
    line = audit_line(request, "message.resent", channel=channel)
    what = Request(WantedMessages(ids=(message_id,)), request[CALLER].name, scope_of(request), channel)
    done = await resend(request.app[CONTEXT].orders, what, line)
    if not done.matched:
        raise Problem(404, "No such message", "there is no message with this id")
    if not done.planned:
        raise Problem(409, "Not sent again", WHY_NOT[next(iter(done.excluded))])
    return done


def wanted_in_body(request: web.Request, f: MessageFilter) -> WantedMessages:
    """A filter in a body; raises Rejection."""
    noted(request, people=address_in(f.recipient))
    recipient = recipient_of(f.recipient)
    since, until = in_order(("filter.from", f.since), ("filter.to", f.until))
    if f.workflow:
        require_workflow(request, f.workflow)
    return WantedMessages(
        channels=_known("filter.channel", f.channel, registry.channels()),
        states=_known("filter.state", f.state, get_args(State)),
        notices=listed_in(f.notice),
        causes=listed_in(f.cause),
        workflow=f.workflow,
        recipient=_spelled(request, recipient, f.country),
        since=since,
        until=until,
    )


def _spelled(request: web.Request, recipient: str, country: str) -> frozenset[str]:
    return frozenset(spellings(recipient, countries_of(request, country))) if recipient else frozenset()


async def _table(request: web.Request, wanted: WantedMessages) -> web.Response:
    context = request.app[CONTEXT]
    async with context.orders.ledger.reading() as tx:
        found, _ = await listed_messages(
            tx, structs.replace(wanted, limit=MOST_CSV, cursor=""), scope=scope_of(request)
        )
    noted(request, "messages.exported", rows=len(found))
    headers = {"Content-Disposition": f'attachment; filename="messages-{context.orders.time.now():%Y-%m-%d}.csv"'}
    return web.Response(text=as_table(found), content_type="text/csv", headers=headers)
