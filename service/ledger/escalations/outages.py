"""Breaches of notify clocks caused only by a provider's refusal: they belong to the provider's incident."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from service.domain.notices import ACTIVE_STATES
from service.ledger.database.engine import padded
from service.ledger.database.listed import listed
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.incidents import PROVIDER_REFUSED, Change
from service.ledger.escalations.tables import incidents, provider_health
from service.ledger.messages.tables import messages

_m = messages.c
_UNFINISHED: Final = select(_m.notice_id, _m.state, _m.channel, _m.provider, _m.not_before).where(
    listed(_m.notice_id, "notices"), _m.state.in_((*ACTIVE_STATES, "unknown"))
)


async def of_promises(tx: Transaction, changes: Sequence[Change], now: datetime) -> dict[UUID, UUID]:
    """By escalation, the incident of the provider that all messages of its notice wait for.

    Only if that incident calls the same team; otherwise the team would not learn of the breach.
    """
    promised = {c.step.escalation.id: notice for c in changes if (notice := _notice_of(c)) is not None}
    if not promised or not (opened := await _open(tx)):
        return {}
    refused = await _refused(tx, {provider for provider, _ in opened})
    waiting: dict[UUID, list[str]] = defaultdict(list)
    for row in await tx.execute(_UNFINISHED, {"notices": padded(set(promised.values()))}):
        waiting[row.notice_id].append(_waits_for(row, refused, now))
    found = {}
    for c in changes:
        e = c.step.escalation
        providers = waiting.get(promised[e.id], []) if e.id in promised else []
        if providers and all((p, e.team) in opened for p in providers):
            found[e.id] = opened[providers[0], e.team]
    return found


def _notice_of(change: Change) -> UUID | None:
    """The notice of the breached clock that raised this escalation."""
    raised = change.step.escalation.clocks
    return next((k.notice_id for k in change.order.clocks.values() if k.id in raised and k.notice_id), None)


async def _open(tx: Transaction) -> dict[tuple[str, str], UUID]:
    """Unresolved incidents by provider and team."""
    query = select(incidents.c.id, incidents.c.provider, incidents.c.team).where(
        incidents.c.reason == PROVIDER_REFUSED, incidents.c.provider != "", incidents.c.state != "resolved"
    )
    return {(row.provider, row.team): row.id for row in await tx.execute(query)}


async def _refused(tx: Transaction, providers: set[str]) -> dict[str, str]:
    """By channel, the provider that refuses all its messages."""
    h = provider_health.c
    query = select(h.channel, h.provider).where(h.state == "refuses", h.scope == "", h.provider.in_(sorted(providers)))
    return {row.channel: row.provider for row in await tx.execute(query)}


def _waits_for(row: Any, refused: dict[str, str], now: datetime) -> str:
    """The provider that delays this message; empty if something else does.

    While a channel's breaker is open, messages are not claimed and so name no provider; only probes do.
    """
    if row.state == "retrying":
        return str(row.provider)
    is_due = row.state == "sending" or (row.state == "pending" and row.not_before <= now)
    return refused.get(row.channel, "") if is_due else ""
