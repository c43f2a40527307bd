"""Stores the content of attachments in the ledger or in an S3-compatible store, sealed in both."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from msgspec import structs

from service.attachments.s3 import S3Store, StoreUnavailable
from service.ledger.attachments import storing
from service.ledger.attachments.storing import LEDGER, StoredFile
from service.orders import Orders
from service.runtime.loops import log_failure

log = structlog.get_logger(__name__)
S3: Final = "s3"
# Files that no note has named within this time are deleted.
UNTAKEN_KEPT: Final = timedelta(hours=24)
SWEEP_EVERY_S: Final = 30.0


class AttachmentStore:
    """Stores, reads and deletes files. `s3`: the store for new ones; files in the ledger stay there."""

    def __init__(self, orders: Orders, s3: S3Store | None = None) -> None:
        self._orders = orders
        self._s3 = s3

    async def keep(self, file: StoredFile, content: bytes) -> None:
        """Store a new file; raises StoreUnavailable."""
        sealed = storing.seal_content(self._orders.keyring, file.id, content)
        if self._s3 is not None:
            # The object first, so that every file in the ledger can be read.
            await self._s3.put(file.id.hex, sealed)
            file = structs.replace(file, store=S3)
        else:
            file = structs.replace(file, store=LEDGER, content=sealed)
        async with self._orders.ledger.transaction() as tx:
            await storing.put(tx, file)

    async def content(self, file: StoredFile) -> bytes | None:
        """A file's content, None if it was deleted; raises StoreUnavailable, SealBroken."""
        sealed = file.content
        if file.store == S3:
            if self._s3 is None:
                raise StoreUnavailable("this file is in an S3 store, but ATTACHMENTS names none any more")
            sealed = await self._s3.get(file.id.hex)
        return storing.open_content(self._orders.keyring, file.id, sealed) if sealed is not None else None

    async def sweep(self) -> int:
        """Delete erased files and those that no note has named in time; returns how many."""
        async with self._orders.ledger.reading() as tx:
            files = await storing.deletable(tx, self._orders.time.now() - UNTAKEN_KEPT)
        gone: list[UUID] = []
        for file_id, store in files:
            if store == S3:
                if self._s3 is None:
                    continue
                await self._s3.delete(file_id.hex)
            gone.append(file_id)
        if gone:
            async with self._orders.ledger.transaction() as tx:
                await storing.delete_rows(tx, gone)
        return len(gone)

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                while await self.sweep():
                    pass
            except StoreUnavailable as error:
                log.warning("attachments.store_unavailable", error=str(error))
            except Exception as error:
                log_failure("attachments", error)
            await asyncio.sleep(SWEEP_EVERY_S)

    async def close(self) -> None:
        """Close connections."""
        if self._s3 is not None:
            await self._s3.close()
