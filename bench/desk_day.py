"""A service with a past: some thousand orders that were lived through, copies of them, and a day's open escalations."""

import shutil
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

from msgspec import structs
from sqlalchemy import Table, Text, cast, delete, exists, insert, or_, select, update

from bench.clocks import new_app
from bench.processes import environment
from service.app import App
from service.clock.clock import ClockLoop
from service.intake.decoding import Incoming
from service.keyring import Keyring
from service.ledger.access import api_keys as keys
from service.ledger.database.engine import Ledger
from service.ledger.messages.tables import messages, outbox
from service.ledger.orders.records import seal_json, state_of
from service.ledger.orders.tables import ORDER_STATE, clocks, order_people, orders, visits
from service.timekeeping import SteadyTime
from tests.support import full_day
from tests.support.events import encoded
from tests.support.nodes import Postgres, connect
from tests.support.ports import free_port
from tests.support.process import Process

# This many orders are lived through; the others are copies of them, a minute further back each time.
LIVED: Final = 2_000
AT_ONCE: Final = 200
FURTHER_BACK: Final = timedelta(minutes=1)


class _Of(NamedTuple):
    """What an order has in a table: the columns that say when, and whether its rows have ids of their own."""

    table: Table
    moments: tuple[str, ...]
    has_id: bool = False


COPIED: Final = (
    _Of(visits, ("at",)),
    _Of(clocks, ("started_at",), has_id=True),
    _Of(messages, ("created_at",), has_id=True),
    _Of(order_people, ()),
)


class Day:
    """A service on a filled database: PostgreSQL, or SQLite in the folder."""

    def __init__(self, folder: Path, postgres: Postgres | None) -> None:
        self.postgres, self.folder = postgres, folder
        self.key, self.base, self.url = "", "", f"sqlite+aiosqlite:///{folder}/desk.db"
        self.process: Process | None = None

    async def fill(self, past: int, under_way: int) -> None:
        """Process the orders' events and due clocks, and mark planned messages as sent."""
        if self.postgres:
            self.url = await self.postgres.create("desk")
        shutil.copytree(full_day.packs(), self.folder / "packs")
        app = await new_app(self.url, SteadyTime(), self.folder / "packs")
        lived = min(past, LIVED)
        await taken(app, full_day.past_events(app.time.now(), lived))
        await _copy(app.ledger, past - lived)
        await taken(app, full_day.events(app.time.now(), 0, under_way, first=past))
        clock = ClockLoop(app.orders)
        while await clock.fire_due():
            pass
        async with app.ledger.transaction() as tx:
            self.key = await keys.create(tx, "admin", "bench", datetime.now(UTC))
        await full_day.handle(app)
        await _mark_as_sent(app.ledger)
        await app.ledger.close()
        if self.postgres:
            connection = await connect(self.url)
            await connection.execute("VACUUM ANALYZE")
            await connection.close()

    async def serve(self) -> None:
        """Run it as operators do, with captured channels."""
        port = free_port()
        more = {"WORKFLOWS": str(self.folder / "packs")}
        self.process = Process(self.folder, environment(self.folder, self.url, "memory://", port, **more))
        await self.process.ready(60)
        self.base = f"http://127.0.0.1:{port}"

    async def end(self) -> None:
        """Stop it."""
        if self.process:
            await self.process.terminate()
            self.process.close()


async def _copy(ledger: Ledger, count: int) -> None:
    """Copy the existing orders, `count` copies in all, each with an id and reference of its own."""
    async with ledger.reading() as tx:
        lived = [dict(row) for row in (await tx.execute(select(orders))).mappings()]
        kept = [(of, [dict(row) for row in (await tx.execute(select(of.table))).mappings()]) for of in COPIED]
    for back, first in enumerate(range(0, count, max(1, len(lived))), 1):
        chosen = lived[: count - first]
        ids = {row["id"]: uuid4() for row in chosen}
        async with ledger.transaction() as tx:
            await tx.execute(insert(orders), [_order(ledger.keyring, row, ids[row["id"]], back) for row in chosen])
            for of, rows in kept:
                if copies := list(_copies(of, rows, ids, back)):
                    await tx.execute(insert(of.table), copies)


def _order(keyring: Keyring, row: dict[str, Any], new: UUID, back: int) -> dict[str, Any]:
    name = f"{row['order_id']}-{back - 1}"
    order = structs.replace(state_of(keyring, row["sealed_state"], row["id"]), id=new, reference=name)
    sealed = seal_json(keyring, order, ORDER_STATE.of(new))
    earlier = {moment: row[moment] - back * FURTHER_BACK for moment in ("created_at", "updated_at")}
    return row | earlier | {"id": new, "order_id": name, "sealed_state": sealed}


def _copies(of: _Of, rows: list[dict[str, Any]], ids: dict[UUID, UUID], back: int) -> Iterator[dict[str, Any]]:
    for row in rows:
        if new := ids.get(row["order_id"]):
            earlier = {moment: row[moment] - back * FURTHER_BACK for moment in of.moments}
            yield row | earlier | {"order_id": new} | ({"id": uuid4()} if of.has_id else {})


async def _mark_as_sent(ledger: Ledger) -> None:
    """Nothing is sent here, so messages are marked as sent. Some numbers do not exist, some are landlines."""
    name = cast(messages.c.id, Text)
    by_sms = messages.c.channel == "sms"
    is_over = exists(select(1).where(orders.c.id == clocks.c.order_id, orders.c.final))
    async with ledger.transaction() as tx:
        await tx.execute(
            update(messages)
            .where(messages.c.state.in_(("pending", "held", "bundled")))
            .values(state="delivered", sent_at=messages.c.created_at, send_begun=True, attempts=1, provider="twilio")
        )
        await tx.execute(
            update(messages).where(by_sms, name < "08").values(state="failed", error_code="21211", error="invalid To")
        )
        await tx.execute(
            update(messages)
            .where(by_sms, name > "fb")
            .values(state="undelivered", error_code="30006", error="landline")
        )
        await tx.execute(
            update(clocks)
            .where(clocks.c.state == "running", or_(is_over, clocks.c.kind == "notify"))
            .values(state="met", stopped_at=clocks.c.started_at)
        )
        await tx.execute(delete(outbox))


async def taken(app: App, events: Iterable[dict[str, Any]]) -> None:
    """Process events through intake."""
    batch: list[Incoming] = []
    began, count = time.monotonic(), 0
    for e in events:
        batch.append(Incoming(encoded(e)))
        if len(batch) == AT_ONCE:
            await app.intake.take(batch, dead_letter=True)
            count += len(batch)
            batch = []
            if count % (50 * AT_ONCE) == 0:
                print(f"  {count:,} events, {count / (time.monotonic() - began):.0f}/s", flush=True)
    await app.intake.take(batch, dead_letter=True)
