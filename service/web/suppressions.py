"""`/v1/suppressions`: addresses to which nothing is sent, and why; an agent may lift a wrong one."""

from typing import Final

from aiohttp import web

from service.canonical import canonical_address, spellings
from service.channels import registry
from service.domain.errors import Rejection
from service.ledger.auditing.lines import write_audit
from service.ledger.messages.suppressions import lift, suppressed
from service.ledger.orders.search import knows
from service.web.audited import audit_line, noted
from service.web.auth import scope_of
from service.web.context import CONTEXT
from service.web.order_search import countries_of
from service.web.params import answer
from service.web.queries import query_of
from service.web.query_types import SuppressionQuery, SuppressionsQuery
from service.web.schemas.fields import Count
from service.web.schemas.people import Suppressions

MOST_LETTERS: Final = 320


async def list_suppressions(request: web.Request) -> web.StreamResponse:
    """The suppressions of one address; there is no list of all addresses."""
    orders = request.app[CONTEXT].orders
    q = query_of(request, SuppressionsQuery)
    known_as = _recipient(request, q.recipient, q.country)
    noted(request, people=known_as)
    async with orders.ledger.reading() as tx:
        theirs = await knows(tx, known_as, scope=scope_of(request))
        found = await suppressed(tx, known_as) if theirs else []
    return answer(Suppressions(list(found)))


async def lift_suppression(request: web.Request) -> web.StreamResponse:
    """Allow messages again; the audit log says who did."""
    query = query_of(request, SuppressionQuery)
    return answer(Count(await lift_as_asked(request, query.channel, query.recipient)))


async def lift_as_asked(request: web.Request, channel: str, recipient: str) -> int:
    """Lift the suppression of one channel and address, with an audit line; raises Rejection."""
    orders = request.app[CONTEXT].orders
    known_as = _recipient(request, recipient, request.query.get("country", ""))
    if len(known_as) > 1:
        raise Rejection("recipient: may be a number of several countries; say which with ?country= (ISO 3166)")
    if channel not in registry.channels():
        raise Rejection(f"channel: one of {', '.join(registry.channels())} is expected")
    noted(request, people=known_as)
    line = audit_line(request, "suppression.lifted", channel=channel)
    async with orders.ledger.transaction() as tx:
        theirs = await knows(tx, known_as, scope=scope_of(request))
        lifted = await lift(tx, channel, known_as[0].removeprefix(f"{channel}:")) if theirs else 0
        await write_audit(tx, [line], orders.time.now())
    return lifted


def _recipient(request: web.Request, text: str, country: str) -> tuple[str, ...]:
    """The canonical forms that the address may have: for a national number, one for each possible country.

    A plus sign that query-string decoding made a blank is restored; push tokens stay as they are. Raises Rejection.
    """
    address = f"+{text.strip()}" if text.startswith(" ") else text.strip()
    if not address or len(address) > MOST_LETTERS or "\x00" in address:
        raise Rejection("recipient: a phone number or email address is expected")
    if "@" not in address:
        return spellings(address, countries_of(request, country))[1:] or (address,)
    try:
        return (canonical_address(address),)
    except ValueError as error:
        raise Rejection(f"recipient: {error}") from None
