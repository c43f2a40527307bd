"""Notifications that may be sent now: claimed in lanes, leased under a fencing token, marked begun."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Integer, Select, bindparam, exists, func, literal, or_, select, update

from service.domain.notices import AHEAD, Notification, Snapshot
from service.domain.turns import last_turn
from service.keyring import Keyring
from service.ledger.caps import Reservation, encode
from service.ledger.columns import stands_in
from service.ledger.engine import padded
from service.ledger.notifications import WAITING
from service.ledger.records import (
    UNREADABLE,
    UNREADABLE_HINT,
    UNREADABLE_RETRY,
    history_line,
    notification_of,
    seal_json,
    snapshot_of,
)
from service.ledger.suppressed import opted_out
from service.ledger.tables import MESSAGE_WORDS, NOTICE_SECRET, notices, notifications, orders
from service.ledger.transaction import Transaction
from service.ledger.upsert import execute_many
from service.pacing import breathe

log = structlog.get_logger(__name__)


class Claimed(Struct, frozen=True):
    """A notification that this process alone may send until its lease is over."""

    notification: Notification
    fence: int
    workflow: str
    order_name: str
    notice_at: datetime
    planned: datetime
    supersedable: bool
    passed_by: bool
    snapshot: Snapshot
    secret: str | None
    traceparent: str
    version: str = ""
    links: int = 0
    opted_out: bool = False


async def claim(tx: Transaction, channel: str, now: datetime, *, limit: int, codes: bool) -> list[Claimed]:
    """Lock what is due on `channel`, one at a time in each lane; `begin` or `lease` each of them.

    Codes, with what goes before them in their lanes, or everything else, of which the orders take turns: nobody waits
    until the many messages of another order are out.
    """
    last_code = last_turn(now, codes_only=True)
    turns = (
        {"after": -1, "last": last_code} if codes else {"after": last_code, "last": last_turn(now, codes_only=False)}
    )
    values = {"of_channel": channel, "now": now, "at_most": limit, **turns}
    rows = (await tx.execute(_DUE, values)).all()
    if not rows:
        return []
    claimed = await _readable(tx, rows, now)
    silent = await opted_out(tx, channel, {c.notification.address for c in claimed})
    return [replace(c, opted_out=c.notification.address in silent) for c in claimed] if silent else claimed


async def _readable(tx: Transaction, rows: Sequence[Any], now: datetime) -> list[Claimed]:
    """Those that open; the others wait, so that they keep no other message from being sent."""
    found, unreadable = [], []
    for row in rows:
        await breathe()
        try:
            found.append(_claimed(tx.keyring, row))
        except UNREADABLE:
            log.error("message.unreadable", notification_id=str(row.id), hint=UNREADABLE_HINT)
            unreadable.append(row.id)
    await put_off(tx, unreadable, now + UNREADABLE_RETRY)
    return found


def _composable() -> Select[Any]:
    """A notification with what is needed to say it."""
    return (
        select(
            notifications,
            orders.c.workflow,
            orders.c.order_id.label("order_name"),
            orders.c.version,
            orders.c.links,
            orders.c.stage_rank.label("order_rank"),
            notices.c.at.label("notice_at"),
            notices.c.planned_at,
            notices.c.stage_rank,
            notices.c.supersedable,
            notices.c.sealed_snapshot,
            notices.c.sealed_secret,
            notices.c.traceparent,
        )
        .join(notices, notices.c.id == notifications.c.notice_id)
        .join(orders, orders.c.id == notifications.c.order_id)
    )


def _due() -> Select[Any]:
    """What may be claimed; built once, as building it costs more than running it."""
    ahead = notifications.alias("ahead")
    now = bindparam("now", type_=notifications.c.not_before.type)
    in_front = exists(
        select(literal(1)).where(
            ahead.c.lane == notifications.c.lane,
            ahead.c.id < notifications.c.id,
            stands_in(ahead.c.state, *AHEAD),
            # What waits for the end of quiet hours does not hold up what may go now.
            or_(~stands_in(ahead.c.state, "pending"), ahead.c.not_before <= now),
            # A code does not wait until what was turned away before it is tried again.
            or_(~notifications.c.secret, ahead.c.secret, ahead.c.attempts == 0, stands_in(ahead.c.state, "sending")),
        )
    )
    return (
        _composable()
        .where(
            notifications.c.channel == bindparam("of_channel"),
            stands_in(notifications.c.state, *WAITING),
            notifications.c.not_before <= now,
            notifications.c.turn > bindparam("after", type_=notifications.c.turn.type),
            notifications.c.turn <= bindparam("last", type_=notifications.c.turn.type),
            ~in_front,
        )
        .order_by(notifications.c.turn)
        .limit(bindparam("at_most", type_=Integer))
        .with_for_update(skip_locked=True, of=notifications)
    )


_DUE: Final = _due()


async def find_composable(tx: Transaction, notification_id: UUID) -> Claimed | None:
    """One notification with what is needed to say it again, not leased; None where that does not open."""
    row = (await tx.execute(_composable().where(notifications.c.id == notification_id))).one_or_none()
    try:
        return _claimed(tx.keyring, row) if row else None
    except UNREADABLE:
        log.error("message.unreadable", notification_id=str(notification_id), hint=UNREADABLE_HINT)
        return None


def _claimed(keyring: Keyring, row: Any) -> Claimed:
    return Claimed(
        notification=notification_of(keyring, row),
        fence=row.fencing_token + 1,
        workflow=row.workflow,
        order_name=row.order_name,
        notice_at=row.notice_at,
        planned=row.planned_at,
        supersedable=row.supersedable,
        passed_by=row.order_rank > row.stage_rank,
        snapshot=snapshot_of(keyring, row.sealed_snapshot, row.notice_id),
        secret=_secret(keyring, row),
        traceparent=row.traceparent,
        version=row.version,
        links=row.links,
    )


def _secret(keyring: Keyring, row: Any) -> str | None:
    if not row.sealed_secret:
        return None
    return keyring.unseal(row.sealed_secret, NOTICE_SECRET.of(row.notice_id)).decode()


async def next_due(tx: Transaction, channel: str, now: datetime) -> datetime | None:
    """When the next notification of this channel may be sent, if none may now."""
    values = {"of_channel": channel, "now": now}
    moment: datetime | None = (await tx.execute(_NEXT_DUE, values)).scalar_one()
    return moment


_NEXT_DUE: Final = select(func.min(notifications.c.not_before)).where(
    notifications.c.channel == bindparam("of_channel"),
    stands_in(notifications.c.state, *WAITING),
    notifications.c.not_before > bindparam("now", type_=notifications.c.not_before.type),
)


async def begin(
    tx: Transaction,
    sends: Sequence[tuple[Claimed, Any]],
    now: datetime,
    until: datetime,
    reserved: Mapping[UUID, Reservation] | None = None,
) -> None:
    """Lease claimed notifications until then; keep that their requests go out now, what they say and what they took."""
    taken = reserved or {}
    line = history_line("sending", now)
    rows = [
        {
            "k": c.notification.id,
            "until": until,
            "line": line,
            "sealed": seal_json(tx.keyring, message, MESSAGE_WORDS.of(c.notification.id)),
            "places": encode(taken.get(c.notification.id)),
        }
        for c, message in sends
    ]
    await execute_many(tx, _BEGIN, rows)


_LEASE: Final = update(notifications).values(
    state="sending", fencing_token=notifications.c.fencing_token + 1, lease_until=bindparam("until"), send_begun=False
)
_BEGIN: Final = _LEASE.where(notifications.c.id == bindparam("k")).values(
    send_begun=True,
    attempts=notifications.c.attempts + 1,
    # Whoever finds it so after a crash knows that nobody lived to say which one was tried.
    provider="",
    history=notifications.c.history + bindparam("line"),
    sealed_message=bindparam("sealed"),
    cap_reservation=bindparam("places"),
)


async def lease(tx: Transaction, ids: Sequence[UUID], until: datetime) -> None:
    """Hold claimed notifications until then, without anything being sent."""
    if ids:
        await tx.execute(_LEASE.where(notifications.c.id.in_(padded(ids))), {"until": until})


async def put_off(tx: Transaction, ids: Sequence[UUID], until: datetime) -> None:
    """Leave claimed notifications waiting until then."""
    if ids:
        await tx.execute(_PUT_OFF.where(notifications.c.id.in_(padded(ids))), {"until": until})


_PUT_OFF: Final = update(notifications).values(not_before=bindparam("until"))


async def held(tx: Transaction, fences: Mapping[UUID, int]) -> set[UUID]:
    """Those of these notifications that are leased under the fence given: by whoever knows it."""
    query = select(notifications.c.id, notifications.c.fencing_token).where(
        notifications.c.id.in_(padded(sorted(fences))), notifications.c.state == "sending"
    )
    return {row.id for row in await tx.execute(query) if fences[row.id] == row.fencing_token}
