"""Files: stored, then attached by the note that names them; never changed; deleted by erasure and retention only."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import delete, or_, select, update

from service.domain.attached import Attached
from service.keyring import Keyring
from service.ledger.attachments.tables import ATTACHMENT_CONTENT, ATTACHMENT_NAME, attachments
from service.ledger.database.engine import padded
from service.ledger.database.sets import Writes
from service.ledger.database.transaction import Transaction
from service.ledger.orders.records import seal_json, unseal_json

LEDGER = "ledger"


class StoredFile(Struct, frozen=True):
    """A stored file. `store`: where its bytes are; `content`: the sealed bytes, if in the ledger and loaded."""

    id: UUID
    order_id: UUID
    name: str
    type: str
    size: int
    digest: bytes
    store: str
    stored: datetime
    taken: datetime | None
    public: bool
    content: bytes | None = None

    @property
    def attached(self) -> Attached:
        """The file as events and notes name it."""
        return Attached(str(self.id), self.name, self.type, self.size, self.digest.hex())


def seal_content(keyring: Keyring, attachment_id: UUID, content: bytes) -> bytes:
    """The bytes of a file, sealed for either store."""
    return keyring.seal_in_transit(content, ATTACHMENT_CONTENT.of(attachment_id))


def open_content(keyring: Keyring, attachment_id: UUID, sealed: bytes) -> bytes:
    """The bytes of a sealed file; raises SealBroken."""
    return keyring.unseal_bound(sealed, ATTACHMENT_CONTENT.of(attachment_id))


async def put(tx: Transaction, file: StoredFile) -> None:
    """Store a new file, not attached to a note yet."""
    await tx.execute(
        attachments.insert().values(
            id=file.id,
            order_id=file.order_id,
            stored_at=file.stored,
            type=file.type,
            size=file.size,
            digest=file.digest,
            store=file.store,
            sealed_name=seal_json(tx.keyring, file.name, ATTACHMENT_NAME.of(file.id)),
            content=file.content,
        )
    )


def _file(keyring: Keyring, row: Any, content: bytes | None = None) -> StoredFile:
    return StoredFile(
        id=row.id,
        order_id=row.order_id,
        name=unseal_json(keyring, row.sealed_name, ATTACHMENT_NAME.of(row.id)) if row.sealed_name else "",
        type=row.type,
        size=row.size,
        digest=row.digest,
        store=row.store,
        stored=row.stored_at,
        taken=row.taken_at,
        public=row.public,
        content=content,
    )


_COLUMNS = [c for c in attachments.columns if c.name != "content"]


async def files(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, StoredFile]:
    """The existing ones of these files by id, without their bytes."""
    wanted = padded(sorted(set(ids)))
    if not wanted:
        return {}
    query = select(*_COLUMNS).where(attachments.c.id.in_(wanted), attachments.c.gone_at.is_(None))
    return {row.id: _file(tx.keyring, row) for row in await tx.execute(query)}


async def file(tx: Transaction, attachment_id: UUID) -> StoredFile | None:
    """One file, with its bytes if they are in the ledger."""
    query = select(attachments).where(attachments.c.id == attachment_id, attachments.c.gone_at.is_(None))
    row = (await tx.execute(query)).one_or_none()
    return _file(tx.keyring, row, row.content) if row else None


async def files_of_orders(tx: Transaction, ids: Iterable[UUID]) -> list[tuple[UUID, StoredFile]]:
    """The attached files of these orders, oldest first, each with its order's id."""
    query = select(*_COLUMNS).where(attachments.c.order_id.in_(padded(ids)), attachments.c.taken_at.is_not(None))
    query = query.where(attachments.c.gone_at.is_(None)).order_by(attachments.c.id)
    return [(row.order_id, _file(tx.keyring, row)) for row in await tx.execute(query)]


def attach(writes: Writes, ids: Iterable[UUID], now: datetime, *, public: bool) -> None:
    """Have these files marked as attached to a note."""
    writes.update(attachments, [{"id": i, "taken_at": now, "public": public} for i in ids])


async def erase_files(tx: Transaction, order_id: UUID, now: datetime) -> int:
    """Delete the files of an order; returns how many. Files in an external store are deleted right afterwards."""
    theirs = attachments.c.order_id == order_id, attachments.c.gone_at.is_(None)
    gone = await tx.execute(
        update(attachments).where(*theirs).values(gone_at=now, content=None, sealed_name=None, digest=bytes(32), size=0)
    )
    return int(gone.rowcount)


async def deletable(tx: Transaction, before: datetime, limit: int = 50) -> Sequence[tuple[UUID, str]]:
    """Up to `limit` files to delete (erased, or not attached since before `before`), each with its store's name."""
    left = (attachments.c.taken_at.is_(None)) & (attachments.c.stored_at < before)
    query = select(attachments.c.id, attachments.c.store).where(or_(attachments.c.gone_at.is_not(None), left))
    return [(row.id, row.store) for row in await tx.execute(query.limit(limit))]


async def delete_rows(tx: Transaction, ids: Iterable[UUID]) -> None:
    """Delete the rows of these files, whose bytes are deleted already."""
    wanted = padded(list(ids))
    if wanted:
        await tx.execute(delete(attachments).where(attachments.c.id.in_(wanted)))
