"""Checks that the database accepts writes: with a full disk, or on a standby, reads still succeed."""

import secrets
from typing import Final

from service.ledger.database.sets import upsert
from service.ledger.database.tables import meta
from service.ledger.database.transaction import Transaction

ROW: Final = "proof_of_writing"
# About the size of an event with its messages.
BYTES: Final = 8192


async def prove_writing(tx: Transaction) -> None:
    """Write about as much as one event does, always to the same row; raises the database's error."""
    row = {"key": ROW, "value": secrets.token_hex(BYTES // 2)}
    await upsert(tx, meta, [row], ("value",), ("key",))
