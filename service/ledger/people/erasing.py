"""Erases personal data from sealed columns, in the transaction that erases it from the order."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import structs
from sqlalchemy import Select, and_, bindparam, delete, exists, literal_column, select, update

from service.canonical import spellings
from service.channels.registry import spec_of
from service.domain.channels import SPELLED
from service.domain.erasure import SentTo, Traces, slots_of
from service.domain.notices import ACTIVE_STATES, Message, Snapshot
from service.domain.order import OrderRef
from service.domain.settling import ended_unsent
from service.keyring import Keyring
from service.ledger.attachments.storing import erase_files
from service.ledger.database.engine import padded
from service.ledger.database.sets import NewRow
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.handling import open_detail, without_personal_data
from service.ledger.escalations.tables import ESCALATION_DETAIL, escalations
from service.ledger.lists.erasing import erase_rows_of_order
from service.ledger.messages.tables import MESSAGE_RECIPIENT, MESSAGE_WORDS, NOTICE_SNAPSHOT, messages, notices
from service.ledger.orders import recording
from service.ledger.orders.person_digests import assignee_digest, person_digests
from service.ledger.orders.records import (
    Recipient,
    history_line,
    history_of,
    message_of,
    seal_json,
    snapshot_of,
    unseal_json,
)
from service.ledger.orders.tables import TIMELINE_DETAIL, order_people, orders, timeline
from service.ledger.orders.words import name_digests
from service.ledger.people.erasing_words import erase_words

# Fields of a timeline line that stay: names from the pack, numbers and times. All others are removed.
_KEPT: Final = frozenset({
    "notice", "channel", "audience", "messages", "status", "stage", "pack", "event", "reason", "team", "severity",
    "level", "clock", "due", "until", "causes", "public", "published_time", "left_s", "failed", "role", "basis", "warn",
    "started", "stopped", "seconds", "noticed_late_s", "told", "warned", "state", "field",
    "reply", "rung", "side", "list", "count", "batch", "part", "part_of", "rule", "workflow",
})  # fmt: skip
_KEEPS_NAMES: Final = ("status_changed", "adopted", "pack_changed", "clock_moved", "part_changed")


def _digests(keyring: Keyring, addresses: Iterable[str]) -> list[bytes]:
    """The digests by which these people are found as recipients and as assignees."""
    addresses = list(addresses)
    return [*person_digests(keyring, addresses), *(assignee_digest(keyring, a) for a in addresses)]


async def orders_of_people(tx: Transaction, addresses: Iterable[str]) -> list[OrderRef]:
    """The orders in which a person with one of these addresses takes or took part."""
    theirs = select(order_people.c.order_id).where(order_people.c.digest.in_(_digests(tx.keyring, addresses)))
    query = select(orders.c.workflow, orders.c.order_id).where(orders.c.id.in_(theirs)).order_by(orders.c.id)
    return [OrderRef(row.workflow, row.order_id) for row in await tx.execute(query)]


async def open_orders_of_person(tx: Transaction, address: str) -> list[UUID]:
    """The ids of a person's orders that have not ended."""
    query = select(orders.c.id).where(orders.c.id.in_(_ids_of_person(tx.keyring, [address])), ~orders.c.final)
    return list((await tx.execute(query.order_by(orders.c.id))).scalars())


def orders_of_person(keyring: Keyring, address: str) -> Select[tuple[UUID]]:
    """A query for the ids of a person's orders, ended ones included, to be used within another query."""
    return _ids_of_person(keyring, [address])


def _ids_of_person(keyring: Keyring, addresses: Iterable[str]) -> Select[tuple[UUID]]:
    """A query for the ids of orders of which they are a recipient or the assignee."""
    return select(order_people.c.order_id).where(order_people.c.digest.in_(_digests(keyring, addresses)))


