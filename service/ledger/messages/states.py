"""The state of messages: locked for an update, and written back with a line of history."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from msgspec import Struct
from sqlalchemy import Select, bindparam, func, select, update

from service.domain.notices import ACTIVE_STATES, Message
from service.domain.settling import gives_place_back
from service.domain.turns import HEAD_START_MS, last_turn, turn_of
from service.keyring import Keyring
from service.ledger.columns import literal_in
from service.ledger.database.engine import padded
from service.ledger.database.listed import listed
from service.ledger.database.sets import NewRow, OtherWrite, Writes
from service.ledger.database.transaction import Transaction
from service.ledger.messages import caps
from service.ledger.messages.caps import Reservation, Settled, decode, encode
from service.ledger.messages.tables import messages, notices
from service.ledger.orders.records import UNREADABLE, UNREADABLE_HINT, history_line, message_of
from service.ledger.orders.tables import orders
from service.pacing import breathe

WAITING: Final = ("pending", "retrying")
# Of what changes no state, in characters: a few hundred lines.
LONGEST_HISTORY: Final = 32_000
UNSETTLED: Final = (*ACTIVE_STATES, "held", "unknown")

log = structlog.get_logger(__name__)


class StoredMessage(Struct, frozen=True):
    """A message as it stands in the ledger, with its fencing token."""

    message: Message
    fencing_token: int
    begun: bool
    workflow: str
    reference: str
    notice_at: datetime
    lane: bytes
    reservation: Reservation | None = None


def _stored() -> Select[Any]:
    return (
        select(
            messages,
            orders.c.workflow,
            orders.c.order_id.label("order_name"),
            notices.c.at.label("notice_at"),
        )
        .join(orders, orders.c.id == messages.c.order_id)
        .join(notices, notices.c.id == messages.c.notice_id)
        .order_by(messages.c.id)
    )


_FIND: Final = _stored().where(listed(messages.c.id, "ids"))
_LOCK: Final = _FIND.with_for_update(of=messages)
# By way of the order, of whose messages there is an index.
_OF_NOTICES: Final = _stored().where(listed(notices.c.id, "ids"), notices.c.order_id == messages.c.order_id)


async def lock(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, StoredMessage]:
    """Messages as they stand, locked; take the locks of their orders first."""
    return await _read(tx, _LOCK, ids)


async def of_notices(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, StoredMessage]:
    """All messages of these notices; take the locks of their orders first."""
    return await _read(tx, _OF_NOTICES, ids)


async def find(tx: Transaction, message_id: UUID) -> StoredMessage | None:
    """One message, not locked."""
    return (await _read(tx, _FIND, [message_id])).get(message_id)


async def _read(tx: Transaction, query: Select[Any], ids: Iterable[UUID]) -> dict[UUID, StoredMessage]:
    """The messages that can be unsealed; outcomes of the others cannot be written, and do not block the rest."""
    wanted = padded(sorted(set(ids)))
    found = {}
    for row in await tx.execute(query, {"ids": wanted}) if wanted else ():
        await breathe()
        try:
            found[row.id] = _stored_of(tx.keyring, row)
        except UNREADABLE:
            log.error("message.unreadable", message_id=str(row.id), hint=UNREADABLE_HINT)
    return found


def _stored_of(keyring: Keyring, row: Any) -> StoredMessage:
    return StoredMessage(
        message=message_of(keyring, row),
        fencing_token=row.fencing_token,
        begun=row.send_begun,
        workflow=row.workflow,
        reference=row.order_name,
        notice_at=row.notice_at,
        lane=row.lane,
        reservation=decode(row.cap_reservation),
    )


async def provider_ids(tx: Transaction, order_id: UUID, *, but: UUID) -> frozenset[str]:
    """The provider ids of this order's messages, except one."""
    query = select(messages.c.provider_id).where(
        messages.c.order_id == order_id, messages.c.id != but, messages.c.provider_id != ""
    )
    return frozenset((await tx.execute(query)).scalars())


async def waiting_in(tx: Transaction, lanes: Iterable[bytes]) -> set[str]:
    """The channels on which something waits in these lanes."""
    wanted = padded(sorted(set(lanes)))
    if not wanted:
        return set()
    return set((await tx.execute(_WAITING_IN, {"lanes": wanted})).scalars())


_WAITING_IN: Final = (
    select(messages.c.channel)
    .where(
        listed(messages.c.lane, "lanes"),
        # In two parts, so that it is looked up by lane: the index of what waits is short only while nothing does.
        literal_in(messages.c.state, *ACTIVE_STATES),
        ~literal_in(messages.c.state, "sending"),
    )
    .distinct()
)


