"""Erases a person outside of orders: waiting mails and calls, subscriptions, names of callers."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec
from sqlalchemy import delete, select, update

from service.broker.port import DEAD
from service.domain.address_keys import address_key
from service.domain.erasure import Traces
from service.keyring import SealBroken
from service.ledger.access.idempotency import erase_responses
from service.ledger.auditing.lines import KINDS, erase_names
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.schedules import listed
from service.ledger.escalations.tables import schedules
from service.ledger.lists.erasing import erase_rows_of_person
from service.ledger.messages.outbox import OutboxMessage, outbox_message_of
from service.ledger.messages.tables import REPORT_MAIL, outbox
from service.ledger.orders.records import unseal_json
from service.ledger.people import preferences
from service.ledger.people.erasing_words import drop_unmatched
from service.ledger.words import drafts
from service.report_mail import MAIL

PAGE: Final = 500
# Fields of a call to a team that contain text for people.
_WORDS: Final = ("by", "why", "detail")


async def scrub_elsewhere(
    tx: Transaction,
    traces: Traces,
    escalations: frozenset[str],
    is_letter_of: Callable[[OutboxMessage], bool],
) -> Counter[str]:
    """Erase; returns counts by kind. `escalations`: of the person's orders, whose waiting calls lose their text.

    `is_letter_of`: whether a waiting dead letter names the person.
    """
    done: Counter[str] = Counter()
    done["subscriptions"] = await _drop_subscriptions(tx, traces)
    done["mails and calls that waited"] = await _scrub_outbox(tx, traces, escalations, is_letter_of)
    done["rows of lists"] = await erase_rows_of_person(tx, traces.addresses)
    done["words without an order"] = await drop_unmatched(tx, traces.addresses)
    done["preferences"] = await preferences.forget(tx, traces.addresses)
    done["names in drafts of words"] = await drafts.erase_names_in_drafts(tx, lambda name: _is_called(name, traces))
    await erase_responses(tx)
    done["names in the audit log"] = await erase_names(tx, sorted(traces.addresses))
    return done


async def _drop_subscriptions(tx: Transaction, traces: Traces) -> int:
    theirs, made = [], []
    for s in await listed(tx):
        if address_key(s.target.get("email", "")) in traces.addresses:
            theirs.append(s.id)
        elif _is_called(s.created_by, traces):
            made.append(s.id)
    if theirs:
        await tx.execute(delete(schedules).where(schedules.c.id.in_(theirs)))
    if made:
        await tx.execute(update(schedules).where(schedules.c.id.in_(made)).values(created_by=""))
    return len(theirs)


def _is_called(caller: str, traces: Traces) -> bool:
    return any(address_key(caller.removeprefix(kind)) in traces.addresses for kind in ("", *KINDS))


async def _scrub_outbox(
    tx: Transaction,
    traces: Traces,
    escalations: frozenset[str],
    is_letter_of: Callable[[OutboxMessage], bool],
) -> int:
    last, gone = None, 0
    while True:
        query = select(outbox).order_by(outbox.c.id).limit(PAGE)
        rows = (await tx.execute(query.where(outbox.c.id > last) if last else query)).all()
        for row in rows:
            if row.exchange == DEAD:
                gone += await _drop(tx, row) if is_letter_of(outbox_message_of(row)) else 0
            else:
                gone += await _scrub_waiting(tx, row, traces, escalations)
        if len(rows) < PAGE:
            return gone
        last = rows[-1].id


async def _drop(tx: Transaction, row: Any) -> int:
    await tx.execute(delete(outbox).where(outbox.c.id == row.id))
    return 1


async def _scrub_waiting(tx: Transaction, row: Any, traces: Traces, escalations: frozenset[str]) -> int:
    """One waiting message: a mail to the person is deleted, a call about their order loses its text."""
    if row.exchange == MAIL:
        try:
            mail = unseal_json(tx.keyring, row.body, REPORT_MAIL.of(row.message_id))
        except (SealBroken, msgspec.DecodeError):
            return 0
        is_theirs = address_key(mail.get("address", "")) in traces.addresses
        if not is_theirs and not traces.named_in(mail.get("file", ""), exactly=True):
            return 0
        return await _drop(tx, row)
    try:
        body = msgspec.json.decode(row.body)
        data = body["data"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return 0
    if str(data.get("escalation_id", "")) not in escalations or not any(word in data for word in _WORDS):
        return 0
    body["data"] = {k: v for k, v in data.items() if k not in _WORDS}
    await tx.execute(update(outbox).where(outbox.c.id == row.id).values(body=msgspec.json.encode(body)))
    return 1
