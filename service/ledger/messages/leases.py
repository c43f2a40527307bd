"""Leases of claimed messages: begun, leased under a fencing token, or left waiting."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select, update

from service.ledger.database.engine import padded
from service.ledger.database.listed import listed
from service.ledger.database.sets import Writes
from service.ledger.database.transaction import Transaction
from service.ledger.messages.caps import Reservation, encode
from service.ledger.messages.claims import ClaimedMessage
from service.ledger.messages.tables import MESSAGE_WORDS, messages
from service.ledger.orders.records import history_line, seal_json
from service.prices import country_of


async def begin(
    tx: Transaction,
    sends: Sequence[tuple[ClaimedMessage, Any]],
    now: datetime,
    until: datetime,
    reserved: Mapping[UUID, Reservation] | None = None,
    parts: Mapping[UUID, int] | None = None,
) -> None:
    """Lease claimed messages until then; keep that their requests go out now, what they say and what they took.

    `parts`: by how many parts each is paid.
    """
    taken = reserved or {}
    paid_by = parts or {}
    line = history_line("sending", now)
    rows = [
        {
            "id": c.message.id,
            "state": "sending",
            "fencing_token": 1,  # nosec B105 - counts sends
            "lease_until": until,
            "lease_owner": tx.owner,
            "send_begun": True,
            "attempts": 1,
            # Whoever finds it so after a crash knows that nobody lived to say which one was tried.
            "provider": "",
            "history": line,
            "sealed_message": seal_json(tx.keyring, words, MESSAGE_WORDS.of(c.message.id)),
            "cap_reservation": encode(taken.get(c.message.id)),
            "parts": paid_by.get(c.message.id, 1),
            "country": country_of(c.message.address),
        }
        for c, words in sends
    ]
    writes = Writes()
    writes.update(messages, rows, added=frozenset({"fencing_token", "attempts", "history"}))
    await writes.run(tx)


_LEASE: Final = (
    update(messages)
    .where(listed(messages.c.id, "ids"))
    .values(
        state="sending",
        fencing_token=messages.c.fencing_token + 1,
        lease_until=bindparam("until"),
        lease_owner=bindparam("owner"),
        send_begun=False,
    )
)


async def lease(tx: Transaction, ids: Sequence[UUID], until: datetime) -> None:
    """Lease claimed messages until then, without beginning to send."""
    if ids:
        await tx.execute(_LEASE, {"ids": padded(ids), "until": until, "owner": tx.owner})


async def rest(tx: Transaction, ids: Sequence[tuple[UUID, datetime]], now: datetime) -> None:
    """Let claimed messages wait for the end of quiet hours, as those that were planned within them do."""
    rows = [{"k": message_id, "until": until} for message_id, until in sorted(ids)]
    if rows:
        line = history_line("pending", now, "waits for the end of quiet hours")
        await tx.execute(_REST.values(history=messages.c.history + line), rows)


# Not `retrying`: that would hold up what may go to the same reader now.
_REST: Final = (
    update(messages).where(messages.c.id == bindparam("k")).values(state="pending", not_before=bindparam("until"))
)


async def still_leased(tx: Transaction, tokens: Mapping[UUID, int]) -> set[UUID]:
    """Those of these messages that are still leased under the given token."""
    query = select(messages.c.id, messages.c.fencing_token).where(
        messages.c.id.in_(padded(sorted(tokens))), messages.c.state == "sending"
    )
    return {row.id for row in await tx.execute(query) if tokens[row.id] == row.fencing_token}
