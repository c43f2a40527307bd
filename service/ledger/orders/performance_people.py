"""Performance of the people who handle orders: assignees, and parties such as providers; worst first."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from statistics import fmean
from typing import Any, Final

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Row, Select, case, func, select

from service.domain.order import Order
from service.domain.reports import Measure
from service.domain.scopes import Party, Scope
from service.domain.workflow import Workflow
from service.ledger.columns import literal_in
from service.ledger.database.engine import padded
from service.ledger.database.transaction import Transaction
from service.ledger.orders.performance_models import AssigneePerformance, FiguresOfOrders, PartyPerformance
from service.ledger.orders.records import UNREADABLE, order_of
from service.ledger.orders.scoping import of_order, party_digest
from service.ledger.orders.tables import clocks, measurements, order_parties, orders, visits
from service.pacing import aside

MOST_PEOPLE: Final = 200
MOST_TIMES: Final = 100_000
WORST_ORDERS: Final = 5


class _Group(Struct, frozen=True):
    """Whose figures: of the orders of a workflow since a moment, by `key`, a column of orders or of their parties."""

    workflow: Workflow
    promised: Sequence[str]
    since: datetime
    scope: Scope
    key: ColumnElement[Any]
    by_party: bool = False

    def of(self, query: Select[Any]) -> Select[Any]:
        """The query with each order's parties, if these are asked for."""
        return query.join(order_parties, order_parties.c.order_id == orders.c.id) if self.by_party else query

    def seen(self, tx: Transaction) -> list[ColumnElement[bool]]:
        """Conditions on orders: those of the scope."""
        return of_order(tx, self.scope, orders.c.id, orders.c.workflow)


class _Person(Struct, frozen=True):
    """Somebody's figures. `order`: one of their orders, in which their name stands."""

    figures: FiguresOfOrders
    order: Order | None


async def assignees(
    tx: Transaction, workflow: Workflow, promised: Sequence[str], since: datetime, scope: Scope
) -> list[AssigneePerformance]:
    """Whoever handles orders now."""
    found = await _figures(tx, _Group(workflow, promised, since, scope, orders.c.assignee_id))
    people = [
        AssigneePerformance(
            assignee=i,
            name=p.order.assignee.name if p.order and p.order.assignee else "",
            **structs.asdict(p.figures),
        )
        for i, p in found.items()
    ]
    return sorted(people, key=lambda a: (-(a.late_share or 0), -a.broken, a.assignee))


async def parties(
    tx: Transaction, workflow: Workflow, promised: Sequence[str], since: datetime, scope: Scope
) -> list[PartyPerformance]:
    """The people of the audiences that the pack lets in, such as providers, but for those who handle the order."""
    if not workflow.parties:
        return []
    group = _Group(workflow, promised, since, scope, order_parties.c.digest, by_party=True)
    people = []
    for digest, person in (await _figures(tx, group)).items():
        party, name = _party_in(tx, workflow, person.order, digest)
        if party is not None:
            figures = structs.asdict(person.figures)
            people.append(PartyPerformance(audience=party.audience, id=party.id, name=name, **figures))
    return sorted(people, key=lambda p: (p.audience, -(p.late_share or 0), -p.broken, p.id))


def _party_in(tx: Transaction, workflow: Workflow, order: Order | None, digest: bytes) -> tuple[Party | None, str]:
    """The party of an order with this digest, and their name; none for other audiences, which the index has as well."""
    recipients = order.recipients.items() if order else ()
    named = [(Party(audience, p.id), p.name) for audience, some in recipients for p in some if p.id]
    for party, name in named:
        if party.audience in workflow.parties and party_digest(tx.keyring, party) == digest:
            return party, name
    return None, ""


async def _figures(tx: Transaction, group: _Group) -> dict[Any, _Person]:
    rows = await _promises_by(tx, group)
    keys = [row.key for row in rows]
    measured = await _measured(tx, group, keys)
    worst = await _worst(tx, group, keys)
    found = {}
    for row in rows:
        names, order = worst.get(row.key, ([], None))
        figures = FiguresOfOrders(
            orders=row.orders,
            kept=row.all - row.broken,
            broken=row.broken,
            late_share=100 * row.broken / row.all if row.all else None,
            measures=measured.get(row.key, {}),
            worst=names,
        )
        found[row.key] = _Person(figures, order or await _newest(tx, group, row.key))
    return found


async def _promises_by(tx: Transaction, group: _Group) -> Sequence[Row[Any]]:
    """By key: the number of `orders`, `all` promises about them, and those `broken`; most broken first."""
    broken = func.sum(case((clocks.c.state == "breached", 1), else_=0))
    query = (
        group.of(
            select(
                group.key.label("key"),
                func.count(clocks.c.order_id.distinct()).label("orders"),
                func.count().label("all"),
                broken.label("broken"),
            ).join_from(clocks, orders, orders.c.id == clocks.c.order_id)
        )
        .where(
            clocks.c.workflow == group.workflow.name,
            clocks.c.started_at >= group.since,
            literal_in(clocks.c.state, "met", "breached"),
            clocks.c.name.in_(group.promised),
            *([] if group.by_party else [orders.c.assignee_id != ""]),
            *group.seen(tx),
        )
        .group_by(group.key)
        .order_by(broken.desc(), group.key)
        .limit(MOST_PEOPLE)
    )
    found: Sequence[Row[Any]] = (await tx.execute(query)).all()
    return found


