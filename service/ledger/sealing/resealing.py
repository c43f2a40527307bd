"""Reseals rows sealed with an earlier key or in the unbound form, in small batches beside normal operation.

A seal's first bytes show whether a row is left, so any process can continue. Locked rows are left for the next pass;
rows that changed meanwhile were sealed by whoever changed them.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog
from msgspec import Struct
from sqlalchemy import Table, and_, literal, select, tuple_, update

from service.keyring import Keyring, SealBroken
from service.ledger.columns import LABEL, metadata
from service.ledger.database.engine import Ledger
from service.ledger.messages.tables import REPORT_MAIL, outbox
from service.report_mail import MAIL

log = structlog.get_logger(__name__)
LOOKED_AT: Final = 500
AT_ONCE: Final = 50
# A pause between batches, so that writers waiting for a row, or for SQLite's write lock, get their turn.
PAUSE_S: Final = 0.01


class Pass(Struct):
    """The result of one pass. `left`: rows that were locked or changed; `unreadable`: sealed with an unknown key."""

    resealed: int = 0
    left: int = 0
    unreadable: int = 0


async def reseal(ledger: Ledger, report: Callable[[str, int], None] | None = None) -> Pass:
    """One pass over all sealed columns; `told` is called with each table's name and number of resealed rows."""
    done = Pass()
    for table in metadata.sorted_tables:
        if any(LABEL in c.info for c in table.columns):
            before = done.resealed
            await _reseal_table(ledger, table, done)
            if report:
                report(table.name, done.resealed - before)
    await _reseal_mail(ledger, done)
    return done


async def _reseal_table(ledger: Ledger, table: Table, done: Pass) -> None:
    keys = list(table.primary_key.columns)
    columns = [c for c in table.columns if LABEL in c.info]
    after: tuple[Any, ...] | None = None
    while True:
        query = select(*keys, *columns).order_by(*keys).limit(LOOKED_AT)
        if after is not None:
            query = query.where(tuple_(*keys) > tuple_(*(literal(v, c.type) for v, c in zip(after, keys, strict=True))))
        async with ledger.reading() as tx:
            rows = (await tx.execute(query)).all()
        if not rows:
            return
        after = tuple(rows[-1][: len(keys)])
        stale = [tuple(row[: len(keys)]) for row in rows if _is_stale(ledger.keyring, row[len(keys) :])]
        for start in range(0, len(stale), AT_ONCE):
            await _reseal_rows(ledger, table, stale[start : start + AT_ONCE], done)
            await asyncio.sleep(PAUSE_S)


def _is_stale(keyring: Keyring, values: Any) -> bool:
    return any(value and not keyring.is_current(value) for value in values)


async def _reseal_rows(ledger: Ledger, table: Table, wanted: list[tuple[Any, ...]], done: Pass) -> None:
    keys = list(table.primary_key.columns)
    columns = [c for c in table.columns if LABEL in c.info]
    query = select(*keys, *columns).where(tuple_(*keys).in_(wanted)).order_by(*keys).with_for_update(skip_locked=True)
    async with ledger.transaction() as tx:
        rows = (await tx.execute(query)).all()
        done.left += len(wanted) - len(rows)
        for row in rows:
            key = tuple(row[: len(keys)])
            here = and_(*(c == v for c, v in zip(keys, key, strict=True)))
            new = {}
            for column, old in zip(columns, row[len(keys) :], strict=True):
                if old and (sealed := _anew(ledger.keyring, column, key, old, done)):
                    new[column] = sealed
                    here = and_(here, column == old)
            if new:
                changed = await tx.execute(update(table).where(here).values(new))
                done.resealed += changed.rowcount
                done.left += 1 - changed.rowcount


def _anew(keyring: Keyring, column: Any, key: tuple[Any, ...], old: bytes, done: Pass) -> bytes | None:
    if keyring.is_current(old):
        return None
    place = column.info[LABEL].of(*key)
    try:
        return keyring.seal(keyring.unseal(old, place), place)
    except SealBroken:
        done.unreadable += 1
        log.error("keys.unreadable", column=str(column), row=[str(k) for k in key])
        return None


async def _reseal_mail(ledger: Ledger, done: Pass) -> None:
    """Report mails in the outbox that were sealed before bound seals."""
    query = select(outbox.c.id, outbox.c.message_id, outbox.c.body).where(outbox.c.exchange == MAIL)
    async with ledger.transaction() as tx:
        for row in (await tx.execute(query.with_for_update(skip_locked=True))).all():
            if not ledger.keyring.is_bound(row.body):
                plain = ledger.keyring.unseal_unbound(row.body)
                body = ledger.keyring.seal_in_transit(plain, REPORT_MAIL.of(row.message_id))
                await tx.execute(update(outbox).where(outbox.c.id == row.id).values(body=body))
                done.resealed += 1
