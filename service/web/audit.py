"""`/v1/audit`: who saw and did what, for admins."""

from typing import Final

from aiohttp import web

from service.domain.errors import Rejection
from service.domain.transitions import require_known
from service.ledger.auditing import reading as audit_reading
from service.ledger.auditing.reading import AuditFilter, LoggedLine
from service.ledger.database.transaction import Transaction
from service.web.audited import ACTS, OTHER_ACTS, address_in, noted
from service.web.context import CONTEXT
from service.web.params import answer, whole_number
from service.web.queries import in_order, query_of
from service.web.query_types import AuditQuery
from service.web.schemas.people import AuditPage

LAST: Final = 10**15


def wanted_of(request: web.Request) -> AuditFilter:
    """The query string as a filter; raises Rejection."""
    q = query_of(request, AuditQuery)
    found = address_in(f"+{q.person.strip()}" if q.person.startswith(" ") else q.person)
    if q.person and not found:
        raise Rejection("person: a phone number with its country's code (+...), or a mail address, is expected")
    noted(request, people=found, by=sorted(name for name, value in request.query.items() if value and name != "zone"))
    before = whole_number(q.cursor, 1, LAST) if q.cursor else 0
    if before is None:
        raise Rejection("cursor: is not from a page of the audit log")
    since, until = in_order(("from", q.since), ("to", q.until))
    return AuditFilter(
        who=q.who,
        act=q.act,
        order=q.order,
        person=found[0] if found else "",
        since=since,
        until=until,
        before_seq=before,
        limit=q.limit,
    )


async def _check_act(request: web.Request, tx: Transaction, act: str) -> None:
    """Raises Rejection for an unknown act; names of earlier releases and packs are known by their lines in the log."""
    known = request.app[ACTS] | OTHER_ACTS
    # The prefix of a kind of act, such as `orders` of `orders.listed`.
    known |= {".".join(parts[:n]) for parts in (name.split(".") for name in known) for n in range(1, len(parts))}
    for w in request.app[CONTEXT].orders.packs.workflows.values():
        known |= {f"notice.sent {name}" for name in w.notices} | {f"issue.reported {name}" for name in w.reasons}
    if act and act not in known and not await audit_reading.search(tx, AuditFilter(act=act, limit=1)):
        require_known("act", act, known, "act")


async def lines_of(request: web.Request) -> tuple[list[LoggedLine], str]:
    """A page of lines, newest first, and the cursor of the next page; raises Rejection."""
    orders, wanted = request.app[CONTEXT].orders, wanted_of(request)
    async with orders.ledger.reading() as tx:
        await _check_act(request, tx, wanted.act)
        lines = await audit_reading.search(tx, wanted)
    return lines, str(lines[-1].seq) if len(lines) == wanted.limit else ""


async def list_audit_lines(request: web.Request) -> web.StreamResponse:
    """A page of lines, newest first."""
    lines, cursor = await lines_of(request)
    return answer(AuditPage(lines, cursor))
