"""Messages of a ladder that waited while its later rungs went on: whose reader was told meanwhile is told once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from service.dispatch.settle import Ended
from service.domain.notices import SENT_STATES, Message
from service.ledger.database.transaction import Transaction
from service.ledger.messages.claims import ClaimedMessage
from service.ledger.messages.states import of_notices

# A first rung that leaves so soon has nothing after it yet.
SOON: Final = timedelta(seconds=1)


async def overtaken(tx: Transaction, claimed: Sequence[ClaimedMessage], now: datetime) -> dict[UUID, Ended]:
    """Those of these messages that need not be sent any more, and why."""
    late = [c.message for c in claimed if c.message.rung > 1 or (c.message.rung and now - c.planned > SOON)]
    if not late:
        return {}
    others = [row.message for row in (await of_notices(tx, (n.notice_id for n in late))).values()]
    told = {n.id: next((m for m in others if _is_later(m, n)), None) for n in late}
    return {
        message_id: Ended("superseded", f"told by {m.channel} meanwhile, by a later rung")
        for message_id, m in told.items()
        if m
    }


def _is_later(m: Message, n: Message) -> bool:
    same_reader = (m.notice_id, m.audience, m.person) == (n.notice_id, n.audience, n.person)
    return same_reader and m.rung > n.rung and m.state in SENT_STATES
