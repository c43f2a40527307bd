"""Writes escalations: their rows, the outgoing messages, and the incident that many of them form.

A clock-raised escalation beyond its team's rate joins an incident: one alarm that lists the orders. A lock
serialises these writes, so that rates are counted correctly and the stream's numbers grow in commit order.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from msgspec import structs
from sqlalchemy import func, select, text

from service.domain.calendars import quiet_until
from service.domain.teams import Team
from service.events_out import CloudEvent, EscalationData, TeamCall, is_published, of_escalation
from service.keyring import Keyring
from service.ledger.database.engine import padded
from service.ledger.database.listed import listed
from service.ledger.database.sets import NewRow, Rows, insert_rows, upsert
from service.ledger.database.transaction import Transaction
from service.ledger.escalations import incidents, outages
from service.ledger.escalations.handling import detail_of, owner_digest
from service.ledger.escalations.incidents import Announced, Change
from service.ledger.escalations.tables import ESCALATION_DETAIL, escalation_stream, escalations
from service.ledger.messages import outbox
from service.ledger.messages.outbox import OutboxMessage
from service.ledger.messages.tables import messages, notices
from service.ledger.orders.records import seal_json

TEAMS: Final = "teams"
STREAM_LOCK: Final = 5_748_219_378
_CHANGES: Final = (
    "severity", "state", "level", "causes", "due_at", "changed_at", "snoozed_until", "incident_id", "owner_digest",
    "acknowledged_at", "sealed_detail",
)  # fmt: skip
_TRACES: Final = (
    select(messages.c.order_id, notices.c.traceparent)
    .join(notices, notices.c.id == messages.c.notice_id)
    .where(listed(messages.c.order_id, "orders"), notices.c.traceparent != "")
    .order_by(notices.c.id)
)
_MEMBERS: Final = select(escalations.c.id, escalations.c.incident_id).where(
    listed(escalations.c.id, "ids"), escalations.c.incident_id.is_not(None)
)


async def write(
    tx: Transaction, changes: Sequence[Change], targets: Mapping[str, int], now: datetime
) -> list[OutboxMessage]:
    """Write these changes; returns the messages to publish. `targets`: the number of endpoints by team or level."""
    if not changes:
        return []
    changes = await _traced(tx, changes)
    await serialise(tx)
    members = await _assign(tx, changes, now)
    last = {c.step.escalation.id: c for c in changes}
    rows = [_row(tx.keyring, c, members.get(c.step.escalation.id)) for c in last.values()]
    await upsert(tx, escalations, rows, _CHANGES)
    outgoing: list[OutboxMessage] = []
    logged: Rows = []
    for c in changes:
        if c.step.escalation.id in members:
            continue
        event = of_escalation(c.order, c.step, c.traceparent)
        if is_published(c.step.kind):
            outgoing += announcement(
                event, c.workflow.teams[c.step.escalation.team], targets, now, _words_for_people(c)
            )
        logged.append(_stream_row(event, now))
    for announced in await incidents.update_for(tx, changes, members, now):
        outgoing += announcement(announced.event, announced.team, targets, now)
        logged.append(_stream_row(announced.event, now))
    await insert_rows(tx, escalation_stream, logged)
    return outgoing


async def _traced(tx: Transaction, changes: Sequence[Change]) -> Sequence[Change]:
    """Give escalations raised by a clock the trace of the newest event that sent a message about their order."""
    without = {c.order.id for c in changes if not c.traceparent and c.step.escalation.clocks}
    if not without:
        return changes
    known = {row.order_id: row.traceparent for row in await tx.execute(_TRACES, {"orders": padded(without)})}
    return [c if c.traceparent else structs.replace(c, traceparent=known.get(c.order.id, "")) for c in changes]


async def serialise(tx: Transaction) -> None:
    """Lock out other writers of escalations, incidents and stream lines until the commit."""
    if tx.dialect.name == "postgresql":
        await tx.execute(text(f"SELECT pg_advisory_xact_lock({STREAM_LOCK})"))


async def _assign(tx: Transaction, changes: Sequence[Change], now: datetime) -> dict[UUID, UUID]:
    """By escalation, the incident that it belongs to or now joins.

    An incident takes in the escalations that led to it, and all that clocks raise for its team and orders. A breach
    caused only by a provider's refusal joins the provider's incident.
    """
    opened = [c for c in changes if c.step.kind == "opened"]
    # Newly opened escalations are in no incident yet.
    known = await _known_members(tx, {c.step.escalation.id for c in changes} - {c.step.escalation.id for c in opened})
    fresh: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for c in opened:
        if c.step.escalation.clocks:
            fresh[c.step.escalation.team, c.step.escalation.reason].append(c)
    if not fresh:
        return known
    every = [c for some in fresh.values() for c in some]
    of_order = await incidents.of_orders(tx, {c.order.id for c in every})
    of_outage = await outages.of_promises(tx, every, now)
    for kind, some in fresh.items():
        left = []
        for c in some:
            e = c.step.escalation
            if (incident := of_outage.get(e.id) or of_order.get((c.order.id, e.team))) is not None:
                known[e.id] = incident
            else:
                left.append(c)
        if left and (incident := await _incident_of(tx, kind, left, now)) is not None:
            known |= {c.step.escalation.id: incident for c in left}
    return known


async def _incident_of(tx: Transaction, kind: tuple[str, str], fresh: Sequence[Change], now: datetime) -> UUID | None:
    """The incident that these join: an open and growing one, or a new one if there are too many."""
    first = fresh[0]
    team = first.workflow.teams[kind[0]]
    growing = await incidents.find_open(tx, *kind, now - max(team.incident_within, incidents.GROWS_FOR))
    if growing is not None:
        return growing
    since = now - team.incident_within
    if await _opened_since(tx, *kind, since) + len(fresh) <= team.incident_over:
        return None
    opened = await incidents.open_new(tx, first.order, first.step.escalation, team, now)
    await incidents.add_members(tx, opened, *kind, since)
    return opened


async def _known_members(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, UUID]:
    if not ids:
        return {}
    return {row.id: row.incident_id for row in await tx.execute(_MEMBERS, {"ids": padded(ids)})}


async def _opened_since(tx: Transaction, team: str, reason: str, since: datetime) -> int:
    query = (
        select(func.count())
        .select_from(escalation_stream)
        .where(
            escalation_stream.c.team == team,
            escalation_stream.c.reason == reason,
            escalation_stream.c.kind == "opened",
            escalation_stream.c.at > since,
        )
    )
    return int((await tx.execute(query)).scalar_one())


def announcement(
    event: CloudEvent[EscalationData],
    team: Team,
    targets: Mapping[str, int],
    now: datetime,
    words: Mapping[str, str] | None = None,
) -> list[OutboxMessage]:
    """One message for the exchange, and one for each endpoint to call; only the latter contain `words`."""
    data = event.data
    held: datetime | None = None
    if team.quiet is not None and data.severity != "critical":
        held = quiet_until(team.quiet, now, team.timezone)
    if data.incident and 0 < data.level <= len(team.levels):
        words = {**(words or {}), "to": team.levels[data.level - 1].to}
    call = msgspec.json.encode(structs.replace(event, data=TeamCall(**{**structs.asdict(data), **(words or {})})))
    order = f"{data.workflow}/{data.order_id}"
    headers = {"traceparent": event.traceparent} if event.traceparent else {}
    key = f"escalation.{data.team}.{data.reason}"
    return [
        OutboxMessage("escalations", key, event.id, msgspec.json.encode(event), headers=headers),
        *(
            OutboxMessage(
                TEAMS,
                f"{name}.{endpoint}",
                f"{event.id}.{endpoint}",
                call,
                hold_until=held,
                lane=f"{name}.{endpoint}/{order}",
                about=data.escalation_id,
            )
            for name in called(event.type, data.level, team, targets)
            for endpoint in range(targets[name])
        ),
    ]


def called(kind: str, level: int, team: Team, targets: Mapping[str, int]) -> list[str]:
    """The names in `targets` whose endpoints are notified of this change.

    Reminders go to the present level, or to the team if that level has no endpoint; acknowledgement and resolution go
    to everybody who was called.
    """
    levels = [v.to for v in team.levels[:level]]
    wanted = levels[-1:] if kind.endswith(".reminded") else [team.name, *levels]
    return list(dict.fromkeys(n for n in wanted if targets.get(n))) or [n for n in (team.name,) if targets.get(n)]


def _words_for_people(change: Change) -> dict[str, str]:
    """Texts for people only: the reason in words, the order's status, who acted, or why it ended."""
    e, w, order = change.step.escalation, change.workflow, change.order
    titles = w.reasons[e.reason].titles if e.reason in w.reasons else {}
    words = {"title": titles.get(w.default_locale, ""), "status": order.status, "by": e.by}
    if 0 < e.level <= len(w.teams[e.team].levels):
        words["to"] = w.teams[e.team].levels[e.level - 1].to
    if e.state == "resolved" and not e.by:
        words["why"] = e.detail
    return {k: v for k, v in words.items() if v}


