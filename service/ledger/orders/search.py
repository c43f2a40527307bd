"""Lists of orders: filtered, sorted, paged. Personal data stays sealed; only the rows of a page are unsealed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, and_, false, func, literal, literal_column, or_, select, tuple_, union

from service.canonical import spellings
from service.domain.errors import Rejection
from service.domain.scopes import Scope, parties_of
from service.keyring import Keyring
from service.ledger.database.cursors import FAR, FIRST, read_cursor, write_cursor
from service.ledger.database.engine import padded
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.tables import escalations
from service.ledger.orders.attributes import with_any_of
from service.ledger.orders.person_digests import assignee_digest, person_digests
from service.ledger.orders.read_models import OrderSummary
from service.ledger.orders.records import readable_order
from service.ledger.orders.scoping import of_order, of_team
from service.ledger.orders.tables import order_people, orders
from service.ledger.orders.words import found_by

Sort = Literal["activity", "submitted", "expected_end", "due", "late"]
_SORTED_BY: Final[Mapping[Sort, tuple[Any, bool]]] = {
    "activity": (orders.c.updated_at, True),
    "submitted": (orders.c.created_at, True),
    "expected_end": (orders.c.expected_end, False),
    "due": (orders.c.due_at, False),
}
LAST_CHARACTER: Final = "\U0010ffff"
# Columns that are empty for most orders; their indexes contain only orders with a value.
_SPARSE: Final = frozenset({"expected_end", "due"})


class Search(Struct, frozen=True):
    """What to list; empty fields do not filter. `recipient`: a phone number or mail address.

    `countries`: ISO 3166 codes to try for a number without country code.
    `unlisted`: (workflow, status) to leave out. `shows`: by workflow, the attributes to show.
    `attributes`: for each filter on an attribute, the digests of which an order must have one.
    `among`: (workflow, status) to list only. `by_people`: whether `q` may match people.
    `named`: whether to show the names of customer and assignee.
    """

    ids: tuple[UUID, ...] = ()
    workflow: str = ""
    statuses: tuple[str, ...] = ()
    stage: str = ""
    assignee: str = ""
    recipient: str = ""
    countries: tuple[str, ...] = ()
    q: str = ""
    overdue: bool | None = None
    open_only: bool = False
    unlisted: tuple[tuple[str, str], ...] = ()
    among: tuple[tuple[str, str], ...] | None = None
    by_people: bool = True
    named: bool = False
    stuck_for: timedelta | None = None
    ends_from: datetime | None = None
    ends_before: datetime | None = None
    sort: Sort = "activity"
    shows: Mapping[str, tuple[str, ...]] = {}
    attributes: tuple[frozenset[bytes], ...] = ()
    cursor: str = ""
    limit: int = 50


class ListedOrder(OrderSummary, frozen=True, kw_only=True):
    """An order found by a search. `shown`: the attributes that its pack shows in lists."""

    id: UUID
    shown: Mapping[str, Any] = {}
    customer: str = ""
    handler: str = ""


async def search(tx: Transaction, wanted: Search, now: datetime, *, scope: Scope) -> tuple[list[ListedOrder], str]:
    """A page and the next page's cursor, empty at the end; raises Rejection for an invalid cursor."""
    column, newest_first = _SORTED_BY.get(wanted.sort) or (_late_since(wanted, scope), False)
    # Few orders match a narrow filter, so all are sorted: walking along an index to find them would read most of it.
    is_narrow = wanted.open_only or wanted.stuck_for is not None
    keyed = column if newest_first and not is_narrow else _or_far(column)
    by = (keyed.desc(), orders.c.id.desc()) if newest_first else (keyed, orders.c.id)
    # Only for this sorting, as it reads each order's escalations.
    late = [keyed.label("late_since")] if wanted.sort == "late" else []
    meant = [*_conditions(tx, wanted, now), *of_order(tx, scope, orders.c.id, orders.c.workflow)]
    if wanted.cursor:
        value, last = _read_cursor(wanted.cursor)
        beyond = keyed < value if newest_first else keyed > value
        next_id = orders.c.id < last if newest_first else orders.c.id > last
        meant.append(or_(beyond, and_(keyed == value, next_id)))
    looks: list[tuple[ColumnElement[bool], tuple[Any, ...]]] = []
    if wanted.q:
        looks = [(look, by) for look in _looks(tx, wanted)]
    elif wanted.sort in _SPARSE and not is_narrow:
        looks = [(column.is_not(None), (column, orders.c.id)), (column.is_(None), (orders.c.id,))]
    first = [_first(wanted, [*meant, look], order) for look, order in looks]
    which = [orders.c.id.in_(union(*first))] if first else meant
    rows = (await tx.execute(select(orders, *late).where(*which).order_by(*by).limit(wanted.limit + 1))).all()
    page = [_listed(tx.keyring, row, now, wanted, scope) for row in rows[: wanted.limit]]
    cursor = _cursor(rows[wanted.limit - 1], wanted.sort) if len(rows) > wanted.limit else ""
    return [o for o in page if o is not None], cursor


