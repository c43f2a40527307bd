"""Idempotent requests: for each caller's key the request, its state and the recorded response.

Names follow the IETF draft "The Idempotency-Key HTTP Header Field": the same key with the same request replays the
answer, with another request it is an error, and while the first is under way it is a conflict.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import and_, delete, or_, select, update

from service.keyring import Keyring
from service.ledger.access.tables import ACT_ANSWER, idempotent_requests
from service.ledger.database.sets import dialect_insert
from service.ledger.database.transaction import Transaction
from service.ledger.orders.records import seal_json

# Longer than any request takes; a key of a process that died during a request is free after it.
LEASE: Final = timedelta(seconds=60)


class KeptResponse(Struct, frozen=True):
    """A recorded response, to be replayed. `headers`: those recorded with it."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}


class Claim(Struct, frozen=True):
    """The right to act under a key. `claim` tells this attempt from one that took over after the lease."""

    id: UUID
    claim: UUID


class Earlier(Struct, frozen=True):
    """An earlier request under this key. `answer` is None while it is running and after it was erased."""

    same_request: bool
    done: bool
    answer: KeptResponse | None = None


def act_id(keyring: Keyring, caller: str, key: str) -> UUID:
    """The id of the row for a caller's key."""
    return UUID(bytes=keyring.digest("act", caller, key))


async def claim(
    tx: Transaction, wanted: Claim, request: bytes, now: datetime, kept: timedelta, lease: timedelta = LEASE
) -> Claim | Earlier:
    """Begin to act under this key, or return the earlier request. `request` is a digest of the request."""
    act = wanted.id
    begun = {"request": request, "state": "running", "claim": wanted.claim, "sealed_answer": None}
    begun_at = {"created_at": now, "lease_until": now + lease, "expires_at": now + kept}
    running = idempotent_requests.c.state == "running"
    lapsed = and_(running, idempotent_requests.c.lease_until <= now, idempotent_requests.c.request == request)
    free = or_(and_(~running, idempotent_requests.c.expires_at <= now), lapsed)
    statement = dialect_insert(tx)(idempotent_requests).values(id=act, **begun, **begun_at)
    statement = statement.on_conflict_do_update(index_elements=["id"], set_={**begun, **begun_at}, where=free)
    if (await tx.execute(statement.returning(idempotent_requests.c.id))).one_or_none() is not None:
        return wanted
    row = (await tx.execute(select(idempotent_requests).where(idempotent_requests.c.id == act))).one_or_none()
    if row is None:  # released in between
        return Earlier(same_request=True, done=False)
    answer = None
    if row.sealed_answer is not None:
        answer = msgspec.json.decode(tx.keyring.unseal(row.sealed_answer, ACT_ANSWER.of(act)), type=KeptResponse)
    return Earlier(row.request == request, row.state == "done", answer)


async def finish(tx: Transaction, held: Claim, answer: KeptResponse) -> None:
    """Store the response, unless another request has taken over meanwhile."""
    sealed = seal_json(tx.keyring, answer, ACT_ANSWER.of(held.id))
    ours = and_(idempotent_requests.c.id == held.id, idempotent_requests.c.claim == held.claim)
    await tx.execute(update(idempotent_requests).where(ours).values(state="done", sealed_answer=sealed))


async def release(tx: Transaction, held: Claim) -> None:
    """Delete the claim of a request that changed nothing, so that the key can be used again."""
    await tx.execute(
        delete(idempotent_requests).where(
            idempotent_requests.c.id == held.id, idempotent_requests.c.claim == held.claim
        )
    )


async def delete_expired(tx: Transaction, now: datetime) -> None:
    """Delete the rows that have expired."""
    await tx.execute(
        delete(idempotent_requests).where(
            idempotent_requests.c.expires_at <= now, idempotent_requests.c.lease_until <= now
        )
    )


async def erase_responses(tx: Transaction) -> None:
    """Delete the response, which may hold personal data; the fact that the request was done stays."""
    await tx.execute(
        update(idempotent_requests).where(idempotent_requests.c.sealed_answer.is_not(None)).values(sealed_answer=None)
    )
