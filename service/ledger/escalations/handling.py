"""Owner and comment of an escalation: the sealed part of its row."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import select, update

from service.domain.order import Escalation
from service.keyring import Keyring
from service.ledger.database.sets import NewRow
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.tables import ESCALATION_DETAIL, INCIDENT_OWNER, escalations, incidents
from service.ledger.orders.records import UNREADABLE, seal_json, unseal_json

# For rows of earlier releases, which have no number of changes: more than any of them has.
_MANY_CHANGES: Final = 10_000


class EscalationDetail(Struct, frozen=True, omit_defaults=True):
    """The sealed part of an escalation's row."""

    detail: str = ""
    by: str = ""
    owner: str = ""
    owned_since: datetime | None = None
    comment: str = ""
    commented_by: str = ""
    commented_at: datetime | None = None
    changes: int = _MANY_CHANGES
    opened_with: str = ""


_decoder: Final = msgspec.json.Decoder(EscalationDetail)


def detail_of(e: Escalation) -> EscalationDetail:
    """The sealed part of an escalation."""
    return EscalationDetail(
        e.detail, e.by, e.owner, e.owned_since, e.comment, e.commented_by, e.commented_at, e.changes, e.opened_with
    )


def open_detail(keyring: Keyring, row: Any) -> EscalationDetail:
    """Open the sealed part of an escalation's row."""
    return _decoder.decode(keyring.unseal(row.sealed_detail, ESCALATION_DETAIL.of(row.id)))


def without_personal_data(detail: EscalationDetail) -> EscalationDetail:
    """The part that may stay once the order's person is erased: the company's owner."""
    return EscalationDetail(owner=detail.owner, owned_since=detail.owned_since, changes=detail.changes)


def owner_digest(keyring: Keyring, owner: str) -> bytes:
    """Digest for finding everything that somebody owns."""
    return keyring.digest("escalation-owner", owner.casefold())


def owner_of_incident(keyring: Keyring, row: Any) -> str:
    """An incident's owner; empty if there is none or the value cannot be opened."""
    if row.sealed_owner is None:
        return ""
    try:
        return str(unseal_json(keyring, row.sealed_owner, INCIDENT_OWNER.of(row.id)))
    except UNREADABLE:
        return ""


def _owned(keyring: Keyring, incident_id: UUID, owner: str) -> NewRow:
    """The columns of an incident's owner; empty: nobody."""
    sealed = seal_json(keyring, owner, INCIDENT_OWNER.of(incident_id)) if owner else None
    return {"owner_digest": owner_digest(keyring, owner) if owner else None, "sealed_owner": sealed}


async def own_incident(tx: Transaction, incident_id: UUID, owner: str) -> None:
    """Store an incident's owner; empty: nobody."""
    columns = _owned(tx.keyring, incident_id, owner)
    await tx.execute(update(incidents).where(incidents.c.id == incident_id).values(**columns))


async def state_of_incident(tx: Transaction, incident_id: UUID) -> tuple[str, str] | None:
    """The state and the owner of an incident; None if there is no such incident."""
    row = (await tx.execute(select(incidents).where(incidents.c.id == incident_id))).one_or_none()
    return (row.state, owner_of_incident(tx.keyring, row)) if row else None


async def find_resolved(tx: Transaction, escalation_id: UUID) -> Escalation | None:
    """A resolved escalation, with what it was opened with; without the clocks that raised it, which have ended."""
    query = select(escalations).where(escalations.c.id == escalation_id, escalations.c.state == "resolved")
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    detail = open_detail(tx.keyring, row)
    return Escalation(
        id=row.id,
        team=row.team,
        reason=row.reason,
        severity=row.severity,
        opened=row.opened_at,
        state="resolved",
        level=row.level,
        causes=max(row.causes, 1),
        due=row.due_at,
        acknowledged=row.acknowledged_at,
        detail=detail.opened_with,
        by=detail.by,
        changes=detail.changes,
        comment=detail.comment,
        commented_by=detail.commented_by,
        commented_at=detail.commented_at,
    )