def _first(wanted: Search, meant: Sequence[ColumnElement[bool]], by: Sequence[Any]) -> Select[tuple[UUID]]:
    """The ids of the first rows of one lookup: the first rows overall are among them."""
    found = select(orders.c.id).where(*meant).order_by(*by).limit(wanted.limit + 1).subquery()
    return select(found.c.id)


def _late_since(wanted: Search, scope: Scope) -> ColumnElement[Any]:
    """The due time of the oldest breach with an open escalation, else of the next clock.

    Escalations are not visible to parties, and a scope with teams includes only its own.
    """
    if not wanted.by_people:
        return orders.c.due_at
    theirs = [escalations.c.team.in_(sorted(scope.teams))] if scope.teams else []
    broken = (
        select(func.min(escalations.c.due_at))
        .where(escalations.c.order_id == orders.c.id, escalations.c.state != "resolved", *theirs)
        .correlate(orders)
        .scalar_subquery()
    )
    return func.coalesce(broken, orders.c.due_at, type_=orders.c.due_at.type)


async def latest_workflow(tx: Transaction, *, scope: Scope) -> str:
    """The workflow of the most recently changed order; empty if there are none."""
    query = select(orders.c.workflow).where(*of_order(tx, scope, orders.c.id, orders.c.workflow))
    latest = query.order_by(orders.c.updated_at.desc(), orders.c.id.desc()).limit(1)
    return str((await tx.execute(latest)).scalar_one_or_none() or "")


async def knows(tx: Transaction, addresses: Iterable[str], *, scope: Scope) -> bool:
    """Whether a recipient of an order within the scope has one of these addresses; always true with full scope."""
    if scope.is_everything:
        return True
    theirs = select(order_people.c.order_id).where(order_people.c.digest.in_(person_digests(tx.keyring, addresses)))
    query = select(orders.c.id).where(orders.c.id.in_(theirs), *of_order(tx, scope, orders.c.id, orders.c.workflow))
    return (await tx.execute(query.limit(1))).first() is not None


