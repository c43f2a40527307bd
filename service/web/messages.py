"""`/v1/messages`: messages of all orders, as a page or a table."""

from collections.abc import Iterable
from typing import Final, get_args

from aiohttp import web
from msgspec import structs

from service.canonical import spellings
from service.channels import registry
from service.domain.notices import State
from service.domain.transitions import require_known
from service.ledger.messages.listing import WantedMessages, as_table, listed_messages
from service.web.audited import address_in, noted
from service.web.context import CONTEXT
from service.web.known import check_names
from service.web.orders import countries_of, recipient_of
from service.web.params import answer
from service.web.queries import in_order, query_of
from service.web.query_types import MessagesQuery
from service.web.schemas import MessagePage

MOST_CSV: Final = 50_000


async def list_messages(request: web.Request) -> web.StreamResponse:
    """A page of messages, the newest first; `format=csv` gives all of them as a table."""
    context = request.app[CONTEXT]
    wanted = await wanted_messages(request)
    if query_of(request, MessagesQuery).format:
        return await _table(request, wanted)
    async with context.orders.ledger.reading() as tx:
        found, cursor = await listed_messages(tx, wanted)
    return answer(MessagePage(found, cursor))


async def wanted_messages(request: web.Request) -> WantedMessages:
    """The query string as filters; raises Rejection."""
    q = query_of(request, MessagesQuery)
    await check_names(request)
    noted(request, people=address_in(q.recipient))
    since, until = in_order(("from", q.since), ("to", q.until))
    recipient = recipient_of(q.recipient)
    return WantedMessages(
        channels=_known("channel", q.channel, registry.channels()),
        states=_known("state", q.state, get_args(State)),
        notices=_list(q.notice),
        causes=_list(q.cause),
        workflow=q.workflow,
        recipient=frozenset(spellings(recipient, countries_of(request))) if recipient else frozenset(),
        since=since,
        until=until,
        cursor=q.cursor,
        limit=q.limit,
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part for part in (p.strip() for p in text.split(",")) if part)


def _known(name: str, text: str, known: Iterable[str]) -> tuple[str, ...]:
    """Several values, each of which is one; raises Rejection with the nearest."""
    values = _list(text)
    for value in values:
        require_known(name, value, known, name)
    return values


async def _table(request: web.Request, wanted: WantedMessages) -> web.Response:
    context = request.app[CONTEXT]
    async with context.orders.ledger.reading() as tx:
        found, _ = await listed_messages(tx, structs.replace(wanted, limit=MOST_CSV, cursor=""))
    noted(request, "messages.exported", rows=len(found))
    headers = {"Content-Disposition": f'attachment; filename="messages-{context.orders.time.now():%Y-%m-%d}.csv"'}
    return web.Response(text=as_table(found), content_type="text/csv", headers=headers)