async def busy_lanes(tx: Transaction, lanes: Iterable[bytes]) -> set[bytes]:
    """Those of these lanes in which anything is to be sent yet; take the locks of their orders first."""
    wanted = padded(sorted(set(lanes)))
    return set((await tx.execute(_BUSY_LANES, {"lanes": wanted})).scalars()) if wanted else set()


_BUSY_LANES: Final = (
    select(messages.c.lane)
    .where(listed(messages.c.lane, "lanes"), literal_in(messages.c.state, *ACTIVE_STATES))
    .distinct()
)


def let_ahead(writes: Writes, lanes: Iterable[bytes], now: datetime) -> None:
    """Move everything in lanes with new codes up to the codes' turn, so that no code waits behind a flood."""
    wanted = sorted(set(lanes))
    if wanted:
        last_code = last_turn(now, codes_only=True)
        elsewhere = {"lanes": wanted, "last_code": last_code}
        writes.other(OtherWrite(_LET_AHEAD_TEXT, (wanted, last_code, HEAD_START_MS), _LET_AHEAD, elsewhere))


def ahead_of_code(row: NewRow, now: datetime) -> NewRow:
    """A new message in such a lane, which `let_ahead` does not see yet."""
    waits = row["state"] in WAITING and row["turn"] > last_turn(now, codes_only=True)
    return {**row, "turn": row["turn"] - HEAD_START_MS} if waits else row


_LET_AHEAD: Final = (
    update(messages)
    .where(
        listed(messages.c.lane, "lanes"),
        literal_in(messages.c.state, *WAITING),
        messages.c.turn > bindparam("last_code", type_=messages.c.turn.type),
    )
    .values(turn=messages.c.turn - HEAD_START_MS)
)
_LET_AHEAD_TEXT: Final = (
    "UPDATE messages SET turn = turn - {2}::bigint"
    " WHERE lane = ANY({0}::bytea[]) AND state IN ('pending', 'retrying') AND turn > {1}::bigint"
)


class DecidedByOrder(Struct, frozen=True):
    """Its order decided about it when its timeline had so many lines; `drop_address`: nobody is there any more."""

    timeline_n: int
    drop_address: bool = False


def put_states(
    writes: Writes,
    changed: Sequence[Message],
    now: datetime,
    before: Mapping[UUID, StoredMessage],
    causes: Mapping[UUID, DecidedByOrder],
) -> None:
    """Have new states written, each with its line of history.

    `causes`: those that were a cause for their orders, whose lines say so, for the past to be played again.
    """
    rows = [
        {
            "id": n.id,
            "state": n.state,
            "not_before": n.not_before,
            "turn": turn_of(n),
            "resend_count": n.resent,
            "attempts": n.attempts,
            "provider": n.provider,
            "provider_id": n.provider_id,
            "error_code": n.error_code,
            "error": n.error,
            "sent_at": n.sent_at,
            "history": _line(n, now, causes.get(n.id)),
            "lease_until": None,
            "lease_owner": None,
            # While no answer is there, it is not certain that the places are used.
            "cap_reservation": encode(before[n.id].reservation) if n.state == "unknown" else None,
        }
        for n in changed
    ]
    writes.update(messages, rows, added=frozenset({"history"}))


async def settle_places(tx: Transaction, changed: Sequence[Message], before: Mapping[UUID, StoredMessage]) -> None:
    """What their sends took under the caps is kept or given back; last, as every send needs the caps' counters."""
    was = [(before[n.id].message, before[n.id].reservation, n) for n in changed]
    settled = [Settled(r, gives_place_back(old, new), old.state == "unknown") for old, r, new in was if r]
    await caps.settle(tx, settled)


def _line(n: Message, now: datetime, known: DecidedByOrder | None) -> str:
    """A message's outcome, and what its order knows of it."""
    cause = {"n": known.timeline_n, "drop": known.drop_address} if known else {}
    return history_line(n.state, now, n.error, provider=n.provider, code=n.error_code, **cause)


async def note(tx: Transaction, message_id: UUID, line: str) -> None:
    """Add a line to the history without a change of state: a receipt that came too late, a reply.

    Whoever has the address of a mail may write to it as often as they like: a long history takes no more of these.
    """
    await tx.execute(
        update(messages)
        .where(messages.c.id == message_id, func.length(messages.c.history) < LONGEST_HISTORY)
        .values(history=messages.c.history + line)
    )
