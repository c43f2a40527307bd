"""The cost and lateness of clocks: with a thousand and a million pending ones, with 10,000 due at once, and at rest.

`python -m bench.clocks` runs this part alone. Costs are in-process transactions on PostgreSQL; lateness is of
`stagebell run` as a process of its own.
"""

import asyncio
import logging
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bench.processes import environment
from bench.setting import ROOT, alone
from service.app import App
from service.clock.clock import BATCH, ClockLoop
from service.intake.decoding import Incoming
from service.ledger.database.schema import migrate
from service.settings import Settings
from service.telemetry import logs
from service.timekeeping import ManualTime, SteadyTime
from tests.support.events import encoded, event
from tests.support.nodes import Postgres, connect
from tests.support.process import Process

WAITS = timedelta(minutes=30)  # no_vendor of the pack: a dwell clock that every new order starts
ROUNDS = 9
FILL = """
INSERT INTO orders SELECT r.* FROM orders o, generate_series(1, {n}) n, LATERAL jsonb_populate_record(o, jsonb_build_object(
    'id', gen_random_uuid(), 'order_id', 'pending-' || n, 'wake_at', o.wake_at + interval '1 day' + n * interval '1 second'
)) r;
INSERT INTO clocks SELECT r.* FROM clocks c, generate_series(1, {n}) n, LATERAL jsonb_populate_record(
    c, jsonb_build_object('id', gen_random_uuid(), 'order_id', gen_random_uuid(),
                          'due_at', c.due_at + interval '1 day' + n * interval '1 second')) r
WHERE c.name = 'no_vendor';
ANALYZE orders; ANALYZE clocks
"""


def order_event(order: str, status: str, at: datetime) -> Incoming:
    """A status change as received from the broker."""
    return Incoming(encoded(event(order, status, at)))


async def new_app(database: str, clock: ManualTime | SteadyTime, packs: Path = ROOT / "templates") -> App:
    """The service's parts in this process, without loops."""
    logs.configure("json", level=logging.WARNING)
    settings = Settings(
        _env_file=None,
        database_url=database,
        workflows=packs,
        secret_key=SecretStr("a secret key for benches, as long as any"),
    )  # type: ignore[call-arg]
    app = App(settings, roles=("clock",), time=clock)  # never started: none of its loops runs
    await migrate(app.ledger)
    return app


class Ledgerful:
    """A ledger with this many pending clocks."""

    def __init__(self, app: App, clock: ManualTime, pending: int) -> None:
        self.app, self.clock, self.pending, self._runs = app, clock, pending, 0
        self.clock_loop = ClockLoop(app.orders)

    @classmethod
    async def make(cls, postgres: Postgres, name: str, pending: int) -> "Ledgerful":
        """Create and fill a database."""
        url = await postgres.create(name)
        clock = ManualTime(datetime.now(UTC))
        app = await new_app(url, clock)
        await app.intake.take([order_event("first", "created", clock.now())], dead_letter=True)
        connection = await connect(url)
        await connection.execute(FILL.format(n=pending))
        await connection.close()
        return cls(app, clock, pending)

    async def round(self) -> dict[str, float]:
        """Milliseconds per order for starting a clock, cancelling it and claiming a batch."""
        self._runs += 1
        names = [f"{self._runs}-{n}" for n in range(BATCH)]
        now = self.clock.now()
        arming = [order_event(f"a{n}", "created", now) for n in names]
        ending = [order_event(f"a{n}", "vendor_failed", now) for n in names]
        due = [order_event(f"d{n}", "created", now - WAITS) for n in names]
        found = {
            "arm": await _timed(lambda: self.app.intake.take(arming, dead_letter=True)),
            "cancel": await _timed(lambda: self.app.intake.take(ending, dead_letter=True)),
        }
        await self.app.intake.take(due, dead_letter=True)
        found["claim"] = await _timed(self.clock_loop.fire_due)
        while await self.clock_loop.fire_due():
            pass
        return found


