"""`/v1/audit`: who saw and did what, for admins."""

import re
from datetime import datetime
from typing import Final

from aiohttp import web

from service.domain.errors import Rejection
from service.domain.lifecycle import require_known
from service.ledger import audit_reading
from service.ledger.audit_reading import Line, Wanted
from service.ledger.transaction import Transaction
from service.web.audited import ACTS, OTHER_ACTS, address_in, noted
from service.web.auth import needs
from service.web.bodies import answer, in_order, limit_of, moment_of, whole_number
from service.web.context import CONTEXT
from service.web.shapes import AuditPage

USUAL: Final = 100
MOST: Final = 1000
LAST: Final = 10**15
_DAY: Final = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}")


def wanted_of(request: web.Request) -> Wanted:
    """The query string as a filter; raises Rejection."""
    q = request.query
    for name in ("who", "act", "order", "person"):
        if "\x00" in q.get(name, "") or len(q.get(name, "")) > 500:
            raise Rejection(f"{name}: at most 500 characters, without NUL, are taken")
    person = q.get("person", "")
    found = address_in(f"+{person.strip()}" if person.startswith(" ") else person)
    if person and not found:
        raise Rejection("person: a phone number with its country's code (+...), or a mail address, is expected")
    noted(request, people=found, by=sorted(name for name, value in q.items() if value))
    cursor = q.get("cursor", "")
    before = whole_number(cursor, 1, LAST) if cursor else 0
    if before is None:
        raise Rejection("cursor: write the one of the page before")
    since, until = in_order(("from", _moment(request, "from")), ("to", _moment(request, "to")))
    return Wanted(
        who=q.get("who", ""),
        act=q.get("act", ""),
        order=q.get("order", ""),
        person=found[0] if found else "",
        since=since,
        until=until,
        before_seq=before,
        limit=limit_of(request, USUAL, MOST),
    )


def _moment(request: web.Request, name: str) -> datetime | None:
    """A moment, or a day's beginning in UTC, as a form sends it; raises Rejection."""
    if _DAY.fullmatch(request.query.get(name, "")):
        try:
            return datetime.fromisoformat(f"{request.query[name]}T00:00:00+00:00")
        except ValueError:
            raise Rejection(f"{name}: there is no such day") from None
    return moment_of(request, name)


async def _check_act(request: web.Request, tx: Transaction, act: str) -> None:
    """Raises Rejection for what no act is called; one that only an earlier release or pack named is in the log."""
    known = request.app[ACTS] | OTHER_ACTS
    # Acts of one kind, such as `orders` of `orders.listed`.
    known |= {".".join(parts[:n]) for parts in (name.split(".") for name in known) for n in range(1, len(parts))}
    for w in request.app[CONTEXT].core.packs.workflows.values():
        known |= {f"notice.sent {name}" for name in w.notices} | {f"issue.reported {name}" for name in w.reasons}
    if act and act not in known and not await audit_reading.search(tx, Wanted(act=act, limit=1)):
        require_known("act", act, known, "act")


async def lines_of(request: web.Request) -> tuple[list[Line], str]:
    """A page of lines, newest first, and the cursor of the next one; raises Rejection."""
    core, wanted = request.app[CONTEXT].core, wanted_of(request)
    async with core.ledger.reading() as tx:
        await _check_act(request, tx, wanted.act)
        lines = await audit_reading.search(tx, wanted)
    return lines, str(lines[-1].seq) if len(lines) == wanted.limit else ""


@needs("admin")
async def get_audit(request: web.Request) -> web.StreamResponse:
    """A page of lines, newest first."""
    lines, cursor = await lines_of(request)
    return answer(AuditPage(lines, cursor))
