"""Lists of escalations, incidents and clocks near their breach; incidents replace their members."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Select, and_, case, false, func, or_, select

from service.domain.errors import Rejection
from service.domain.scopes import Scope
from service.keyring import Keyring
from service.ledger.columns import literal_in
from service.ledger.database.cursors import FAR, FIRST, read_cursor, write_cursor
from service.ledger.database.engine import padded
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.handling import open_detail, owner_digest, owner_of_incident
from service.ledger.escalations.tables import escalations, incidents
from service.ledger.orders.read_models import Comment, EscalationLine, EscalationShown, IncidentShown, NearBreach
from service.ledger.orders.records import UNREADABLE, state_of
from service.ledger.orders.scoping import of_team
from service.ledger.orders.tables import clocks, orders

_URGENCY: Final = {"critical": 0, "high": 1, "medium": 2, "low": 3}
_LEAST_URGENT: Final = 4
# What is snoozed stands behind all that calls.
_BEHIND: Final = _LEAST_URGENT + 1
_rank: Final = case(_URGENCY, value=escalations.c.severity, else_=_LEAST_URGENT) + case(
    (escalations.c.state == "snoozed", _BEHIND), else_=0
)


class EscalationFilter(Struct, frozen=True):
    """Filters; empty ones do not filter. `state`: `active` is everything unresolved. `owner`: the owner's name."""

    state: str = "active"
    team: str = ""
    workflow: str = ""
    severity: str = ""
    older_than: timedelta | None = None
    owner: str = ""
    ids: tuple[UUID, ...] = ()
    limit: int = 100
    cursor: str = ""


def _filtered(of: Any, wanted: EscalationFilter, now: datetime, keyring: Keyring) -> list[ColumnElement[bool]]:
    """Conditions common to escalations and incidents. `of`: the columns of either table."""
    found: list[ColumnElement[bool]] = []
    if wanted.owner:
        found.append(of.owner_digest == owner_digest(keyring, wanted.owner))
    if wanted.ids:
        found.append(of.id.in_(padded(wanted.ids)))
    if wanted.state == "active":
        found.append(~literal_in(of.state, "resolved"))
    elif wanted.state:
        found.append(of.state == wanted.state)
    named = ((wanted.team, of.team), (wanted.workflow, of.workflow), (wanted.severity, of.severity))
    found += [column == value for value, column in named if value]
    if wanted.older_than is not None:
        found.append(of.opened_at <= now - wanted.older_than)
    return found


async def listed(
    tx: Transaction, wanted: EscalationFilter, now: datetime, *, scope: Scope
) -> tuple[list[EscalationLine], int, str]:
    """A page of escalations outside of incidents, most urgent first and snoozed ones last; their total number; the next
    page's cursor.

    The cursor is empty at the end. Raises Rejection for an invalid one.
    """
    alone = _alone(tx, wanted, now, scope)
    total = await tx.execute(select(func.count()).select_from(escalations).where(*alone))
    query = _with_order().where(*alone).order_by(_rank, escalations.c.opened_at, escalations.c.id)
    if wanted.cursor:
        query = query.where(_after(*place_in(wanted.cursor)))
    rows = (await tx.execute(query.limit(wanted.limit + 1))).all()
    page = rows[: wanted.limit]
    cursor = _cursor(page[-1]) if len(rows) > wanted.limit else ""
    return [_line(tx.keyring, row, now, scope) for row in page], int(total.scalar_one()), cursor


def _alone(tx: Transaction, wanted: EscalationFilter, now: datetime, scope: Scope) -> list[ColumnElement[bool]]:
    """Callers who may not see incidents see their members one by one."""
    found = [*_filtered(escalations.c, wanted, now, tx.keyring), *of_team(tx, scope, escalations.c)]
    return [*found, escalations.c.incident_id.is_(None)] if scope.has_incidents else found


