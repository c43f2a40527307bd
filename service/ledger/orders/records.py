"""Converts between the domain's records and rows; sealing and unsealing happen here."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct
from sqlalchemy import Row

from service.domain.calendars import QuietHours
from service.domain.clocks.kinds import KINDS
from service.domain.clocks.running import wake_at
from service.domain.notices import Message, PlannedNotice, Snapshot
from service.domain.order import Clock, Order
from service.domain.rungs import KIND, notice_of
from service.domain.turns import turn_of
from service.domain.workflow import Workflow
from service.keyring import Keyring, Place, SealBroken
from service.ledger.database.sets import NewRow
from service.ledger.messages.tables import MESSAGE_RECIPIENT, NOTICE_SECRET, NOTICE_SNAPSHOT
from service.ledger.orders.tables import ORDER_STATE

log = structlog.get_logger(__name__)

_encoder: Final = msgspec.json.Encoder()
_order_decoder: Final = msgspec.json.Decoder(Order)
_snapshot_decoder: Final = msgspec.json.Decoder(Snapshot)


class Recipient(Struct, frozen=True, omit_defaults=True):
    """The personal part of a message's row."""

    address: str
    person: int
    name: str
    locale: str
    timezone: str
    region: str = ""
    quiet: QuietHours | None = None


_recipient_decoder: Final = msgspec.json.Decoder(Recipient)


def seal_json(keyring: Keyring, value: Any, place: Place) -> bytes:
    """A plain value or Struct as sealed JSON, bound to `place`."""
    return keyring.seal(_encoder.encode(value), place)


def unseal_json(keyring: Keyring, sealed: bytes, place: Place) -> Any:
    """The plain value of JSON sealed for this place; raises SealBroken."""
    return msgspec.json.decode(keyring.unseal(sealed, place))


def order_row(keyring: Keyring, workflow: Workflow, order: Order) -> NewRow:
    """An order's row: its sealed state and the columns for queries."""
    return {
        "id": order.id,
        "workflow": order.workflow,
        "order_id": order.reference,
        "status": order.status,
        "stage": order.stage,
        "stage_rank": workflow.stages[order.stage].rank,
        "final": workflow.is_final(order.status),
        "assignee_id": order.assignee.id if order.assignee else "",
        "version": order.version,
        "links": order.links,
        "status_since": order.status_since,
        "due_at": nearest_promise(order, workflow),
        "breached": any(c.state == "breached" for c in order.clocks.values()),
        "expected_end": next((d for path in workflow.expected_end if (d := order.date(path, workflow.timezone))), None),
        "created_at": order.created,
        "updated_at": order.updated,
        "wake_at": wake_at(order),
        "parent_workflow": order.parent.workflow if order.parent else "",
        "parent_order_id": order.parent.reference if order.parent else "",
        "sealed_state": seal_json(keyring, order, ORDER_STATE.of(order.id)),
    }


def nearest_promise(order: Order, workflow: Workflow) -> datetime | None:
    """The due time of the next running clock about the order itself, by which lists of work are sorted."""
    running = [c.due for c in order.clocks.values() if c.state == "running" and _is_about_order(workflow, c.spec)]
    return min(running, default=None)


def _is_about_order(workflow: Workflow, clock: str) -> bool:
    spec = workflow.clocks.get(clock)
    return spec is not None and KINDS[spec.kind].is_about_order


def order_of(keyring: Keyring, row: Any) -> Order:
    """The order of a row with id and sealed state; raises SealBroken."""
    return state_of(keyring, row.sealed_state, row.id)


def readable_order(keyring: Keyring, row: Any) -> Order | None:
    """The order of a row; None, with a log line, if it is unreadable."""
    try:
        return order_of(keyring, row)
    except UNREADABLE:
        log.error("order.unreadable", id=str(row.id), hint=UNREADABLE_HINT)
        return None


def state_of(keyring: Keyring, sealed: bytes, order_id: UUID) -> Order:
    """The order in a sealed state; raises SealBroken."""
    return _order_decoder.decode(keyring.unseal(sealed, ORDER_STATE.of(order_id)))


def notice_row(keyring: Keyring, order_id: UUID, notice: PlannedNotice, traceparent: str) -> NewRow:
    """The row of a planned notice; its secret is sealed separately, so that it can be erased separately."""
    return {
        "id": notice.id,
        "order_id": order_id,
        "name": notice.name,
        "at": notice.at,
        "planned_at": notice.planned,
        "stage_rank": notice.stage_rank,
        "supersedable": notice.supersedable,
        "valid_until": notice.valid_until,
        "sealed_snapshot": seal_json(keyring, notice.context, NOTICE_SNAPSHOT.of(notice.id)),
        "sealed_secret": keyring.seal(notice.secret.encode(), NOTICE_SECRET.of(notice.id)) if notice.secret else None,
        "traceparent": traceparent,
    }


def snapshot_of(keyring: Keyring, sealed: bytes, notice_id: UUID) -> Snapshot:
    """The order as it was when the notice was planned."""
    return _snapshot_decoder.decode(keyring.unseal(sealed, NOTICE_SNAPSHOT.of(notice_id)))