async def old_orders(tx: Transaction, before: datetime, limit: int) -> list[OrderRef]:
    """Ended orders, unchanged since `before`, that still hold personal data; parts and wholes once both have ended."""
    other = orders.alias("other")
    whole = and_(other.c.workflow == orders.c.parent_workflow, other.c.order_id == orders.c.parent_order_id)
    parts = and_(other.c.parent_workflow == orders.c.workflow, other.c.parent_order_id == orders.c.order_id)
    is_part = orders.c.parent_order_id != literal_column("''")
    has_parts = other.c.parent_order_id != literal_column("''")
    query = (
        select(orders.c.workflow, orders.c.order_id)
        .where(orders.c.final, orders.c.updated_at < before, orders.c.id.in_(select(order_people.c.order_id)))
        .where(~and_(is_part, exists().where(whole, ~other.c.final)))
        .where(~exists().where(has_parts, parts, ~other.c.final))
        .limit(limit)
    )
    return [OrderRef(row.workflow, row.order_id) for row in await tx.execute(query)]


async def escalations_of(tx: Transaction, order_ids: Sequence[UUID]) -> frozenset[str]:
    """The ids of these orders' escalations."""
    query = select(escalations.c.id).where(escalations.c.order_id.in_(padded(order_ids)))
    return frozenset(str(k) for k in (await tx.execute(query)).scalars()) if order_ids else frozenset()


async def sent_in(tx: Transaction, order_id: UUID, region: str) -> list[SentTo]:
    """The recipient of each message of the order."""
    query = select(messages).where(messages.c.order_id == order_id)
    return [sent_to_of(message_of(tx.keyring, row), region) for row in (await tx.execute(query)).all()]


async def _locked_messages(tx: Transaction, order_id: UUID) -> Sequence[Any]:
    """The order's messages, locked, as the outcome of a send is written without the order's lock."""
    query = select(messages).where(messages.c.order_id == order_id).order_by(messages.c.id)
    return (await tx.execute(query.with_for_update())).all()


def sent_to_of(n: Message, region: str) -> SentTo:
    """The recipient of a message; earlier releases stored addresses as written, to be read in the pack's `region`."""
    channel = spec_of(n.channel)
    address = spellings(n.address, [region])[-1] if n.address and channel.field in SPELLED else n.address
    if address and channel.has_own_addresses:
        address = channel.known_as(address)
    return SentTo(n.notice_id.hex, n.audience, n.person, address, n.name)


async def scrub(tx: Transaction, order_id: UUID, traces: Traces | None, region: str, now: datetime) -> Counter[str]:
    """Erase this person (None: everybody) from messages and other rows of the order; returns counts by kind."""
    rows = await _locked_messages(tx, order_id)
    sent_to = {row.id: sent_to_of(message_of(tx.keyring, row), region) for row in rows}
    slots = slots_of(list(sent_to.values()), traces) if traces else frozenset()
    theirs = [
        r
        for r in rows
        if traces is None or (sent_to[r.id].notice, sent_to[r.id].audience, sent_to[r.id].person) in slots
    ]
    others = {row.id: row for row in rows} if traces is not None else {}
    for row in theirs:
        others.pop(row.id, None)
    done = Counter({"messages": len(theirs)})
    await _blank_messages(tx, theirs, now)
    if traces is not None:
        done["texts to others"] = await _blank_texts(tx, list(others.values()), traces)
    done["snapshots"] = await _blank_snapshots(tx, order_id)
    done["recorded causes"] = await recording.erase(tx, order_id)
    done["timeline lines"] = await _blank_timeline(tx, order_id, traces or Traces())
    done["words of theirs"] = await erase_words(tx, order_id, traces)
    done["attachments"] = await erase_files(tx, order_id, now)
    done["rows of lists"] = await erase_rows_of_order(tx, order_id, traces)
    done["escalation details"] = await _blank_escalations(tx, order_id)
    gone = delete(order_people).where(order_people.c.order_id == order_id)
    if traces is not None:
        theirs_alone = [*_digests(tx.keyring, traces.addresses), *name_digests(tx.keyring, traces.names)]
        gone = gone.where(order_people.c.digest.in_(theirs_alone))
    await tx.execute(gone)
    return done


