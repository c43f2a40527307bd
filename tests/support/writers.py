"""Writers of an older release, running while a schema is upgraded."""

import asyncio

from service.ledger.database.connecting import PostgresConnector
from tests.support.ticks import Ticks


class Writers:
    """Several concurrent writers, each repeatedly writing an order, an outgoing message, and a change of the order."""

    def __init__(self, url: str, count: int = 4) -> None:
        self.waits: list[float] = []
        self._way = PostgresConnector(url)
        self._stopping = asyncio.Event()
        self._tasks = [asyncio.create_task(self._write(i)) for i in range(count)]

    async def _write(self, which: int) -> None:
        connection = await self._way.connect()
        n = 0
        while not self._stopping.is_set():
            async with Ticks() as took, connection.transaction():
                await connection.execute(
                    "INSERT INTO orders (id, workflow, order_id, status, stage, stage_rank, final, created_at, updated_at,"
                    " sealed_state) VALUES (gen_random_uuid(), 'w', $1, 's', 's', 0, false, now(), now(), '')",
                    f"{which}-{n}",
                )
                await connection.execute(
                    "INSERT INTO outbox (id, exchange, routing_key, message_id, content_type, body, created_at)"
                    " VALUES (gen_random_uuid(), 'e', 'k', 'm', '', '', now())"
                )
                await connection.execute("UPDATE orders SET updated_at = now() WHERE order_id = $1", f"{which}-{n}")
            self.waits.append(took.seconds)
            n += 1
        await connection.close()

    async def stop(self) -> list[float]:
        """Stop; returns the seconds of each write, counting only time in which this loop was running."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        return self.waits
