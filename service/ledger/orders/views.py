"""Read models of orders and messages for the API, the desk and `stagebell explain`; read only."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import structs
from sqlalchemy import Select, select

from service.domain.json_object import JsonObject
from service.domain.order import Order
from service.domain.persons import Assignee, Person
from service.domain.scopes import Scope
from service.domain.workflow import Workflow
from service.keyring import Keyring
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.tables import escalations
from service.ledger.escalations.views import escalation_view
from service.ledger.messages.suppressions import BOUNCED, Suppressed, suppressed
from service.ledger.messages.tables import MESSAGE_WORDS, messages
from service.ledger.orders.read_models import (
    ClockShown,
    EscalationShown,
    MessageOfOrder,
    MessageShown,
    OrderNamed,
    OrderShown,
    PartShown,
    PersonShown,
)
from service.ledger.orders.records import history_of, message_of, unseal_json
from service.ledger.orders.scoping import of_order, of_team
from service.ledger.orders.tables import TIMELINE_DETAIL, clocks, orders, timeline
from service.workflows.values import MASK

Workflows = Mapping[str, Workflow]
_NO_OTHERS: Final[Workflows] = {}


async def order_view(
    tx: Transaction, workflow: Workflow, order: Order, now: datetime, known: Workflows = _NO_OTHERS, *, scope: Scope
) -> OrderShown:
    """The order, in its present state, with its people, timeline, messages, clocks and escalations.

    With a scope of teams, only their escalations; that the order is within the scope was checked when it was loaded.
    `known`: the workflows in use, for the titles of parts of other workflows.
    """
    messages = await _messages(tx, order.id)
    silent = await suppressed(tx, _addresses(order, workflow))
    return OrderShown(
        workflow=order.workflow,
        order_id=order.reference,
        status=order.status,
        stage=order.stage,
        stage_title=workflow.stages[order.stage].titles.get(workflow.default_locale, order.stage),
        final=workflow.is_final(order.status),
        created=order.created,
        updated=order.updated,
        status_since=order.status_since,
        pack=order.version,
        recipients=_recipients(order),
        people=_people(order, workflow, silent),
        assignee=_assignee(order, workflow),
        eta=order.eta,
        appointment=order.appointment,
        price=order.price,
        payment=order.payment,
        brand=order.brand,
        attributes=dict(order.attributes),
        messages=messages,
        timeline=_merged(await _timeline(tx, order.id, scope), messages),
        clocks=await _clocks(tx, order.id, scope),
        escalations=await _escalations(tx, order.id, now, scope),
        suppressions=list(silent),
        parent=OrderNamed(*order.parent) if order.parent and _is_seen(scope, order.parent.workflow) else None,
        parts=_parts(order, {workflow.name: workflow, **known}, scope),
    )


def _recipients(order: Order) -> dict[str, tuple[Person, ...]]:
    """By audience, without former addresses."""
    return {a: tuple(structs.replace(p, former=()) for p in ps) for a, ps in order.recipients.items()}


def _assignee(order: Order, workflow: Workflow) -> Assignee | None:
    """The assignee, in statuses in which it may be shown."""
    if order.assignee is None or order.status not in workflow.contact_from:
        return None
    return structs.replace(order.assignee, former=())


def _parts(order: Order, known: Workflows, scope: Scope) -> list[PartShown]:
    return [p for p in parts_shown(order, known) if _is_seen(scope, p.workflow)]


def _is_seen(scope: Scope, workflow: str) -> bool:
    """Whether a part or the whole may be shown to a viewer of the order."""
    return scope.is_of_workflows and scope.has_workflow(workflow)


def parts_shown(order: Order, known: Workflows, locale: str = "") -> list[PartShown]:
    """The order's parts, in the order in which they became known; titles in `locale`, or each pack's default."""
    return [
        PartShown(
            workflow=p.workflow,
            order_id=p.reference,
            status=p.status,
            stage=p.stage,
            stage_title=_stage_title(known.get(p.workflow), p.stage, locale),
            final=p.final,
            failed=p.failed,
            since=p.since,
            eta=p.eta,
        )
        for p in order.parts
    ]


def _stage_title(workflow: Workflow | None, name: str, locale: str) -> str:
    if workflow is None or (stage := workflow.stages.get(name)) is None:
        return name
    return workflow.title_in(stage.titles, workflow.locale_for(locale or None), name)


def _addresses(order: Order, workflow: Workflow) -> set[str]:
    """The addresses of everybody on the order."""
    everybody = [p for people in order.recipients.values() for p in people]
    return {c.known_as(a) for p in everybody for c in workflow.channels.values() for a in c.addresses(p)}


def _people(order: Order, workflow: Workflow, silent: Sequence[Suppressed]) -> list[PersonShown]:
    """All recipients, with the channels on which they opted out."""
    unwanted = {(s.channel, s.address) for s in silent if not s.why.startswith(BOUNCED)}

    def opted_out(person: Person) -> list[str]:
        found = [
            c for c in workflow.channels.values() for a in c.addresses(person) if (c.name, c.known_as(a)) in unwanted
        ]
        return sorted({c.name for c in found})

    return [
        PersonShown(
            audience=audience,
            opted_out=opted_out(person),
            **structs.asdict(structs.replace(person, former=())),
        )
        for audience, people in order.recipients.items()
        for person in people
    ]


async def changes_since(tx: Transaction, order_id: UUID, version: int, *, scope: Scope) -> list[JsonObject]:
    """The lines of the order's timeline after the first `version` ones."""
    return [line for n, line in await _lines(tx, order_id, scope) if n > version]