async def _blank_messages(tx: Transaction, rows: Sequence[Any], now: datetime) -> None:
    changes = []
    for row in rows:
        n = message_of(tx.keyring, row)
        blank = Recipient("", n.person, "", n.locale, n.timezone)
        waits = row.state in ACTIVE_STATES and row.state != "sending"
        # A message that may have been sent stays unknown, and is not looked up with an erased address.
        state = ended_unsent(n, "suppressed", "erased").state if waits else row.state
        line = history_line(state, now, "erased") if waits else ""
        changes.append(
            {
                "k": row.id,
                "recipient": seal_json(tx.keyring, blank, MESSAGE_RECIPIENT.of(row.id)),
                "to_state": state,
                "again_at": None if state == "unknown" else row.not_before,
                "new_history": _without_words(row.history) + line,
            }
        )
    if changes:
        statement = update(messages).where(messages.c.id == bindparam("k"))
        await tx.execute(
            statement.values(
                sealed_recipient=bindparam("recipient"),
                sealed_message=None,
                error="",
                state=bindparam("to_state"),
                not_before=bindparam("again_at"),
                history=bindparam("new_history"),
            ),
            changes,
        )


def _without_words(history: str) -> str:
    """A history with states and times only; a provider's texts may contain an address."""
    lines = [structs.replace(line, why="") for line in history_of(history)]
    return "".join(msgspec.json.encode(line).decode() + "\n" for line in lines)


async def _blank_texts(tx: Transaction, rows: Sequence[Any], traces: Traces) -> int:
    """Erase texts to others that name the person; returns how many."""
    named = [
        {"k": row.id}
        for row in rows
        if row.sealed_message and traces.named_in(unseal_json(tx.keyring, row.sealed_message, MESSAGE_WORDS.of(row.id)))
    ]
    if named:
        statement = update(messages).where(messages.c.id == bindparam("k")).values(sealed_message=None)
        await tx.execute(statement, named)
    return len(named)


async def _blank_snapshots(tx: Transaction, order_id: UUID) -> int:
    query = select(notices.c.id, notices.c.sealed_snapshot).where(notices.c.order_id == order_id)
    changes = []
    for row in (await tx.execute(query)).all():
        s = snapshot_of(tx.keyring, row.sealed_snapshot, row.id)
        kept = Snapshot(order_id=s.order_id, status=s.status, stage=s.stage, eta=s.eta, price=s.price)
        changes.append({"k": row.id, "sealed": seal_json(tx.keyring, kept, NOTICE_SNAPSHOT.of(row.id))})
    await _set_sealed(tx, notices, notices.c.sealed_snapshot.key, changes)
    return len(changes)


async def _blank_escalations(tx: Transaction, order_id: UUID) -> int:
    query = select(escalations.c.id, escalations.c.sealed_detail).where(escalations.c.order_id == order_id)
    changes = []
    for row in (await tx.execute(query)).all():
        kept = without_personal_data(open_detail(tx.keyring, row))
        changes.append({"k": row.id, "sealed": seal_json(tx.keyring, kept, ESCALATION_DETAIL.of(row.id))})
    await _set_sealed(tx, escalations, escalations.c.sealed_detail.key, changes)
    return len(changes)


async def _blank_timeline(tx: Transaction, order_id: UUID, traces: Traces) -> int:
    query = select(timeline).where(timeline.c.order_id == order_id)
    changed = 0
    for row in (await tx.execute(query)).all():
        place = TIMELINE_DETAIL.of(order_id, row.n)
        detail = unseal_json(tx.keyring, row.sealed_detail, place)
        keeps = {*_KEPT, *(("was", "to") if row.kind in _KEEPS_NAMES else ())}
        kept = {k: v for k, v in detail.items() if k in keeps and not traces.named_in(v, exactly=True)}
        if kept != detail:
            changed += 1
            await tx.execute(
                update(timeline)
                .where(timeline.c.order_id == order_id, timeline.c.n == row.n)
                .values(sealed_detail=seal_json(tx.keyring, kept, place))
            )
    return changed


async def _set_sealed(tx: Transaction, table: Any, column: str, changes: Iterable[NewRow]) -> None:
    rows = list(changes)
    if rows:
        await tx.execute(update(table).where(table.c.id == bindparam("k")).values({column: bindparam("sealed")}), rows)