async def _timed(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await work()
    return 1000 * (time.perf_counter() - began) / BATCH


async def costs(postgres: Postgres, many: int) -> dict[str, Any]:
    """Interleaved rounds on ledgers with 1,000 and with `many` pending clocks; medians and their ratio."""
    few, full = await Ledgerful.make(postgres, "few", 1000), await Ledgerful.make(postgres, "many", many)
    for ledger in (few, full):
        await ledger.round()
    rounds: dict[int, list[dict[str, float]]] = {few.pending: [], full.pending: []}
    for _ in range(ROUNDS):
        for ledger in (few, full):
            rounds[ledger.pending].append(await ledger.round())
    for ledger in (few, full):
        await ledger.app.ledger.close()
    medians = {n: {k: statistics.median(r[k] for r in got) for k in got[0]} for n, got in rounds.items()}
    ratio = {k: medians[many][k] / medians[1000][k] for k in medians[1000]}
    return {"ms_per_order": medians, "ratio": ratio}


async def orders_due(app: App, count: int, first_due: datetime, apart: timedelta) -> None:
    """New orders whose dwell clocks are due at these times."""
    events = [order_event(f"o{n}", "created", first_due - WAITS + n * apart) for n in range(count)]
    for i in range(0, count, BATCH):
        await app.intake.take(events[i : i + BATCH], dead_letter=True)


async def lateness(
    postgres: Postgres, folder: Path, name: str, count: int, apart: timedelta, lead_s: float
) -> dict[str, float]:
    """The lateness of a running service's clocks: `count` of them, `apart` from each other."""
    url = await postgres.create(name)
    app = await new_app(url, SteadyTime())
    first_due = datetime.now(UTC) + timedelta(seconds=lead_s)
    await orders_due(app, count, first_due, apart)
    await app.ledger.close()
    process = Process(folder, environment(folder, url, "memory://"))
    connection = await connect(url)
    last_due = first_due + count * apart
    broken = "SELECT count(*) FROM clocks WHERE name = 'no_vendor' AND state = 'breached'"
    try:
        while datetime.now(UTC) < last_due + timedelta(seconds=60) and await connection.fetchval(broken) < count:
            await asyncio.sleep(0.05)
        finished = (datetime.now(UTC) - last_due).total_seconds()
        rows = await connection.fetch(
            "SELECT noticed_late_s FROM clocks WHERE name = 'no_vendor' AND state = 'breached'"
        )
    finally:
        await process.terminate()
        process.close()
        await connection.close()
    late = sorted(r[0] for r in rows) or [0.0]
    return {
        "fired": len(rows),
        "p50_ms": 1000 * statistics.median(late),
        "p99_ms": 1000 * late[int(len(late) * 0.99) - 1],
        "last_committed_after_s": finished,
    }


async def measure(postgres: Postgres, folder: Path, many: int = 1_000_000, at_once: int = 10_000) -> dict[str, Any]:
    """All three measurements."""
    return {
        "cost": await costs(postgres, many),
        "at_rest": await lateness(postgres, folder, "rest", 400, timedelta(milliseconds=50), 25),
        "at_once": await lateness(postgres, folder, "burst", at_once, timedelta(0), 15 + at_once / 250),
    }


def show(found: dict[str, Any]) -> str:
    """Lines of the report."""
    per_order = found["cost"]["ms_per_order"]
    lines = [f"clocks: ms an order with {n} pending: " + ", ".join(f"{k} {v:.2f}" for k, v in costs_.items())
             for n, costs_ in per_order.items()]  # fmt: skip
    lines.append("clocks: ratio " + ", ".join(f"{k} {v:.2f}" for k, v in found["cost"]["ratio"].items()))
    rest, burst = found["at_rest"], found["at_once"]
    lines.append(
        f"clocks at rest: {rest['fired']} fired, late p50 {rest['p50_ms']:.0f} ms, p99 {rest['p99_ms']:.0f} ms"
    )
    lines.append(
        f"clocks at once: {burst['fired']} due in one second, the last committed {burst['last_committed_after_s']:.1f} s after it"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    alone("clocks", measure, show, "pending", 1_000_000)
