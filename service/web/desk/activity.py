"""Who did what, for supervisors: acts on orders, escalations, messages and texts.

Reads, network addresses and what admins do are in the audit log, which is for admins.
"""

from typing import Final
from urllib.parse import urlencode

from aiohttp import web
from msgspec import Struct

from service.domain.errors import Rejection
from service.domain.transitions import require_known
from service.ledger.auditing.reading import AuditFilter, LoggedLine, search
from service.web.audit import LAST
from service.web.context import CONTEXT
from service.web.desk.page import render
from service.web.desk.titles import Titles, plain
from service.web.page_query_types import ActivityQuery
from service.web.page_values import PageValues
from service.web.params import whole_number
from service.web.queries import in_order, query_of
from service.web.word_drafts import called

# The acts by their names in the log, with their names on the page.
KINDS: Final = {
    "escalation": "Escalations, one",
    "escalations.handled": "Escalations, many at once",
    "notice.sent": "Messages sent by hand",
    "message.resent": "Messages sent again, one",
    "messages.resent": "Messages sent again, many",
    "broadcast.sent": "All affected told",
    "issue.reported": "Issues reported",
    "order.acted": "Orders worked",
    "note.added": "Notes",
    "reply.moved": "Replies given to another order",
    "hold": "Holds",
    "suppression.lifted": "Opt-outs lifted",
    "links.revoked": "Tracking links ended",
    "words.drafted": "Words drafted",
    "words.approved": "Words approved",
    "words.published": "Words published",
    "words.dropped": "Drafts dropped",
    "words.rolled_back": "Words taken back",
    "subscription": "Reports by mail",
}
# What was done with an escalation, as people say it.
_DONE: Final = {
    "escalation.acknowledge": "Took an escalation",
    "escalation.assign": "Gave an escalation, or took it over",
    "escalation.comment": "Commented on an escalation",
    "escalation.reopen": "Opened an escalation again",
    "escalation.resolve": "Resolved an escalation",
    "escalation.snooze": "Snoozed an escalation",
}
# The details of a line that describe the act and name nobody.
_TOLD: Final = ("notice", "channel", "act", "reason", "to", "texts", "matched", "planned", "count", "report", "every")


class Done(Struct, frozen=True):
    """One act. `what`: in words; `more`: further details."""

    line: LoggedLine
    who: str
    what: str
    more: str


async def activity(request: web.Request) -> web.StreamResponse:
    """Lines, the newest first, filtered by who, what, which order, and when."""
    orders, q = request.app[CONTEXT].orders, query_of(request, ActivityQuery)
    if q.act:
        require_known("act", q.act, KINDS, "act")
    before = whole_number(q.cursor, 1, LAST) if q.cursor else 0
    if before is None:
        raise Rejection("cursor: is not from a page of this list")
    since, until = in_order(("from", q.since), ("to", q.until))
    acts = (q.act,) if q.act else tuple(KINDS)
    wanted = AuditFilter(q.who, "", q.order, "", since, until, before, q.limit, acts)
    async with orders.ledger.reading() as tx:
        found = await search(tx, wanted)
    titles = Titles(orders.packs)
    kept = {k: v for k, v in request.query.items() if k != "cursor" and v}
    values: PageValues = {
        "done": [_done(titles, line) for line in found],
        "kinds": list(KINDS.items()),
        "q": request.query,
        "older": urlencode({**kept, "cursor": found[-1].seq}) if len(found) == q.limit else "",
    }
    return await render(request, "activity.html.j2", values, here="/desk/performance")


def _done(titles: Titles, line: LoggedLine) -> Done:
    act, _, name = line.act.partition(" ")
    if act == "notice.sent" and name:
        what = f"Sent {titles.notice(line.workflow, name)}"
    elif act == "issue.reported" and name:
        what = f"Reported {titles.reason(line.workflow, name)}"
    else:
        what = _DONE.get(act) or plain(act.replace(".", " "))
    more = [f"{plain(k).lower()}: {_worded(titles, line, k)}" for k in _TOLD if line.detail.get(k)]
    return Done(line, called(line.who), what, "; ".join(more))


def _worded(titles: Titles, line: LoggedLine, key: str) -> str:
    value = line.detail[key]
    if key == "notice":
        return titles.notice(line.workflow, str(value))
    if key == "channel":
        return titles.channel(str(value))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
