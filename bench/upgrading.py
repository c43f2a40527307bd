"""An upgrade from the first release's schema with four concurrent writers, millions of orders, and fsync on.

`python -m bench.upgrading --orders 5000000` runs this part alone; filling the database takes minutes.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from service.keyring import Keyring
from service.ledger.database.engine import Ledger
from service.ledger.database.schema import migrate
from tests.support.nodes import Postgres, connect
from tests.support.writers import Writers

FROM = "0003"  # before the first step that builds indexes on large tables
CHUNK = 250_000
BEFORE_S = 15.0
_FILL = (
    "INSERT INTO orders (id, workflow, order_id, status, stage, stage_rank, final, created_at, updated_at, sealed_state)"
    " SELECT gen_random_uuid(), 'w', 'P-' || n, 's', 's', 0, true, now() - interval '1 day', now() - n * interval '1 s',"
    " decode(repeat('ab', 200), 'hex') FROM generate_series($1::int, $2::int) n",
    "INSERT INTO notifications (id, order_id, notice_id, notice, channel, audience, lane, state, valid_until, when_unknown,"
    " secret, created_at, sealed_recipient) SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'n',"
    " 'sms', 'customer', decode(md5(n::text), 'hex'), 'delivered', now(), 'resend', false, now(),"
    " decode(repeat('ab', 60), 'hex') FROM generate_series($1::int, $2::int) n",
    "INSERT INTO inbox (key, received_at, outcome)"
    " SELECT decode(md5('i' || n), 'hex'), now(), 'accepted' FROM generate_series($1::int, $2::int) n",
)


async def _fill(url: str, orders: int) -> None:
    connection = await connect(url)
    for first in range(0, orders, CHUNK):
        for statement in _FILL:
            await connection.execute(statement, first, min(first + CHUNK, orders) - 1)
        print(f"  {min(first + CHUNK, orders):,} orders", flush=True)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _figures(waits: Sequence[float]) -> dict[str, Any]:
    return {
        "writes": len(waits),
        "median_ms": round(statistics.median(waits) * 1000, 1),
        "99th_ms": round(statistics.quantiles(waits, n=100)[-1] * 1000, 1),
        "slowest_s": round(max(waits), 3),
    }


async def upgraded(orders: int) -> dict[str, Any]:
    """The duration of the upgrade, and the writers' waits before and during it."""
    with closing(Postgres(durable=True)) as node:
        url = await node.create("orders")
        ledger = Ledger(url, Keyring("a secret key for benches, as long as they are"))
        await migrate(ledger, FROM)
        await _fill(url, orders)
        writers = Writers(url)
        await asyncio.sleep(BEFORE_S)
        before = len(writers.waits)
        began = time.monotonic()
        _, to = await migrate(ledger)
        took = time.monotonic() - began
        waits = await writers.stop()
        await ledger.close()
    return {
        "orders": orders, "from": FROM, "to": to, "took_s": round(took, 1),
        "before": _figures(waits[:before]), "meanwhile": _figures(waits[before:]),
    }  # fmt: skip


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--orders", type=int, default=5_000_000)
    print(asyncio.run(upgraded(options.parse_args().orders)))
