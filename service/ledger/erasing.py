"""Forgetting what sealed columns say of people, in the transaction that forgets them in the order."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.address_keys import address_key
from service.domain.notices import AHEAD, Snapshot
from service.keyring import Keyring
from service.ledger.commit import person_digests
from service.ledger.idempotency import erase_answers
from service.ledger.records import Recipient, history_line, notification_of, seal_json, snapshot_of, unseal_json
from service.ledger.tables import (
    ESCALATION_DETAIL,
    MESSAGE_RECIPIENT,
    NOTICE_SNAPSHOT,
    TIMELINE_DETAIL,
    escalations,
    notices,
    notifications,
    order_people,
    orders,
    timeline,
)

_PERSONAL = ("note", "by", "detail", "comment", "was", "to", "why", "asked")
_KEEPS_NAMES = ("status_changed", "adopted", "pack_changed", "clock_moved")


async def orders_of_person(
    connection: AsyncConnection, keyring: Keyring, spellings: Iterable[str]
) -> list[tuple[str, str]]:
    """(workflow, order id) of every order in which the person with one of these addresses takes part."""
    query = (
        select(orders.c.workflow, orders.c.order_id)
        .where(orders.c.id.in_(_ids_of_person(keyring, spellings)))
        .order_by(orders.c.id)
    )
    return [(row.workflow, row.order_id) for row in await connection.execute(query)]


async def open_orders_of_person(connection: AsyncConnection, keyring: Keyring, address: str) -> list[UUID]:
    """Every order of theirs that has not ended."""
    query = select(orders.c.id).where(orders.c.id.in_(_ids_of_person(keyring, [address])), ~orders.c.final)
    return list((await connection.execute(query.order_by(orders.c.id))).scalars())


def _ids_of_person(keyring: Keyring, spellings: Iterable[str]) -> Select[tuple[UUID]]:
    return select(order_people.c.order_id).where(order_people.c.digest.in_(person_digests(keyring, spellings)))


async def old_orders(connection: AsyncConnection, before: datetime, limit: int) -> list[tuple[str, str]]:
    """Ended orders that nobody touched since, and that still know somebody."""
    query = (
        select(orders.c.workflow, orders.c.order_id)
        .where(orders.c.final, orders.c.updated_at < before, orders.c.id.in_(select(order_people.c.order_id)))
        .limit(limit)
    )
    return [(row.workflow, row.order_id) for row in await connection.execute(query)]


async def scrub(
    connection: AsyncConnection, keyring: Keyring, order_id: UUID, addresses: frozenset[str] | None, now: datetime
) -> int:
    """Blank messages to these addresses (None: to all), and free text of the order; how many messages."""
    rows = (await connection.execute(select(notifications).where(notifications.c.order_id == order_id))).all()
    theirs = [
        row for row in rows if addresses is None or address_key(notification_of(keyring, row).address) in addresses
    ]
    await _blank_messages(connection, keyring, theirs, now)
    await _blank_snapshots(connection, keyring, order_id)
    await _blank_timeline(connection, keyring, order_id)
    await _blank_escalations(connection, keyring, order_id)
    gone = delete(order_people).where(order_people.c.order_id == order_id)
    if addresses is not None:
        await erase_answers(connection)
        gone = gone.where(order_people.c.digest.in_(person_digests(keyring, addresses)))
    await connection.execute(gone)
    return len(theirs)


async def _blank_messages(connection: AsyncConnection, keyring: Keyring, rows: Sequence[Any], now: datetime) -> None:
    changes = []
    for row in rows:
        n = notification_of(keyring, row)
        blank = Recipient("", n.person, "", n.locale, n.timezone)
        waits = row.state in AHEAD and row.state != "sending"
        line = history_line("suppressed", now, "erased") if waits else ""
        changes.append(
            {
                "k": row.id,
                "recipient": seal_json(keyring, blank, MESSAGE_RECIPIENT.of(row.id)),
                "to_state": "suppressed" if waits else row.state,
                "said": row.history + line,
            }
        )
    if changes:
        statement = update(notifications).where(notifications.c.id == bindparam("k"))
        await connection.execute(
            statement.values(
                sealed_recipient=bindparam("recipient"),
                sealed_message=None,
                state=bindparam("to_state"),
                history=bindparam("said"),
            ),
            changes,
        )


async def _blank_snapshots(connection: AsyncConnection, keyring: Keyring, order_id: UUID) -> None:
    query = select(notices.c.id, notices.c.sealed_snapshot).where(notices.c.order_id == order_id)
    changes = []
    for row in (await connection.execute(query)).all():
        s = snapshot_of(keyring, row.sealed_snapshot, row.id)
        kept = Snapshot(order_id=s.order_id, status=s.status, stage=s.stage, eta=s.eta, price=s.price)
        changes.append({"k": row.id, "sealed": seal_json(keyring, kept, NOTICE_SNAPSHOT.of(row.id))})
    await _set_sealed(connection, notices, notices.c.sealed_snapshot.key, changes)


async def _blank_escalations(connection: AsyncConnection, keyring: Keyring, order_id: UUID) -> None:
    known = (await connection.execute(select(escalations.c.id).where(escalations.c.order_id == order_id))).scalars()
    blank = {"detail": "", "by": ""}
    changes = [{"k": k, "sealed": seal_json(keyring, blank, ESCALATION_DETAIL.of(k))} for k in known]
    await _set_sealed(connection, escalations, escalations.c.sealed_detail.key, changes)


async def _blank_timeline(connection: AsyncConnection, keyring: Keyring, order_id: UUID) -> None:
    query = select(timeline).where(timeline.c.order_id == order_id)
    for row in (await connection.execute(query)).all():
        place = TIMELINE_DETAIL.of(order_id, row.n)
        detail = unseal_json(keyring, row.sealed_detail, place)
        keeps = ("was", "to") if row.kind in _KEEPS_NAMES else ()
        kept = {k: v for k, v in detail.items() if k not in _PERSONAL or k in keeps}
        if kept != detail:
            await connection.execute(
                update(timeline)
                .where(timeline.c.order_id == order_id, timeline.c.n == row.n)
                .values(sealed_detail=seal_json(keyring, kept, place))
            )


async def _set_sealed(connection: AsyncConnection, table: Any, column: str, changes: Iterable[dict[str, Any]]) -> None:
    rows = list(changes)
    if rows:
        await connection.execute(
            update(table).where(table.c.id == bindparam("k")).values({column: bindparam("sealed")}), rows
        )
