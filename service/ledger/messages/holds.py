"""Holds: messages of a channel, a workflow, a notice, or a combination of these are not sent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, and_, false, func, insert, or_, select, true, update

from service.domain.scopes import Scope
from service.ledger.columns import literal_in
from service.ledger.database.engine import new_uuid, padded
from service.ledger.database.transaction import Transaction
from service.ledger.messages.tables import HOLD_WORDS, holds, messages
from service.ledger.orders.records import UNREADABLE, history_line, seal_json
from service.ledger.orders.scoping import of_order
from service.ledger.orders.tables import orders

RELEASED_AT_ONCE: Final = 500


class Hold(Struct, frozen=True):
    """A hold since `at` (UTC), by whom and why; an empty part means all of its kind."""

    id: UUID
    channel: str
    workflow: str
    notice: str
    at: datetime
    by: str
    why: str

    def covers(self, channel: str, workflow: str, notice: str) -> bool:
        """Whether it covers a message of these."""
        pairs = ((self.channel, channel), (self.workflow, workflow), (self.notice, notice))
        return all(wanted in ("", value) for wanted, value in pairs)

    @property
    def in_words(self) -> str:
        """For the message's history and its order."""
        return f"held by {self.by} since {self.at:%Y-%m-%d %H:%M} UTC{f': {self.why}' if self.why else ''}"


class _WhoAndWhy(Struct, frozen=True):
    by: str
    why: str


async def active(tx: Transaction, *, scope: Scope) -> list[Hold]:
    """The active holds that concern this scope, the oldest first."""
    query = select(holds).where(holds.c.released_at.is_(None)).order_by(holds.c.at, holds.c.id)
    if scope.workflows:
        query = query.where(holds.c.workflow.in_(["", *sorted(scope.workflows)]))
    return [_hold(tx, row) for row in await tx.execute(query)]


def _hold(tx: Transaction, row: Any) -> Hold:
    """The hold of a row; effective even if its texts cannot be unsealed."""
    try:
        words = msgspec.json.decode(tx.keyring.unseal(row.sealed_words, HOLD_WORDS.of(row.id)), type=_WhoAndWhy)
    except UNREADABLE:
        words = _WhoAndWhy("somebody", "")
    return Hold(row.id, row.channel, row.workflow, row.notice, row.at, words.by, words.why)


async def put(tx: Transaction, channel: str, workflow: str, notice: str, by: str, why: str, now: datetime) -> Hold:
    """Hold these back from now on."""
    hold = Hold(new_uuid(), channel, workflow, notice, now, by, why)
    sealed = seal_json(tx.keyring, _WhoAndWhy(by, why), HOLD_WORDS.of(hold.id))
    row = {"id": hold.id, "channel": channel, "workflow": workflow, "notice": notice, "at": now, "sealed_words": sealed}
    await tx.execute(insert(holds).values(**row))
    return hold


async def release(tx: Transaction, hold_id: UUID, now: datetime, *, scope: Scope) -> Hold | None:
    """Hold it back no more; None where it is none, or was released, or holds back more than this scope.

    Its messages wait on until `let_go`.
    """
    query = select(holds).where(holds.c.id == hold_id, holds.c.released_at.is_(None)).with_for_update()
    if scope.workflows:
        query = query.where(holds.c.workflow.in_(sorted(scope.workflows)))
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    await tx.execute(update(holds).where(holds.c.id == hold_id).values(released_at=now))
    return _hold(tx, row)


async def let_go_released(tx: Transaction, still: Sequence[Hold], now: datetime) -> tuple[int, set[str]]:
    """Release some of the messages that no hold covers any more; how many, and on which channels.

    All checks are repeated before they are sent.
    """
    return await _let_go(tx, ~or_(false(), *(_covered(h) for h in still)), now)


async def let_go_expired(tx: Transaction, now: datetime) -> tuple[int, set[str]]:
    """Release some of the held messages whose time is over, so that they expire."""
    return await _let_go(tx, messages.c.valid_until <= now, now)


def _covered(hold: Hold) -> ColumnElement[bool]:
    """As `Hold.covers`."""
    pairs = (
        (hold.channel, messages.c.channel),
        (hold.workflow, orders.c.workflow),
        (hold.notice, messages.c.notice),
    )
    return and_(true(), *(column == wanted for wanted, column in pairs if wanted))


async def _let_go(tx: Transaction, which: ColumnElement[bool], now: datetime) -> tuple[int, set[str]]:
    query = (
        select(messages.c.id, messages.c.channel)
        .join(orders, orders.c.id == messages.c.order_id)
        .where(literal_in(messages.c.state, "held"), which)
        .order_by(messages.c.valid_until)
        .limit(RELEASED_AT_ONCE)
        .with_for_update(of=messages, skip_locked=True)
    )
    free = {row.id: row.channel for row in await tx.execute(query)}
    if free:
        line = history_line("pending", now, "released")
        values = {"state": "pending", "not_before": now, "error": "", "error_code": ""}
        freed = update(messages).where(messages.c.id.in_(padded(free)))
        await tx.execute(freed.values(**values, history=messages.c.history + line))
    return len(free), set(free.values())


async def some_wait(tx: Transaction) -> bool:
    """Whether any message is held."""
    held = select(messages.c.id).where(literal_in(messages.c.state, "held")).limit(1)
    return (await tx.execute(held)).first() is not None


async def waiting(tx: Transaction, *, scope: Scope) -> dict[tuple[str, str, str], int]:
    """How many messages are held, by channel, workflow and notice."""
    query = (
        select(messages.c.channel, orders.c.workflow, messages.c.notice, func.count())
        .join(orders, orders.c.id == messages.c.order_id)
        .where(literal_in(messages.c.state, "held"), *of_order(tx, scope, orders.c.id, orders.c.workflow))
        .group_by(messages.c.channel, orders.c.workflow, messages.c.notice)
    )
    return {(row[0], row[1], row[2]): row[3] for row in await tx.execute(query)}