def _or_far(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(column, literal(FAR, type_=orders.c.created_at.type))


def _conditions(tx: Transaction, s: Search, now: datetime) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    named = ((s.workflow, orders.c.workflow), (s.stage, orders.c.stage), (s.assignee, orders.c.assignee_id))
    found += [column == value for value, column in named if value]
    if s.ids:
        found.append(orders.c.id.in_(padded(s.ids)))
    if s.statuses:
        found.append(orders.c.status.in_(s.statuses))
    if s.recipient:
        found.append(orders.c.id.in_(_with_person(tx.keyring, s.recipient, s)))
    found += [orders.c.id.in_(with_any_of(digests)) for digests in s.attributes]
    if s.among is not None:
        found.append(tuple_(orders.c.workflow, orders.c.status).in_(s.among) if s.among else false())
    return [*found, *_of_time(s, now)]


def _looks(tx: Transaction, s: Search) -> list[ColumnElement[bool]]:
    """What `q` may mean, one condition for each index; combined by OR they would read every order."""
    # Ids are usually in capitals, but people may type them in lower case.
    spelled = list(dict.fromkeys((s.q, s.q.upper())))
    called = [_begins(tx, orders.c.order_id, text) for text in spelled]
    # Parts are also found by the whole's id.
    is_part = orders.c.parent_order_id != literal_column("''")
    parts = [and_(is_part, _begins(tx, orders.c.parent_order_id, text)) for text in spelled]
    # Parties may not learn which whole an order is a part of, nor who is on it.
    theirs = [*parts, orders.c.id.in_(_with_person(tx.keyring, s.q, s, or_assigned=True))] if s.by_people else []
    return [*called, *theirs, *found_by(tx.keyring, s.q, by_names=s.by_people)]


def _begins(tx: Transaction, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether the column begins with this text, as a condition that an index supports.

    PostgreSQL has an index of patterns; SQLite uses none for a LIKE with ESCAPE (sqlite.org, Query Optimizer Overview,
    "The LIKE Optimization"), but one for a range, by the bytes of UTF-8.
    """
    if tx.dialect.name == "postgresql":
        return column.startswith(text, autoescape=True)
    return and_(column >= text, column < text + LAST_CHARACTER)


def _of_time(s: Search, now: datetime) -> list[ColumnElement[bool]]:
    """Conditions on status and dates."""
    found: list[ColumnElement[bool]] = []
    late = or_(orders.c.breached, and_(orders.c.due_at.is_not(None), orders.c.due_at <= now))
    if s.overdue is not None or s.sort == "late":
        found.append(late if s.overdue is not False else ~late)
    if s.unlisted:
        found.append(tuple_(orders.c.workflow, orders.c.status).not_in(s.unlisted))
    if s.open_only:
        found.append(~orders.c.final)
    if s.stuck_for is not None:
        found += [~orders.c.final, orders.c.status_since <= now - s.stuck_for]
    if s.ends_from is not None:
        found.append(orders.c.expected_end >= s.ends_from)
    if s.ends_before is not None:
        found.append(orders.c.expected_end < s.ends_before)
    return found


def _with_person(keyring: Keyring, address: str, s: Search, *, or_assigned: bool = False) -> Select[Any]:
    """The orders of which this person is a recipient; with `or_assigned`, also those they handle or handled."""
    known_as = spellings(address, s.countries)
    digests = person_digests(keyring, known_as)
    if or_assigned:
        digests += [assignee_digest(keyring, form) for form in known_as]
    return select(order_people.c.order_id).where(order_people.c.digest.in_(digests))


def _listed(keyring: Keyring, row: Any, now: datetime, wanted: Search, scope: Scope) -> ListedOrder | None:
    """A row of the list; None if the index includes it in the scope and its own state does not."""
    names = wanted.shows.get(row.workflow, ())
    # An unreadable order is listed without its sealed part.
    order = readable_order(keyring, row) if names or wanted.named or scope.parties else None
    if scope.parties and not (order and scope.has_people(parties_of(order))):
        return None
    values = order.attributes if order else {}
    customer = order.customer if order and wanted.named else None
    return ListedOrder(
        customer=customer.name if customer else "",
        handler=order.assignee.name if order and wanted.named and order.assignee else "",
        shown={name: values.get(name) for name in names},
        id=row.id,
        workflow=row.workflow,
        order_id=row.order_id,
        status=row.status,
        stage=row.stage,
        final=row.final,
        assignee=row.assignee_id,
        status_since=row.status_since or row.updated_at,
        created=row.created_at,
        updated=row.updated_at,
        due=row.due_at,
        expected_end=row.expected_end,
        overdue=bool(row.breached or (row.due_at and row.due_at <= now)),
    )


def _cursor(last: Any, sort: Sort) -> str:
    name = "late_since" if sort == "late" else _SORTED_BY[sort][0].name
    return write_cursor([getattr(last, name) or FAR, last.id.hex])


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        value, last = read_cursor(cursor, tuple[datetime, str])
        if value.tzinfo is None or not FIRST <= value <= FAR:
            raise ValueError(value)
        return value, UUID(last)
    except ValueError:
        raise Rejection("cursor: not from a page of orders; leave it out to start from the first page") from None


async def open_escalations_of(tx: Transaction, ids: Sequence[UUID], *, scope: Scope) -> dict[UUID, int]:
    """The number of open escalations by order."""
    query: Select[Any] = select(escalations.c.order_id).where(
        escalations.c.order_id.in_(ids), escalations.c.state != "resolved", *of_team(tx, scope, escalations.c)
    )
    found: dict[UUID, int] = {}
    for row in await tx.execute(query):
        found[row.order_id] = found.get(row.order_id, 0) + 1
    return found


async def broken_since_of(tx: Transaction, ids: Sequence[UUID], *, scope: Scope) -> dict[UUID, datetime]:
    """By order, the due time of its oldest breach with an open escalation."""
    query: Select[Any] = select(escalations.c.order_id, escalations.c.due_at).where(
        escalations.c.order_id.in_(ids),
        escalations.c.state != "resolved",
        escalations.c.due_at.is_not(None),
        *of_team(tx, scope, escalations.c),
    )
    found: dict[UUID, datetime] = {}
    for row in await tx.execute(query):
        found[row.order_id] = min(row.due_at, found.get(row.order_id, row.due_at))
    return found