async def count_of(tx: Transaction, wanted: EscalationFilter, now: datetime, *, scope: Scope) -> int:
    """The number of lines: escalations outside of incidents, and incidents."""
    alone = select(func.count()).select_from(escalations).where(*_alone(tx, wanted, now, scope))
    gathered = select(func.count()).select_from(incidents).where(*_incidents_where(wanted, now, tx.keyring, scope))
    return sum([int((await tx.execute(query)).scalar_one()) for query in (alone, gathered)])


async def members(
    tx: Transaction, incident_id: UUID, wanted: EscalationFilter, now: datetime, *, scope: Scope
) -> list[EscalationLine]:
    """The matching escalations of an incident, oldest first, up to the limit; there is no next page."""
    query = _with_order().where(
        escalations.c.incident_id == incident_id, *_filtered(escalations.c, wanted, now, tx.keyring)
    )
    query = query.where(*of_team(tx, scope, escalations.c), *([] if scope.has_incidents else [false()]))
    rows = await tx.execute(query.order_by(escalations.c.opened_at, escalations.c.id).limit(wanted.limit))
    return [_line(tx.keyring, row, now, scope) for row in rows]


def _with_order() -> Select[Any]:
    state = orders.c.sealed_state
    return select(escalations, state).outerjoin(orders, orders.c.id == escalations.c.order_id)


def _line(keyring: Keyring, row: Any, now: datetime, scope: Scope) -> EscalationLine:
    customer, assignee = _people(keyring, row)
    view = structs.asdict(escalation_view(keyring, row, now, scope))
    return EscalationLine(**view, customer=customer, assignee=assignee)


def _people(keyring: Keyring, row: Any) -> tuple[str, str]:
    """The names of the order's customer and assignee; empty if the order cannot be opened."""
    if row.sealed_state is None:
        return "", ""
    try:
        order = state_of(keyring, row.sealed_state, row.order_id)
    except UNREADABLE:
        return "", ""
    customer = order.customer
    return customer.name if customer else "", order.assignee.name if order.assignee else ""


def _after(rank: int, opened: datetime, last: UUID) -> ColumnElement[bool]:
    later = or_(escalations.c.opened_at > opened, and_(escalations.c.opened_at == opened, escalations.c.id > last))
    return or_(_rank > rank, and_(_rank == rank, later))


def _cursor(last: Any) -> str:
    return write_cursor([rank_of(last.severity, last.state), last.opened_at, last.id.hex])


def rank_of(severity: str, state: str) -> int:
    """What a list is sorted by first, as `listed` does: the most urgent has the smallest."""
    return _URGENCY.get(severity, _LEAST_URGENT) + (_BEHIND if state == "snoozed" else 0)


def place_in(cursor: str) -> tuple[int, datetime, UUID]:
    """Rank, time of opening and id of the last escalation before this cursor; raises Rejection."""
    try:
        rank, opened, last = read_cursor(cursor, tuple[int, datetime, str])
        if opened.tzinfo is None or not FIRST <= opened <= FAR or not 0 <= rank <= _BEHIND + _LEAST_URGENT:
            raise ValueError(opened)
        return rank, opened, UUID(last)
    except ValueError:
        raise Rejection("cursor: not from a page of escalations; leave it out to start from the first page") from None


async def listed_incidents(
    tx: Transaction, wanted: EscalationFilter, now: datetime, *, scope: Scope
) -> list[IncidentShown]:
    """Incidents, newest first, up to the limit."""
    query = select(incidents).where(*_incidents_where(wanted, now, tx.keyring, scope))
    query = query.order_by(incidents.c.opened_at.desc()).limit(wanted.limit)
    return [
        IncidentShown(
            id=str(row.id),
            workflow=row.workflow,
            order_id=row.subject,
            team=row.team,
            reason=row.reason,
            severity=row.severity,
            state=row.state,
            level=row.level,
            snoozed_until=row.snoozed_until,
            open_orders=row.orders,
            provider=row.provider,
            detail=row.detail,
            opened=row.opened_at,
            changed=row.last_at,
            owner=owner_of_incident(tx.keyring, row),
        )
        for row in await tx.execute(query)
    ]