async def _timeline(tx: Transaction, order_id: UUID, scope: Scope) -> list[JsonObject]:
    return [line for _, line in await _lines(tx, order_id, scope)]


async def _lines(tx: Transaction, order_id: UUID, scope: Scope) -> list[tuple[int, JsonObject]]:
    """Each line with its number; of lines about a team only those of the scope's teams."""
    query = select(timeline).where(timeline.c.order_id == order_id).order_by(timeline.c.n)
    found = []
    for row in await tx.execute(query):
        detail = unseal_json(tx.keyring, row.sealed_detail, TIMELINE_DETAIL.of(row.order_id, row.n))
        if "team" not in detail or scope.has_team(str(detail["team"])):
            found.append((row.n, {"at": row.at, "kind": row.kind, **detail}))
    return found


async def _messages(tx: Transaction, order_id: UUID) -> list[MessageShown]:
    query = select(messages).where(messages.c.order_id == order_id).order_by(messages.c.id)
    return [message_view(tx.keyring, row) for row in await tx.execute(query)]


def message_view(keyring: Keyring, row: Any) -> MessageShown:
    """One message with its recipient, state and exact text; codes are masked."""
    n = message_of(keyring, row)
    words = unseal_json(keyring, row.sealed_message, MESSAGE_WORDS.of(n.id)) if row.sealed_message else {}
    return MessageShown(
        id=str(n.id),
        notice=n.notice,
        channel=n.channel,
        audience=n.audience,
        name=n.name,
        address=n.address,
        locale=n.locale,
        state=n.state,
        attempts=n.attempts,
        provider=n.provider,
        provider_id=n.provider_id,
        error_code=n.error_code,
        error=n.error,
        created=row.created_at,
        sent=n.sent_at,
        valid_until=n.valid_until,
        title=words.get("title", ""),
        text=words.get("text", MASK if n.secret else ""),
        html=words.get("html", ""),
        history=history_of(row.history),
        rung=n.rung,
    )


def _merged(entries: list[JsonObject], messages: list[MessageShown]) -> list[JsonObject]:
    """The order's own lines and the state changes of its messages, by time."""
    lines = list(entries)
    for m in messages:
        for change in m.history:
            named = {"notice": m.notice, "channel": m.channel, "audience": m.audience, "message": m.id}
            details = {k: v for k in ("why", "provider", "code") if (v := getattr(change, k))}
            lines.append(
                {"at": datetime.fromisoformat(change.at), "kind": f"message_{change.state}", **named, **details}
            )
    return sorted(lines, key=lambda line: line["at"])


async def _clocks(tx: Transaction, order_id: UUID, scope: Scope) -> list[ClockShown]:
    query = select(clocks).where(clocks.c.order_id == order_id).order_by(clocks.c.id)
    if scope.teams:
        query = query.where(clocks.c.team.in_(["", *sorted(scope.teams)]))
    return [
        ClockShown(
            name=row.name,
            kind=row.kind,
            notice=row.notice,
            team=row.team,
            started=row.started_at,
            warns=row.warn_at,
            due=row.due_at,
            state=row.state,
            stopped=row.stopped_at,
            why=row.why,
            noticed_late_s=row.noticed_late_s,
        )
        for row in await tx.execute(query)
    ]


async def _escalations(tx: Transaction, order_id: UUID, now: datetime, scope: Scope) -> list[EscalationShown]:
    query = select(escalations).where(escalations.c.order_id == order_id).order_by(escalations.c.id)
    query = query.where(*of_team(tx, scope, escalations.c))
    return [escalation_view(tx.keyring, row, now, scope) for row in await tx.execute(query)]


async def mail_html(tx: Transaction, message_id: UUID, *, scope: Scope) -> str:
    """One mail as HTML; empty if there is none or it was erased."""
    query = select(messages).join(orders, orders.c.id == messages.c.order_id).where(messages.c.id == message_id)
    query = query.where(*of_order(tx, scope, orders.c.id, orders.c.workflow))
    row = (await tx.execute(query)).one_or_none()
    return message_view(tx.keyring, row).html if row else ""


async def recent_messages(tx: Transaction, limit: int, *, scope: Scope) -> list[MessageOfOrder]:
    """The newest messages with their orders, for the inbox page."""
    query: Select[Any] = (
        select(messages, orders.c.order_id.label("order_name"), orders.c.workflow)
        .join(orders, orders.c.id == messages.c.order_id)
        .where(*of_order(tx, scope, orders.c.id, orders.c.workflow))
        .order_by(messages.c.created_at.desc(), messages.c.id.desc())
        .limit(limit)
    )
    return [
        MessageOfOrder(**structs.asdict(message_view(tx.keyring, row)), order_id=row.order_name, workflow=row.workflow)
        for row in await tx.execute(query)
        # Messages that were not rendered have no text to show.
        if row.sealed_message is not None
    ]