async def publish(tx: Transaction, announced: Sequence[Announced], endpoints: Mapping[str, int], now: datetime) -> None:
    """Publish to the exchange, to the teams' endpoints and to the live stream."""
    await insert_rows(tx, escalation_stream, [_stream_row(t.event, now) for t in announced])
    await outbox.put(tx, [m for t in announced for m in announcement(t.event, t.team, endpoints, now)], now)


def _stream_row(event: CloudEvent[EscalationData], now: datetime) -> NewRow:
    """One line of the live stream."""
    kind = event.type.partition(".")[2]
    body = msgspec.json.encode(event).decode()
    return {"at": now, "team": event.data.team, "reason": event.data.reason, "kind": kind, "body": body}


def _row(keyring: Keyring, change: Change, incident: UUID | None) -> NewRow:
    e, order = change.step.escalation, change.order
    return {
        "id": e.id,
        "order_id": order.id,
        "workflow": order.workflow,
        "order_name": order.reference,
        "team": e.team,
        "reason": e.reason,
        "severity": e.severity,
        "state": e.state,
        "level": e.level,
        "causes": e.causes,
        "opened_at": e.opened,
        "due_at": e.due,
        "changed_at": e.changed or e.opened,
        "snoozed_until": e.snoozed_until,
        "incident_id": incident,
        "owner_digest": owner_digest(keyring, e.owner) if e.owner else None,
        "acknowledged_at": e.acknowledged,
        "sealed_detail": seal_json(keyring, detail_of(e), ESCALATION_DETAIL.of(e.id)),
    }


async def delete_old_stream_lines(tx: Transaction, now: datetime, kept: timedelta = timedelta(days=7)) -> None:
    """Delete lines of the stream that no page can still be waiting for."""
    await tx.execute(escalation_stream.delete().where(escalation_stream.c.at < now - kept))