def _incidents_where(
    wanted: EscalationFilter, now: datetime, keyring: Keyring, scope: Scope
) -> list[ColumnElement[bool]]:
    return [*_incidents_of(scope), *_filtered(incidents.c, wanted, now, keyring)]


def _incidents_of(scope: Scope) -> list[ColumnElement[bool]]:
    """Which incidents the caller may see: those of their teams, as an incident may cover several workflows."""
    if not scope.has_incidents:
        return [false()]
    return [incidents.c.team.in_(sorted(scope.teams))] if scope.teams else []


async def sees_incident(tx: Transaction, incident_id: UUID, *, scope: Scope) -> bool:
    """Whether the incident, possibly a provider's, exists and the caller may see it."""
    query = select(incidents.c.id).where(incidents.c.id == incident_id, *_incidents_of(scope))
    return (await tx.execute(query)).first() is not None


async def orders_of_escalation(tx: Transaction, escalation_id: UUID, *, scope: Scope) -> list[tuple[UUID, str, str]]:
    """(escalation, workflow, order id) of an escalation, or of each open member of an incident."""
    meant = escalations.c.id == escalation_id
    if scope.has_incidents:
        meant |= (escalations.c.incident_id == escalation_id) & (escalations.c.state != "resolved")
    query = select(escalations.c.id, escalations.c.workflow, escalations.c.order_name)
    query = query.where(meant, *of_team(tx, scope, escalations.c))
    return [(row.id, row.workflow, row.order_name) for row in await tx.execute(query)]


def escalation_view(keyring: Keyring, row: Any, now: datetime, scope: Scope) -> EscalationShown:
    """One escalation, as shown to this caller."""
    stored = open_detail(keyring, row)
    until = row.changed_at if row.state == "resolved" else now
    return EscalationShown(
        id=str(row.id),
        workflow=row.workflow,
        order_id=row.order_name,
        team=row.team,
        reason=row.reason,
        severity=row.severity,
        state=row.state,
        level=row.level,
        causes=row.causes,
        opened=row.opened_at,
        due=row.due_at,
        changed=row.changed_at,
        snoozed_until=row.snoozed_until,
        incident_id=str(row.incident_id) if row.incident_id and scope.has_incidents else None,
        detail=stored.detail,
        by=stored.by,
        owner=stored.owner,
        owned_since=stored.owned_since,
        comment=Comment(stored.comment, stored.commented_by, stored.commented_at) if stored.commented_at else None,
        late_s=max(0.0, (until - row.due_at).total_seconds()) if row.due_at else None,
    )


async def near_breach(
    tx: Transaction, wanted: EscalationFilter, now: datetime, within: timedelta, *, scope: Scope
) -> list[NearBreach]:
    """Running clocks that will call a team within this time, nearest first, up to the limit."""
    query = (
        select(clocks, orders.c.order_id.label("order_name"))
        .join(orders, orders.c.id == clocks.c.order_id)
        .where(*_near(wanted, now, within), *of_team(tx, scope, clocks.c))
        .order_by(clocks.c.due_at)
        .limit(wanted.limit)
    )
    return [
        NearBreach(
            id=str(row.id),
            workflow=row.workflow,
            order_id=row.order_name,
            clock=row.name,
            team=row.team,
            started=row.started_at,
            due=row.due_at,
            warned=row.warn_at is not None and row.warn_at <= now,
        )
        for row in await tx.execute(query)
    ]


async def near_breach_count(
    tx: Transaction, wanted: EscalationFilter, now: datetime, within: timedelta, *, scope: Scope
) -> int:
    """The total number of such clocks."""
    near = [*_near(wanted, now, within), *of_team(tx, scope, clocks.c)]
    counted = await tx.execute(select(func.count()).select_from(clocks).where(*near))
    return int(counted.scalar_one())


def _near(wanted: EscalationFilter, now: datetime, within: timedelta) -> list[ColumnElement[bool]]:
    found = [literal_in(clocks.c.state, "running"), clocks.c.due_at <= now + within, clocks.c.team != ""]
    filters = ((wanted.team, clocks.c.team), (wanted.workflow, clocks.c.workflow))
    return found + [column == value for value, column in filters if value]
