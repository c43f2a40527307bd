"""Recorded histories of orders: the causes of their decisions in sequence, and what happened to their messages."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import Select, bindparam, func, select

from service.domain.causes import Cause
from service.domain.recorded import decoded_cause, decoded_event
from service.ledger.database.engine import padded
from service.ledger.database.transaction import Transaction
from service.ledger.messages.tables import messages
from service.ledger.orders.records import UNREADABLE, unseal_json
from service.ledger.orders.tables import (
    INBOX_EVENT,
    RECORDED_CAUSE,
    TIMELINE_DETAIL,
    causes,
    inbox,
    orders,
    timeline,
)

_IDS: Final[Any] = bindparam("ids", expanding=True)


class RecordedChange(Struct, frozen=True, omit_defaults=True):
    """A state change of a message. `n`: the order's timeline length when the order was informed; 0: it was not."""

    state: str
    at: datetime
    why: str = ""
    provider: str = ""
    code: str = ""
    n: int = 0
    drop: bool = False


class RecordedCause(Struct, frozen=True):
    """A cause, and the number of timeline lines before it."""

    n: int
    cause: Cause


class PackChange(Struct, frozen=True):
    """The order changed to another version of its pack, at line `n` of the timeline."""

    n: int
    was: str
    to: str


class Past(Struct, frozen=True):
    """One order's recorded history. `lines`: the length of its timeline. `left_out`: why it cannot be replayed."""

    id: UUID
    workflow: str
    reference: str
    version: str
    lines: int
    causes: tuple[RecordedCause, ...] = ()
    messages: dict[UUID, tuple[RecordedChange, ...]] = {}
    moved: tuple[PackChange, ...] = ()
    left_out: str = ""


_news: Final = msgspec.json.Decoder(RecordedChange)
_OF_ORDERS: Final = select(orders.c.id, orders.c.workflow, orders.c.order_id, orders.c.version).where(
    orders.c.id.in_(_IDS)
)
_EVENTS: Final = select(inbox.c.order_id, inbox.c.key, inbox.c.timeline_n, inbox.c.sealed_event).where(
    inbox.c.order_id.in_(_IDS)
)
_CAUSES: Final = select(causes).where(causes.c.order_id.in_(_IDS)).order_by(causes.c.id)
_MESSAGES: Final = select(messages.c.order_id, messages.c.id, messages.c.history).where(messages.c.order_id.in_(_IDS))
_LINES: Final = (
    select(timeline.c.order_id, func.max(timeline.c.n).label("n"))
    .where(timeline.c.order_id.in_(_IDS))
    .group_by(timeline.c.order_id)
)
_TURNS: Final = select(timeline).where(
    timeline.c.order_id.in_(_IDS), timeline.c.kind.in_(["pack_changed", "person_erased"])
)


async def orders_since(
    tx: Transaction, since: datetime, workflows: Sequence[str], at_most: int | None = None
) -> list[UUID]:
    """The orders of these workflows with an event since then, oldest first; `at_most`: only the newest ones."""
    recent = select(inbox.c.order_id).where(inbox.c.received_at >= since, inbox.c.order_id.is_not(None))
    query = select(orders.c.id).where(orders.c.id.in_(recent), orders.c.workflow.in_(workflows))
    newest = (await tx.execute(query.order_by(orders.c.id.desc()).limit(at_most))).scalars()
    return sorted(newest)


async def past_of(tx: Transaction, ids: Sequence[UUID]) -> list[Past]:
    """The recorded histories of these orders, by id."""
    wanted = {"ids": padded(ids)}
    found = {row.id: row for row in await tx.execute(_OF_ORDERS, wanted)}
    events = await _by_order(tx, _EVENTS, wanted)
    others = await _by_order(tx, _CAUSES, wanted)
    news = await _by_order(tx, _MESSAGES, wanted)
    turns = await _by_order(tx, _TURNS, wanted)
    lines = {row.order_id: row.n for row in await tx.execute(_LINES, wanted)}
    return [_past(tx, found[k], lines.get(k, 0), events[k], others[k], news[k], turns[k]) for k in sorted(found)]


async def _by_order(tx: Transaction, query: Select[Any], wanted: Mapping[str, Sequence[UUID]]) -> dict[UUID, list[Any]]:
    rows: dict[UUID, list[Any]] = defaultdict(list)
    for row in await tx.execute(query, wanted):
        rows[row.order_id].append(row)
    return rows


def _past(
    tx: Transaction,
    order: Any,
    lines: int,
    events: Sequence[Any],
    others: Sequence[Any],
    news: Sequence[Any],
    turns: Sequence[Any],
) -> Past:
    known = Past(order.id, order.workflow, order.order_id, order.version, lines)
    if any(row.kind == "person_erased" for row in turns):
        return msgspec.structs.replace(known, left_out="erased")
    if any(row.sealed_event is None for row in events):
        return msgspec.structs.replace(known, left_out="incomplete")
    try:
        recorded = [_event(tx, order.order_id, row) for row in events] + [_cause(tx, row) for row in others]
        moved = [_moved(tx, row) for row in turns]
    except (*UNREADABLE, KeyError):
        return msgspec.structs.replace(known, left_out="unreadable")
    histories = {row.id: tuple(_news.decode(line) for line in row.history.splitlines() if line) for row in news}
    return msgspec.structs.replace(
        known,
        causes=tuple(sorted(recorded, key=lambda c: c.n)),
        messages=histories,
        moved=tuple(sorted(moved, key=lambda m: m.n)),
    )


def _event(tx: Transaction, reference: str, row: Any) -> RecordedCause:
    plain = tx.keyring.unseal(row.sealed_event, INBOX_EVENT.of(row.key))
    return RecordedCause(row.timeline_n, decoded_event(plain, reference))


def _cause(tx: Transaction, row: Any) -> RecordedCause:
    plain = tx.keyring.unseal(row.sealed_cause, RECORDED_CAUSE.of(row.id))
    return RecordedCause(row.timeline_n, decoded_cause(row.kind, plain))


def _moved(tx: Transaction, row: Any) -> PackChange:
    detail = unseal_json(tx.keyring, row.sealed_detail, TIMELINE_DETAIL.of(row.order_id, row.n))
    return PackChange(row.n, str(detail.get("was", "")), str(detail.get("to", "")))
