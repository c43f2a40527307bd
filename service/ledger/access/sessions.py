"""Sessions of the desk, stored here so that every replica knows when one has ended.

A session ends with sign-out, with its key, and after `LIFE`; an account's newest sign-in sets the role and scopes of
all its sessions. Ids, names and accounts are stored as keyed digests.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update

from service.domain.scopes import EVERYTHING, Scope, written
from service.keyring import Keyring
from service.ledger.access.api_keys import Grant, grant_from
from service.ledger.access.tables import api_keys, desk_sessions
from service.ledger.database.transaction import Transaction

LIFE: Final = timedelta(hours=12)


def digest_of(keyring: Keyring, session_id: str) -> bytes:
    """The digest by which a session is stored."""
    return keyring.digest("desk-session", session_id)


async def begin(
    tx: Transaction,
    session_id: str,
    name: str,
    role: str,
    now: datetime,
    *,
    key_id: UUID | None = None,
    account: str = "",
    scope: Scope = EVERYTHING,
) -> None:
    """Create a session: of a key, with its scope, or of an account, whose newest sign-in limits all its sessions."""
    await tx.execute(delete(desk_sessions).where(desk_sessions.c.created_at < now - LIFE))
    subject = tx.keyring.digest("desk-account", account or str(key_id))
    scopes = " ".join(written(scope))
    if account:
        theirs = update(desk_sessions).where(desk_sessions.c.subject == subject)
        await tx.execute(theirs.values(role=role, scopes=scopes))
    row = {
        "id": digest_of(tx.keyring, session_id),
        "subject": subject,
        "named": tx.keyring.digest("desk-name", name),
        "role": role,
        "scopes": scopes,
        "key_id": key_id,
        "created_at": now,
    }
    await tx.execute(desk_sessions.insert().values(row))


async def grants_of(tx: Transaction, sessions: Collection[bytes], now: datetime) -> dict[bytes, Grant]:
    """Present role and scope by session, without sessions that have ended."""
    s, k = desk_sessions.c, api_keys.c
    query = (
        select(s.id, s.role, s.scopes, s.key_id, k.role.label("key_role"), k.scopes.label("key_scopes"))
        .outerjoin(api_keys, (api_keys.c.id == desk_sessions.c.key_id) & api_keys.c.revoked_at.is_(None))
        .where(
            desk_sessions.c.id.in_(sessions),
            desk_sessions.c.ended_at.is_(None),
            desk_sessions.c.created_at > now - LIFE,
        )
    )
    found: dict[bytes, Grant] = {}
    for row in await tx.execute(query):
        role, scopes = (row.role, row.scopes) if row.key_id is None else (row.key_role, row.key_scopes)
        if role is not None:
            found[bytes(row.id)] = grant_from(role, scopes)
    return found


async def end(tx: Transaction, session_id: str, now: datetime) -> int:
    """End one session; returns how many were open."""
    return await _end(tx, desk_sessions.c.id == digest_of(tx.keyring, session_id), now)


async def end_named(tx: Transaction, name: str, now: datetime) -> int:
    """End the sessions of this name; returns how many."""
    return await _end(tx, desk_sessions.c.named == tx.keyring.digest("desk-name", name), now)


async def _end(tx: Transaction, those: ColumnElement[bool], now: datetime) -> int:
    ended: Any = await tx.execute(
        update(desk_sessions).where(those, desk_sessions.c.ended_at.is_(None)).values(ended_at=now)
    )
    return int(ended.rowcount)
