"""Housekeeping of messages: lapsed leases, unanswered sends, expired codes, and the age of the oldest waiting one."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    Update,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from service.domain.settling import SETTLE_UNKNOWN_AFTER
from service.ledger.columns import literal_in
from service.ledger.database.engine import padded
from service.ledger.database.transaction import Transaction
from service.ledger.messages import caps
from service.ledger.messages.caps import Settled, decode
from service.ledger.messages.outbox import IS_PARCEL
from service.ledger.messages.states import UNSETTLED, WAITING
from service.ledger.messages.tables import messages, notices, outbox
from service.ledger.orders.records import history_line

SETTLED_WITHIN: Final = timedelta(seconds=60)
_WHY: Final = "the process that was sending it went away"


async def is_needed(tx: Transaction, now: datetime) -> bool:
    """Whether a lease ran out or a secret expired; costs less than to change nothing."""
    return bool((await tx.execute(_IS_NEEDED, {"moment": now})).scalar_one())


async def erase_settled_secrets(tx: Transaction, notice_ids: Iterable[UUID]) -> None:
    """Erase the secrets of these notices, where no message needs them any more."""
    wanted = padded(set(notice_ids))
    if wanted:
        # By way of the order, of whose messages there is an index.
        is_of_notice = and_(messages.c.order_id == notices.c.order_id, messages.c.notice_id == notices.c.id)
        may_need_it = literal_in(messages.c.state, *UNSETTLED)
        needed = exists(select(literal(1)).where(is_of_notice, may_need_it))
        await tx.execute(update(notices).where(notices.c.id.in_(wanted), ~needed).values(sealed_secret=None))


async def erase_expired_secrets(tx: Transaction, now: datetime) -> int:
    """Erase every expired secret; returns how many."""
    return int((await tx.execute(_ERASE_EXPIRED, {"moment": now})).rowcount)


# What is run each second is built once, as building it costs more than running it.
_MOMENT: Final = bindparam("moment", type_=messages.c.lease_until.type)
_EXPIRED: Final = and_(notices.c.sealed_secret.is_not(None), notices.c.valid_until <= _MOMENT)
_ERASE_EXPIRED: Final = update(notices).where(_EXPIRED).values(sealed_secret=None)


async def recover_lapsed(tx: Transaction, now: datetime) -> int:
    """Leases that ran out: back to pending before the send began, unknown after it; returns how many.

    Their processes may be alive and slow, so providers are asked only after receipts had time to come.
    """
    return await _give_back(tx, _LAPSED, now, ask_at=now + SETTLE_UNKNOWN_AFTER, moment=now)


async def take_over(tx: Transaction, owners: Collection[int], now: datetime) -> int:
    """Settle at once what dead processes were sending, or asking providers about; returns how many."""
    theirs = messages.c.lease_owner.in_(sorted(owners))
    count = await _give_back(tx, _given_back(theirs), now, ask_at=now)
    # Only those that somebody asks about: the index has them in one place, and what stays unknown for good in another.
    is_asked_about = and_(literal_in(messages.c.state, "unknown"), messages.c.not_before <= now + SETTLED_WITHIN)
    result = await tx.execute(update(messages).where(is_asked_about, theirs).values(not_before=now, lease_owner=None))
    return count + int(result.rowcount)


def _left(which: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(literal_in(messages.c.state, "sending"), which)


def _given_back(which: ColumnElement[bool]) -> tuple[Update, ReturningUpdate[Any]]:
    """Sends of processes that went away: those that had not begun wait again, the others are unknown."""
    left = _left(which)
    told = messages.c.history + bindparam("told", type_=messages.c.history.type)
    back = update(messages).where(left, ~messages.c.send_begun)
    lost = update(messages).where(left, messages.c.send_begun)
    ask_at = bindparam("ask_at", type_=messages.c.not_before.type)
    return (
        back.values(state="pending", lease_until=None, lease_owner=None, history=told),
        lost.values(
            state="unknown", lease_until=None, lease_owner=None, not_before=ask_at, error=_WHY, history=told
        ).returning(messages.c.cap_reservation),
    )


_HAS_LAPSED: Final = messages.c.lease_until <= _MOMENT
_LAPSED: Final = _given_back(_HAS_LAPSED)
_IS_NEEDED: Final = select(
    or_(
        exists(select(literal(1)).select_from(messages).where(_left(_HAS_LAPSED))),
        exists(select(literal(1)).select_from(notices).where(_EXPIRED)),
    )
)


async def _give_back(
    tx: Transaction, updates: tuple[Update, ReturningUpdate[Any]], now: datetime, *, ask_at: datetime, **which: datetime
) -> int:
    wait_again, become_unknown = updates
    back = await tx.execute(wait_again, {**which, "told": history_line("pending", now, _WHY)})
    values = {**which, "told": history_line("unknown", now, _WHY), "ask_at": ask_at}
    begun = (await tx.execute(become_unknown, values)).scalars().all()
    # It may have arrived: what it took under the caps counts, until its provider is sure that it did not.
    await caps.settle(tx, [Settled(r, is_free=False) for kept in begun if (r := decode(kept))])
    return int(back.rowcount) + len(begun)


class UnknownMessage(Struct, frozen=True):
    """A send to which no answer came. `fencing_token`: which send of the message it was."""

    id: UUID
    order_id: UUID
    fencing_token: int


async def is_any_unknown_due(tx: Transaction, now: datetime) -> bool:
    """Whether there is an unanswered send to settle; costs less than to claim nothing."""
    return bool((await tx.execute(_IS_UNKNOWN_DUE, {"moment": now})).scalar_one())


_UNKNOWN_DUE: Final = and_(literal_in(messages.c.state, "unknown"), messages.c.not_before <= _MOMENT)
_IS_UNKNOWN_DUE: Final = select(exists(select(literal(1)).select_from(messages).where(_UNKNOWN_DUE)))


async def claim_unknown(tx: Transaction, now: datetime, limit: int) -> list[UnknownMessage]:
    """Unanswered sends that are due to be settled: leased to this process for a while."""
    due = (
        select(messages.c.id)
        .where(_UNKNOWN_DUE)
        .order_by(messages.c.not_before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    claimed = await tx.execute(
        update(messages)
        .where(messages.c.id.in_(due.scalar_subquery()))
        .values(not_before=now + SETTLED_WITHIN, lease_owner=tx.owner)
        .returning(messages.c.id, messages.c.order_id, messages.c.fencing_token),
        {"moment": now},
    )
    return [UnknownMessage(row.id, row.order_id, row.fencing_token) for row in claimed]


async def stop_waiting(tx: Transaction, message_id: UUID) -> None:
    """Leave it unknown: only a receipt can settle it now."""
    is_unknown = and_(messages.c.id == message_id, messages.c.state == "unknown")
    await tx.execute(update(messages).where(is_unknown).values(not_before=None))


async def oldest_pending(tx: Transaction, channels: Iterable[str]) -> dict[str, datetime]:
    """By channel, since when the longest-waiting message may have been sent."""
    query = _oldest_of(tuple(channels))
    found = await tx.execute(query) if query is not None else ()
    return {row.channel: row.since for row in found if row.since is not None}


@lru_cache(maxsize=16)
def _oldest_of(channels: tuple[str, ...]) -> CompoundSelect[Any] | None:
    # A look at the index for each; grouped, it would be read from end to end.
    firsts = [
        select(literal(channel).label("channel"), func.min(messages.c.not_before).label("since")).where(
            messages.c.channel == channel, literal_in(messages.c.state, *WAITING)
        )
        for channel in channels
    ]
    return union_all(*firsts) if firsts else None


async def oldest_leaving(tx: Transaction, now: datetime, *, but: Collection[str] = ()) -> datetime | None:
    """When the oldest message of the outbox that may leave was written, tried or not; none for the exchanges `but`."""
    query = _oldest_leaving(tuple(sorted(but)))
    moment: datetime | None = (await tx.execute(query, {"now": now})).scalar_one_or_none()
    return moment


@lru_cache(maxsize=16)
def _oldest_leaving(but: tuple[str, ...]) -> Select[Any]:
    now = bindparam("now", type_=outbox.c.held_until.type)
    return (
        select(outbox.c.created_at)
        .where(or_(outbox.c.held_until.is_(None), outbox.c.held_until <= now, IS_PARCEL), outbox.c.exchange.not_in(but))
        .order_by(outbox.c.id)
        .limit(1)
    )
