"""Messages that may be sent now: claimed in lanes, leased under a fencing token, marked begun."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, exists, func, literal, or_, select, update

from service.domain.notices import ACTIVE_STATES, Message, Snapshot
from service.domain.turns import last_turn
from service.keyring import Keyring
from service.ledger.columns import literal_in
from service.ledger.database.engine import padded
from service.ledger.database.listed import listed
from service.ledger.database.transaction import Transaction
from service.ledger.messages.states import WAITING
from service.ledger.messages.suppressions import opted_out
from service.ledger.messages.tables import NOTICE_SECRET, messages, notices
from service.ledger.orders.records import UNREADABLE, UNREADABLE_HINT, UNREADABLE_RETRY, message_of, snapshot_of
from service.ledger.orders.tables import orders
from service.pacing import breathe

log = structlog.get_logger(__name__)

# The most messages that are bundled into one.
MOST_BESIDE: Final = 50


class ClaimedMessage(Struct, frozen=True):
    """A message that this process alone may send until its lease is over."""

    message: Message
    fencing_token: int
    workflow: str
    reference: str
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
    called_off: str = ""
    lane: bytes = b""


async def claim(tx: Transaction, channel: str, now: datetime, *, limit: int, codes: bool) -> list[ClaimedMessage]:
    """Lock what is due on `channel`, one at a time in each lane; `begin` or `lease` each of them.

    Either codes, with the messages before them in their lanes, or everything else, with orders in turn, so that none
    waits for the many messages of another one.
    """
    values = {"of_channel": channel, "now": now, "at_most": limit, **_turns(now, codes=codes)}
    rows = (await tx.execute(_DUE, values)).all()
    if not rows:
        return []
    claimed = await _readable(tx, rows, now)
    silent = await opted_out(tx, channel, {c.message.address for c in claimed})
    return [replace(c, opted_out=c.message.address in silent) for c in claimed] if silent else claimed


def _turns(now: datetime, *, codes: bool) -> dict[str, int]:
    last_code = last_turn(now, codes_only=True)
    return {"after": -1, "last": last_code} if codes else {"after": last_code, "last": last_turn(now, codes_only=False)}


async def _readable(tx: Transaction, rows: Sequence[Any], now: datetime) -> list[ClaimedMessage]:
    """The messages that can be unsealed; the others are put off, so that they do not block the rest."""
    found, unreadable = [], []
    for row in rows:
        await breathe()
        try:
            found.append(_claimed(tx.keyring, row))
        except UNREADABLE:
            log.error("message.unreadable", message_id=str(row.id), hint=UNREADABLE_HINT)
            unreadable.append(row.id)
    await put_off(tx, unreadable, now + UNREADABLE_RETRY)
    return found


def _composable() -> Select[Any]:
    """A message with what is needed to compose it."""
    return (
        select(
            messages,
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
            notices.c.called_off,
        )
        .join(notices, notices.c.id == messages.c.notice_id)
        .join(orders, orders.c.id == messages.c.order_id)
    )


def _claimable() -> ColumnElement[bool]:
    """What may be claimed; built once, as building it costs more than running it."""
    earlier = messages.alias("ahead")
    now = bindparam("now", type_=messages.c.not_before.type)
    in_front = exists(
        select(literal(1)).where(
            earlier.c.lane == messages.c.lane,
            earlier.c.id < messages.c.id,
            literal_in(earlier.c.state, *ACTIVE_STATES),
            # What waits for the end of quiet hours does not hold up what may go now.
            or_(~literal_in(earlier.c.state, "pending"), earlier.c.not_before <= now),
            # A code does not wait until what was turned away before it is tried again.
            or_(~messages.c.secret, earlier.c.secret, earlier.c.attempts == 0, literal_in(earlier.c.state, "sending")),
        )
    )
    return and_(
        messages.c.channel == bindparam("of_channel"),
        literal_in(messages.c.state, *WAITING),
        messages.c.not_before <= now,
        messages.c.turn > bindparam("after", type_=messages.c.turn.type),
        messages.c.turn <= bindparam("last", type_=messages.c.turn.type),
        ~in_front,
    )


_DUE: Final = (
    _composable()
    .where(_claimable())
    .order_by(messages.c.turn)
    .limit(bindparam("at_most", type_=Integer))
    .with_for_update(skip_locked=True, of=messages)
)


async def claim_beside(tx: Transaction, claimed: Mapping[UUID, bytes], until: datetime) -> list[ClaimedMessage]:
    """Lock further messages in these lanes that are due by then, to be bundled with the claimed ones."""
    lanes = padded(sorted(set(claimed.values())))
    if not lanes:
        return []
    values = {"lanes": lanes, "but": padded(sorted(claimed)), "until": until}
    rows = (await tx.execute(_BESIDE, values)).all()
    found = await _readable(tx, rows, until)
    silent = await opted_out(tx, found[0].message.channel, {c.message.address for c in found}) if found else set()
    return [replace(c, opted_out=c.message.address in silent) for c in found]


_BESIDE: Final = (
    _composable()
    .where(
        listed(messages.c.lane, "lanes"),
        literal_in(messages.c.state, *WAITING),
        messages.c.not_before <= bindparam("until", type_=messages.c.not_before.type),
        ~messages.c.id.in_(bindparam("but", expanding=True)),
    )
    .order_by(messages.c.id)
    .limit(MOST_BESIDE)
    .with_for_update(skip_locked=True, of=messages)
)


async def find_composable(tx: Transaction, message_id: UUID) -> ClaimedMessage | None:
    """One message with what is needed to compose it again, not leased; None where it cannot be unsealed."""
    row = (await tx.execute(_composable().where(messages.c.id == message_id))).one_or_none()
    try:
        return _claimed(tx.keyring, row) if row else None
    except UNREADABLE:
        log.error("message.unreadable", message_id=str(message_id), hint=UNREADABLE_HINT)
        return None


def _claimed(keyring: Keyring, row: Any) -> ClaimedMessage:
    return ClaimedMessage(
        message=message_of(keyring, row),
        fencing_token=row.fencing_token + 1,
        workflow=row.workflow,
        reference=row.order_name,
        notice_at=row.notice_at,
        planned=row.planned_at,
        supersedable=row.supersedable,
        passed_by=row.order_rank > row.stage_rank,
        snapshot=snapshot_of(keyring, row.sealed_snapshot, row.notice_id),
        secret=_secret(keyring, row),
        traceparent=row.traceparent,
        called_off=row.called_off,
        lane=row.lane,
        version=row.version,
        links=row.links,
    )


def _secret(keyring: Keyring, row: Any) -> str | None:
    if not row.sealed_secret:
        return None
    return keyring.unseal(row.sealed_secret, NOTICE_SECRET.of(row.notice_id)).decode()


class Ahead(Struct, frozen=True):
    """Whether something may be claimed, and when the channel's next message after that is due."""

    is_due: bool
    later: datetime | None


async def ahead(tx: Transaction, channel: str, now: datetime, *, codes: bool) -> Ahead:
    """What is to be claimed, codes or everything else; costs less than to claim nothing."""
    values = {"of_channel": channel, "now": now, **_turns(now, codes=codes)}
    is_due, later = (await tx.execute(_AHEAD, values)).one()
    return Ahead(bool(is_due), later)


_AHEAD: Final = select(
    exists(select(literal(1)).select_from(messages).where(_claimable())),
    select(func.min(messages.c.not_before))
    .where(
        messages.c.channel == bindparam("of_channel"),
        literal_in(messages.c.state, *WAITING),
        messages.c.not_before > bindparam("now", type_=messages.c.not_before.type),
    )
    .scalar_subquery(),
)


async def put_off(tx: Transaction, ids: Sequence[UUID], until: datetime) -> None:
    """Leave claimed messages waiting until then."""
    if ids:
        await tx.execute(_PUT_OFF.where(messages.c.id.in_(padded(ids))), {"until": until})


_PUT_OFF: Final = update(messages).values(not_before=bindparam("until"))