async def _measured(tx: Transaction, group: _Group, keys: Sequence[Any]) -> Mapping[Any, dict[str, float | None]]:
    """The pack's measures, such as a rating, acceptance or time to arrival, by key."""
    if not keys:
        return {}
    query = (
        group.of(
            select(group.key, measurements.c.measure, func.avg(measurements.c.value)).join_from(
                measurements, orders, orders.c.id == measurements.c.order_id
            )
        )
        .where(*_moments_of(tx, measurements.c, group, keys))
        .group_by(group.key, measurements.c.measure)
    )
    names = [m.name for m in group.workflow.measures.values() if m.kind != "count"]
    found: dict[Any, dict[str, float | None]] = {i: dict.fromkeys(names) for i in keys}
    for key, measure, value in (await tx.execute(query)).all():
        if measure in found[key]:
            found[key][measure] = float(value)
    for (key, measure), value in (await _of_lives(tx, group, keys)).items():
        found[key][measure] = value
    return found


async def _of_lives(tx: Transaction, group: _Group, keys: Sequence[Any]) -> dict[tuple[Any, str], float]:
    """Rates in percent and times in seconds by key and measure, from when orders first entered statuses."""
    wanted = [m for m in group.workflow.measures.values() if m.kind in ("rate", "time")]
    if not wanted:
        return {}
    query = (
        group.of(
            select(group.key, *(_entered(side) for m in wanted for side in (m.start, m.end))).join_from(
                visits, orders, orders.c.id == visits.c.order_id
            )
        )
        .where(*_moments_of(tx, visits.c, group, keys))
        .group_by(group.key, visits.c.order_id)
        .limit(MOST_TIMES)
    )
    rows = (await tx.execute(query)).all()
    return await aside(partial(_averaged, wanted, rows))


def _moments_of(tx: Transaction, moments: Any, group: _Group, keys: Sequence[Any]) -> list[ColumnElement[bool]]:
    """Conditions on rows with a time (`at`) since then, of these people's orders. `moments`: a table's columns."""
    return [
        moments.workflow == group.workflow.name,
        moments.at >= group.since,
        group.key.in_(padded(keys)),
        *group.seen(tx),
    ]


def _entered(statuses: Sequence[str]) -> ColumnElement[datetime]:
    """When an order first entered one of these statuses."""
    return func.min(case((visits.c.status.in_(statuses), visits.c.at), else_=None))


def _averaged(wanted: Sequence[Measure], rows: Sequence[Any]) -> dict[tuple[Any, str], float]:
    values: dict[tuple[Any, str], list[float]] = defaultdict(list)
    for key, *moments in rows:
        for m, start, end in zip(wanted, moments[::2], moments[1::2], strict=True):
            if start is None:
                continue
            if m.kind == "rate":
                values[key, m.name].append(0.0 if end is None else 100.0)
            elif end is not None and end >= start:
                values[key, m.name].append((end - start).total_seconds())
    return {key: fmean(some) for key, some in values.items()}


async def _worst(tx: Transaction, group: _Group, keys: Sequence[Any]) -> dict[Any, tuple[list[str], Order | None]]:
    """By key, the ids of their orders with most broken promises, and one of these orders."""
    if not keys:
        return {}
    broken = func.count().label("broken")
    query = (
        group.of(
            select(orders.c.id, orders.c.order_id, group.key.label("key"), orders.c.sealed_state, broken).join_from(
                clocks, orders, orders.c.id == clocks.c.order_id
            )
        )
        .where(
            clocks.c.workflow == group.workflow.name,
            clocks.c.started_at >= group.since,
            literal_in(clocks.c.state, "breached"),
            clocks.c.name.in_(group.promised),
            group.key.in_(padded(keys)),
            *group.seen(tx),
        )
        .group_by(orders.c.id, group.key)
        .order_by(broken.desc(), orders.c.id.desc())
        .limit(MOST_PEOPLE * WORST_ORDERS)
    )
    found: dict[Any, tuple[list[str], Order | None]] = {}
    for row in await tx.execute(query):
        names, order = found.get(row.key, ([], None))
        if len(names) < WORST_ORDERS:
            found[row.key] = ([*names, row.order_id], order or _order_in(tx, row))
    return found


async def _newest(tx: Transaction, group: _Group, key: Any) -> Order | None:
    query = (
        group.of(select(orders.c.id, orders.c.sealed_state))
        .where(orders.c.workflow == group.workflow.name, group.key == key, *group.seen(tx))
        .order_by(orders.c.updated_at.desc())
        .limit(1)
    )
    row = (await tx.execute(query)).one_or_none()
    return _order_in(tx, row) if row else None


def _order_in(tx: Transaction, row: Any) -> Order | None:
    try:
        return order_of(tx.keyring, row)
    except UNREADABLE:
        return None
