"""Erasing messages from people: in an order, and those in the tray without an order."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, delete, select, update

from service.domain.erasure import Traces
from service.keyring import Keyring
from service.ledger.conversations.tables import REPLY_WORDS, conversations, replies
from service.ledger.conversations.writing import Words
from service.ledger.database.transaction import Transaction
from service.ledger.orders.person_digests import person_digests
from service.ledger.orders.records import seal_json


async def erase_words(tx: Transaction, order_id: UUID, traces: Traces | None) -> int:
    """Erase this person's (None: everybody's) messages in the order, and those that name them; returns how many."""
    rows = (await tx.execute(select(replies).where(replies.c.order_id == order_id))).all()
    theirs = set(person_digests(tx.keyring, traces.addresses)) if traces else set()
    gone = [r for r in rows if traces is None or r.person in theirs or _names(tx.keyring, r, traces)]
    await _blank(tx, gone)
    if traces is None or len(gone) == len(rows):
        still = update(conversations).where(conversations.c.order_id == order_id)
        await tx.execute(still.values(unanswered_since=None, agent=None, sealed_agent=None, answering_until=None))
    return len(gone)


def _names(keyring: Keyring, row: Any, traces: Traces) -> bool:
    return traces.named_in(msgspec.json.decode(keyring.unseal(row.sealed_words, REPLY_WORDS.of(row.id))))


async def _blank(tx: Transaction, rows: Sequence[Any]) -> None:
    if rows:
        statement = update(replies).where(replies.c.id == bindparam("k"))
        changes = [{"k": r.id, "sealed": seal_json(tx.keyring, Words(), REPLY_WORDS.of(r.id))} for r in rows]
        await tx.execute(statement.values(person=None, sealed_words=bindparam("sealed")), changes)


async def drop_unmatched(tx: Transaction, addresses: Iterable[str]) -> int:
    """Delete a person's messages that belong to no order; returns how many."""
    theirs = replies.c.person.in_(person_digests(tx.keyring, addresses))
    return int((await tx.execute(delete(replies).where(replies.c.order_id.is_(None), theirs))).rowcount)


async def forget_unmatched(tx: Transaction, before: datetime) -> int:
    """Delete messages older than `before` that belong to no order; returns how many."""
    old = delete(replies).where(replies.c.order_id.is_(None), replies.c.at < before)
    return int((await tx.execute(old)).rowcount)
