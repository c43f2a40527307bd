"""The intake partition by which each order's events came, to detect orders that come by two."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select

from service.domain.order import OrderRef
from service.ledger.database.engine import padded
from service.ledger.database.listed import listed
from service.ledger.database.sets import insert_missing, upsert
from service.ledger.database.transaction import Transaction
from service.ledger.orders.tables import order_partitions

KEYS_AT_ONCE: Final = 512
_MET: Final = select(order_partitions).where(listed(order_partitions.c.key, "keys"))


async def record_partitions(
    tx: Transaction, here: Mapping[OrderRef, int], partitions: int, now: datetime
) -> dict[OrderRef, int]:
    """Store the partition, of `partitions`, of these orders; returns those known from another one, with that one.

    Rows from a time with another number of partitions do not count.
    """
    orders = {tx.keyring.digest("partition", ref.workflow, ref.reference): ref for ref in here}
    rows = [
        {"key": key, "partition": here[ref], "partitions": partitions, "seen_at": now}
        for key, ref in sorted(orders.items())
    ]
    await insert_missing(tx, order_partitions, rows)
    elsewhere: dict[OrderRef, int] = {}
    outdated = []
    for first in range(0, len(rows), KEYS_AT_ONCE):
        keys = [row["key"] for row in rows[first : first + KEYS_AT_ONCE]]
        for found in await tx.execute(_MET, {"keys": padded(keys)}):
            ref = orders[found.key]
            if found.partitions != partitions:
                outdated.append({"key": found.key, "partition": here[ref], "partitions": partitions, "seen_at": now})
            elif found.partition != here[ref]:
                elsewhere[ref] = found.partition
    await upsert(tx, order_partitions, outdated, ("partition", "partitions", "seen_at"), ("key",))
    return elsewhere


async def delete_before(tx: Transaction, before: datetime) -> None:
    """Delete orders last seen before then."""
    await tx.execute(delete(order_partitions).where(order_partitions.c.seen_at < before))
