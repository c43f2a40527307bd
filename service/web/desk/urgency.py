"""The sorting of the board: single escalations and incidents, by severity and then by how long they are open."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from service.ledger.escalations.views import rank_of
from service.ledger.orders.read_models import Comment, EscalationLine, EscalationShown, IncidentShown
from service.web.desk.titles import Titles


class Row(Struct, frozen=True, kw_only=True):
    """One line. `since`: the start of the time that it shows; `late`: that is a clock's due time.

    `orders`: how many an incident gathers; 0 for a single escalation. `key`: a sortable text for its place.
    """

    id: str
    key: str
    workflow: str
    order_id: str
    title: str
    team: str
    severity: str
    state: str
    level: int
    since: datetime
    late: bool
    owner: str
    owned_since: datetime | None
    customer: str
    assignee: str
    detail: str
    comment: Comment | None
    snoozed_until: datetime | None
    orders: int
    incident: bool
    provider: str


def rows_of(titles: Titles, found: Sequence[EscalationLine], incidents: Sequence[IncidentShown]) -> list[Row]:
    """The rows of all of them, the most urgent first."""
    return sorted(
        [*(_single(titles, e) for e in found), *(_gathered(titles, e) for e in incidents)], key=lambda r: r.key
    )


def key_of(rank: int, opened: datetime, identity: str | UUID) -> str:
    """A text that sorts as the ledger's query does: by rank, then by age."""
    return f"{rank} {opened.timestamp():017.6f} {identity}"


def urgency_of(e: EscalationShown | IncidentShown) -> str:
    """A line's place on the board: by severity and age, snoozed ones behind all that call."""
    return key_of(rank_of(e.severity, e.state), e.opened, e.id)


def _single(titles: Titles, e: EscalationLine) -> Row:
    return Row(
        id=e.id,
        key=urgency_of(e),
        workflow=e.workflow,
        order_id=e.order_id,
        title=titles.reason(e.workflow, e.reason),
        team=titles.team(e.team, e.workflow),
        severity=e.severity,
        state=e.state,
        level=e.level,
        since=e.due or e.opened,
        late=e.due is not None,
        owner=e.owner,
        owned_since=e.owned_since,
        customer=e.customer,
        assignee=e.assignee,
        detail=e.detail,
        comment=e.comment,
        snoozed_until=e.snoozed_until,
        orders=0,
        incident=False,
        provider="",
    )


def _gathered(titles: Titles, e: IncidentShown) -> Row:
    return Row(
        id=e.id,
        key=urgency_of(e),
        workflow=e.workflow,
        order_id=e.order_id,
        title=titles.reason(e.workflow, e.reason),
        team=titles.team(e.team, e.workflow),
        severity=e.severity,
        state=e.state,
        level=e.level,
        since=e.opened,
        late=False,
        owner=e.owner,
        owned_since=None,
        customer="",
        assignee="",
        detail=e.detail,
        comment=None,
        snoozed_until=e.snoozed_until,
        orders=e.open_orders,
        incident=True,
        provider=e.provider,
    )
