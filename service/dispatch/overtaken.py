"""Messages of a ladder that waited while another rung told the reader, and need not be sent any more.

Of earlier rungs, by a later one; of later ones, by an earlier one that came as far as its `unless` says.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from service.dispatch.settle import Ended
from service.domain.notices import SENT_STATES, Message
from service.domain.rungs import NOT_NEEDED, RANKS
from service.ledger.database.transaction import Transaction
from service.ledger.messages.claims import ClaimedMessage
from service.ledger.messages.states import of_notices
from service.workflows.packs import Packs

# A first rung that leaves so soon has nothing after it yet.
SOON: Final = timedelta(seconds=1)


async def overtaken(
    tx: Transaction, claimed: Sequence[ClaimedMessage], packs: Packs, now: datetime
) -> dict[UUID, Ended]:
    """The messages that need not be sent any more, with the reasons."""
    late = [c for c in claimed if c.message.rung > 1 or (c.message.rung and now - c.planned > SOON)]
    if not late:
        return {}
    others = [row.message for row in (await of_notices(tx, (c.message.notice_id for c in late))).values()]
    found: dict[UUID, Ended] = {}
    for c in late:
        n = c.message
        beside = [m for m in others if _reader_of(m) == _reader_of(n)]
        if later := next((m for m in beside if m.rung > n.rung and m.state in SENT_STATES), None):
            found[n.id] = Ended("superseded", f"told by {later.channel} meanwhile, by a later rung")
        elif earlier := _that_was_enough(c, beside, packs):
            found[n.id] = Ended("superseded", f"{earlier.channel} was {earlier.state} meanwhile", NOT_NEEDED)
    return found


def _reader_of(n: Message) -> tuple[UUID, str, int]:
    return n.notice_id, n.audience, n.person


def _that_was_enough(c: ClaimedMessage, beside: Sequence[Message], packs: Packs) -> Message | None:
    """The message of an earlier rung that came so far as this one goes only unless it did."""
    n, pack = c.message, packs.find(c.workflow, c.version)
    notice = pack.workflow.for_brand(c.snapshot.brand).notices.get(n.notice) if pack else None
    rung = notice.rungs[n.rung - 1] if notice and n.rung <= len(notice.rungs) else None
    if rung is None or rung.unless is None:
        return None
    enough = RANKS[rung.unless]
    return next((m for m in beside if m.rung < n.rung and RANKS.get(m.state, 0) >= enough), None)
