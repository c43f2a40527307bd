"""Whether the database takes a write: a full disk, or a standby, answers every question well."""

import secrets
from typing import Final

from service.ledger.database.sets import upsert
from service.ledger.database.tables import meta
from service.ledger.database.transaction import Transaction

ROW: Final = "proof_of_writing"
# About as much as an event with its messages takes.
BYTES: Final = 8192


async def prove_writing(tx: Transaction) -> None:
    """Write as much as an event may take, in one row that is kept; raises the database's own error."""
    row = {"key": ROW, "value": secrets.token_hex(BYTES // 2)}
    await upsert(tx, meta, [row], ("value",), ("key",))
