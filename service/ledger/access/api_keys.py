"""API keys: shown once at creation, stored as a keyed digest."""

import re
import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct
from sqlalchemy import select, update

from service.domain.errors import Rejection
from service.domain.scopes import EVERYTHING, Scope, read_scope, written
from service.ledger.access.tables import api_keys
from service.ledger.database.engine import new_uuid
from service.ledger.database.transaction import Transaction

# Roles of the company's own people and programs; callers who belong to a party have its audience as their role.
Role = Literal["publisher", "agent", "supervisor", "admin"]
ROLES: Final[tuple[Role, ...]] = ("publisher", "agent", "supervisor", "admin")
PREFIX: Final = "sb_"
# The prefix of names of people who sign in with a company account; API keys may not have it.
ACCOUNT: Final = "oidc:"
_KEY: Final = re.compile(r"sb_[A-Za-z0-9_-]{1,100}")


class Caller(Struct, frozen=True):
    """An authenticated caller: by an API key, or by a desk session (based on a key or on a company account).

    `role`: one of `ROLES`, or the audience of a party; `scope`: what they are limited to.
    """

    name: str
    role: str
    key_id: UUID | None = None
    session_id: str = ""
    scope: Scope = EVERYTHING

    @property
    def identity(self) -> str:
        """The identity for rate limits and idempotency: the browser session, or the key with its present scope."""
        limits = "".join(f" {text}" for text in written(self.scope))
        if self.session_id:
            return f"session {self.session_id}{limits}"
        return f"key {self.key_id}" if self.key_id else self.name


class Grant(Struct, frozen=True):
    """The present role and scope of a key or a sign-in."""

    role: str
    scope: Scope


class Key(Struct, frozen=True):
    """A key as it is listed, without its secret."""

    name: str
    role: str
    made: datetime
    revoked: datetime | None
    scope: Scope


def grant_from(role: str, scopes: str) -> Grant:
    """Role and scope from a row's columns."""
    return Grant(role, read_scope(scopes.split()))


def looks_like_key(text: str) -> bool:
    """Whether the text has the form of a key; anything else need not be looked up."""
    return _KEY.fullmatch(text) is not None


async def create(tx: Transaction, role: str, name: str, now: datetime, scope: Scope = EVERYTHING) -> str:
    """Create a key and return it; it cannot be read again. Raises Rejection for a name with the accounts' prefix."""
    if name.startswith(ACCOUNT):
        raise Rejection(f"name: names that begin with {ACCOUNT!r} are reserved for company accounts")
    key = PREFIX + secrets.token_urlsafe(32)
    await tx.execute(
        api_keys.insert().values(
            id=new_uuid(),
            name=name,
            role=role,
            scopes=" ".join(written(scope)),
            digest=tx.keyring.digest("api-key", key),
            created_at=now,
        )
    )
    return key


async def caller_of(tx: Transaction, key: str) -> Caller | None:
    """The caller whose key this is; None if it is unknown or revoked."""
    query = select(api_keys.c.id, api_keys.c.name, api_keys.c.role, api_keys.c.scopes).where(
        api_keys.c.digest == tx.keyring.digest("api-key", key), api_keys.c.revoked_at.is_(None)
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    now = grant_from(row.role, row.scopes)
    return Caller(row.name, now.role, row.id, scope=now.scope)


async def revoked_name(tx: Transaction, key: str) -> str:
    """The name of a revoked key; empty if there is no such key."""
    query = select(api_keys.c.name).where(
        api_keys.c.digest == tx.keyring.digest("api-key", key), api_keys.c.revoked_at.is_not(None)
    )
    return str((await tx.execute(query)).scalar_one_or_none() or "")


async def grants_of(tx: Transaction, key_ids: Collection[UUID]) -> dict[UUID, Grant]:
    """Role and scope of these keys by id, without those that were revoked."""
    query = select(api_keys.c.id, api_keys.c.role, api_keys.c.scopes)
    query = query.where(api_keys.c.id.in_(key_ids), api_keys.c.revoked_at.is_(None))
    return {row.id: grant_from(row.role, row.scopes) for row in await tx.execute(query)}


async def revoke(tx: Transaction, name: str, now: datetime) -> int:
    """Revoke the keys with this name; returns how many."""
    ended = await tx.execute(
        update(api_keys).where(api_keys.c.name == name, api_keys.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    return int(ended.rowcount)


async def listed(tx: Transaction) -> list[Key]:
    """All keys, the oldest first."""
    rows = await tx.execute(select(api_keys).order_by(api_keys.c.created_at))
    return [Key(row.name, row.role, row.created_at, row.revoked_at, read_scope(row.scopes.split())) for row in rows]
