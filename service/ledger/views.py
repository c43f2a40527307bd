"""What pages, the API and `stagebell explain` show: read only, opened for those who may see it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import structs, to_builtins
from sqlalchemy import Select, select

from service.domain.order import Order
from service.domain.persons import Person
from service.domain.workflow import Workflow
from service.keyring import Keyring
from service.ledger.escalation_views import escalation_view
from service.ledger.orders import find
from service.ledger.records import history_of, notification_of, unseal_json
from service.ledger.suppressed import BOUNCED, Suppressed, suppressed
from service.ledger.tables import (
    MESSAGE_WORDS,
    TIMELINE_DETAIL,
    clocks,
    escalations,
    notifications,
    orders,
    timeline,
)
from service.ledger.transaction import Transaction
from service.workflows.values import MASK


async def order_view(tx: Transaction, workflow: Workflow, order_id: str) -> dict[str, Any] | None:
    """One order with its people, timeline, messages, clocks and escalations."""
    order = await find(tx, workflow.name, order_id)
    if order is None:
        return None
    messages = await _messages(tx, order.id)
    silent = await suppressed(tx, _addresses(order, workflow))
    return {
        **_facts(order, workflow),
        "people": _people(order, workflow, silent),
        "messages": messages,
        "timeline": _merged(await _timeline(tx, order.id), messages),
        "clocks": await _clocks(tx, order.id),
        "escalations": await _escalations(tx, order.id),
        "suppressions": to_builtins(silent, builtin_types=(datetime,)),
    }


def _addresses(order: Order, workflow: Workflow) -> set[str]:
    """Every address of everybody on the order."""
    everybody = [p for people in order.recipients.values() for p in people]
    return {c.known_as(a) for p in everybody for c in workflow.channels.values() for a in c.addresses(p)}


def _facts(order: Order, workflow: Workflow) -> dict[str, Any]:
    stage = workflow.stages[order.stage]
    shown = order.status in workflow.contact_from
    assignee = to_builtins(structs.replace(order.assignee, former=())) if order.assignee and shown else None
    return {
        "workflow": order.workflow,
        "order_id": order.order_id,
        "status": order.status,
        "stage": order.stage,
        "stage_title": stage.titles.get(workflow.default_locale, order.stage),
        "final": workflow.is_final(order.status),
        "created": order.created,
        "updated": order.updated,
        "status_since": order.status_since,
        "pack": order.version,
        "recipients": to_builtins(
            {a: tuple(structs.replace(p, former=()) for p in people) for a, people in order.recipients.items()}
        ),
        "assignee": assignee,
        "eta": order.eta,
        "appointment": to_builtins(order.appointment, builtin_types=(datetime,)),
        "price": to_builtins(order.price),
        "payment": to_builtins(order.payment),
        "attributes": order.attributes,
    }


def _people(order: Order, workflow: Workflow, silent: Sequence[Suppressed]) -> list[dict[str, Any]]:
    """Everybody who is told, with the channels on which they said that they want no messages."""
    unwanted = {(s.channel, s.address) for s in silent if not s.why.startswith(BOUNCED)}

    def opted_out(person: Person) -> list[str]:
        found = [
            c for c in workflow.channels.values() for a in c.addresses(person) if (c.name, c.known_as(a)) in unwanted
        ]
        return sorted({c.name for c in found})

    return [
        {
            "audience": audience,
            **to_builtins(person),
            "opted_out": opted_out(person),
        }
        for audience, people in order.recipients.items()
        for person in people
    ]


async def _timeline(tx: Transaction, order_id: UUID) -> list[dict[str, Any]]:
    query = select(timeline).where(timeline.c.order_id == order_id).order_by(timeline.c.n)
    return [
        {
            "at": row.at,
            "kind": row.kind,
            **unseal_json(tx.keyring, row.sealed_detail, TIMELINE_DETAIL.of(row.order_id, row.n)),
        }
        for row in await tx.execute(query)
    ]


async def _messages(tx: Transaction, order_id: UUID) -> list[dict[str, Any]]:
    query = select(notifications).where(notifications.c.order_id == order_id).order_by(notifications.c.id)
    return [message_view(tx.keyring, row) for row in await tx.execute(query)]


def message_view(keyring: Keyring, row: Any) -> dict[str, Any]:
    """One message: to whom, in which state, and its exact words with codes masked."""
    n = notification_of(keyring, row)
    words = unseal_json(keyring, row.sealed_message, MESSAGE_WORDS.of(n.id)) if row.sealed_message else {}
    return {
        "id": str(n.id),
        "notice": n.notice,
        "channel": n.channel,
        "audience": n.audience,
        "name": n.name,
        "address": n.address,
        "locale": n.locale,
        "state": n.state,
        "attempts": n.attempts,
        "provider": n.provider,
        "provider_id": n.provider_id,
        "error_code": n.error_code,
        "error": n.error,
        "created": row.created_at,
        "sent": n.sent_at,
        "valid_until": n.valid_until,
        "title": words.get("title", ""),
        "text": words.get("text", MASK if n.secret else ""),
        "html": words.get("html", ""),
        "history": history_of(row.history),
    }


def _merged(entries: list[dict[str, Any]], messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The order's own lines and each state change of its messages, by time."""
    lines = list(entries)
    for m in messages:
        for change in m["history"]:
            at = datetime.fromisoformat(change["at"])
            said = {k: v for k, v in change.items() if k not in ("state", "at")}
            named = {"notice": m["notice"], "channel": m["channel"], "audience": m["audience"], "message": m["id"]}
            lines.append({"at": at, "kind": f"message_{change['state']}", **named, **said})
    return sorted(lines, key=lambda line: line["at"])


async def _clocks(tx: Transaction, order_id: UUID) -> list[dict[str, Any]]:
    query = select(clocks).where(clocks.c.order_id == order_id).order_by(clocks.c.id)
    return [
        {
            "name": row.name,
            "kind": row.kind,
            "notice": row.notice,
            "team": row.team,
            "started": row.started_at,
            "warns": row.warn_at,
            "due": row.due_at,
            "state": row.state,
            "stopped": row.stopped_at,
            "why": row.why,
            "noticed_late_s": row.noticed_late_s,
        }
        for row in await tx.execute(query)
    ]


async def _escalations(tx: Transaction, order_id: UUID) -> list[dict[str, Any]]:
    query = select(escalations).where(escalations.c.order_id == order_id).order_by(escalations.c.id)
    return [escalation_view(tx.keyring, row) for row in await tx.execute(query)]


async def mail_html(tx: Transaction, message_id: UUID) -> str:
    """One mail as its reader sees it; empty when there is none, or it was forgotten."""
    row = (await tx.execute(select(notifications).where(notifications.c.id == message_id))).one_or_none()
    return str(message_view(tx.keyring, row)["html"] or "") if row else ""


async def recent_messages(tx: Transaction, limit: int) -> list[dict[str, Any]]:
    """The newest messages with the order they belong to: for the inbox page."""
    query: Select[Any] = (
        select(notifications, orders.c.order_id.label("order_name"), orders.c.workflow)
        .join(orders, orders.c.id == notifications.c.order_id)
        .where(notifications.c.sealed_message.is_not(None))
        .order_by(notifications.c.created_at.desc(), notifications.c.id.desc())
        .limit(limit)
    )
    return [
        {**message_view(tx.keyring, row), "order_id": row.order_name, "workflow": row.workflow}
        for row in await tx.execute(query)
    ]