def _own_lane(n: Message) -> tuple[str, ...]:
    return "lane", n.order_id.hex, n.channel, n.address


def bundle_lane(keyring: Keyring, bundle: str, n: Message) -> bytes:
    """The lane of a bundle: one channel and address, over all orders."""
    return keyring.digest("lane", bundle, n.channel, n.address)


def lane_of(keyring: Keyring, n: Message) -> bytes:
    """The lane in which a message keeps its place: that of its order, channel and address, or of its bundle."""
    return bundle_lane(keyring, n.bundle, n) if n.bundle else keyring.digest(*_own_lane(n))


def message_row(keyring: Keyring, n: Message, lane: bytes, now: datetime) -> NewRow:
    """The row of a new message."""
    return {
        "id": n.id,
        "order_id": n.order_id,
        "notice_id": n.notice_id,
        "notice": n.notice,
        "channel": n.channel,
        "audience": n.audience,
        "lane": lane,
        "state": n.state,
        "not_before": n.not_before,
        "turn": turn_of(n),
        "valid_until": n.valid_until,
        "when_unknown": n.when_unknown,
        "secret": n.secret,
        "error_code": n.error_code,
        "error": n.error,
        "rung": n.rung,
        "created_at": now,
        "history": history_line(n.state, now, n.error),
        "sealed_recipient": seal_json(keyring, _recipient_of(n), MESSAGE_RECIPIENT.of(n.id)),
    }


def _recipient_of(n: Message) -> Recipient:
    return Recipient(n.address, n.person, n.name, n.locale, n.timezone, n.region, n.quiet)


# Errors of an unreadable row: its bytes were moved or changed, or the key that sealed it is not set.
UNREADABLE: Final = (SealBroken, msgspec.DecodeError)
# Unreadable rows are tried again after this time, as the key may be set by then; others are not blocked meanwhile.
UNREADABLE_RETRY: Final = timedelta(minutes=5)
UNREADABLE_HINT: Final = (
    "the sealed data of this row cannot be opened: it was moved, changed, or sealed with a key that is neither "
    "STAGEBELL_SECRET_KEY nor _PREVIOUS; restore the row, or set the key"
)


def message_of(keyring: Keyring, row: Row[Any] | Mapping[str, Any]) -> Message:
    """A message from its row; raises SealBroken."""
    r: Any = row._mapping if isinstance(row, Row) else row
    recipient = _recipient_decoder.decode(keyring.unseal(r["sealed_recipient"], MESSAGE_RECIPIENT.of(r["id"])))
    return Message(
        id=r["id"],
        notice_id=r["notice_id"],
        order_id=r["order_id"],
        notice=r["notice"],
        channel=r["channel"],
        audience=r["audience"],
        person=recipient.person,
        address=recipient.address,
        name=recipient.name,
        locale=recipient.locale,
        timezone=recipient.timezone,
        region=recipient.region,
        quiet=recipient.quiet,
        state=r["state"],
        valid_until=r["valid_until"],
        not_before=r["not_before"] or r["created_at"],
        when_unknown=r["when_unknown"],
        secret=r["secret"],
        attempts=r["attempts"],
        resent=r["resend_count"],
        provider=r["provider"],
        provider_id=r["provider_id"],
        error_code=r["error_code"],
        error=r["error"],
        sent_at=r["sent_at"],
        rung=r["rung"],
    )


class StateChange(Struct, frozen=True, omit_defaults=True):
    """A state change of a message. `why`: in words; `code`: the provider's or mail server's."""

    state: str
    at: str
    why: str = ""
    provider: str = ""
    code: str = ""


def history_line(state: str, at: datetime, why: str = "", **more: str | int) -> str:
    """A state change as a line of JSON; lines are appended, never rewritten."""
    change = {k: v for k, v in {"state": state, "at": at, "why": why, **more}.items() if v}
    return _encoder.encode(change).decode() + "\n"


def history_of(text: str) -> list[StateChange]:
    """The state changes, oldest first."""
    return [msgspec.json.decode(line, type=StateChange) for line in text.splitlines() if line]


def clock_row(workflow: Workflow, order: Order, clock: Clock) -> NewRow:
    """A clock's row, with the present pack's `kind`, `notice` and `team`."""
    spec = workflow.clocks.get(clock.spec)
    reason = workflow.reasons.get(spec.escalate.reason) if spec and spec.escalate else None
    return {
        "order_id": order.id,
        "workflow": order.workflow,
        "name": clock.spec,
        "kind": spec.kind if spec else KIND if notice_of(clock.spec) else "",
        "notice": (spec and spec.notice) or notice_of(clock.spec),
        "team": reason.team if reason else "",
        "started_at": clock.started,
        **clock_changes(clock),
    }


def clock_changes(clock: Clock) -> NewRow:
    """The id of a clock and the columns that can change after its start."""
    return {
        "id": clock.id,
        "warn_at": clock.warn,
        "due_at": clock.due,
        "state": clock.state,
        "stopped_at": clock.stopped,
        "why": clock.why,
        "noticed_late_s": clock.noticed_late_s,
    }
