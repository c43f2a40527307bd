"""The speed of simulation and replay: events a second of one core's time."""

import tempfile
from datetime import timedelta
from pathlib import Path

from bench.setting import ROOT
from service.foresight.backtesting import BackTester
from service.foresight.simulating import simulate
from service.keyring import Keyring
from service.ledger.database.engine import Ledger
from service.ledger.database.schema import migrate
from service.prices import Prices
from service.workflows import packs
from service.workflows.packs import Packs
from tests.support.mixed_lives import MixedLives
from tests.support.packs import errand

ORDERS = 2000
RECORDED = 150


async def measure() -> dict[str, float]:
    """`simulate` of the main pack, and `backtest` of recorded orders of various kinds on SQLite."""
    pack = packs.load(ROOT / "templates").get("device_pickup")
    simulated = simulate(pack, ORDERS)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(
            f"sqlite+aiosqlite:///{Path(folder)}/past.db", Keyring("a secret key for benches, as long as any")
        )
        await migrate(ledger)
        lives = MixedLives(ledger, errand(), RECORDED)
        await lives.live(10)
        tester = BackTester(Packs([errand()]), {"errand": errand()}, Prices(), "Bench")
        tested = await tester.run(ledger, lives.since - timedelta(days=1), lives.clock.now())
        await ledger.close()
    return {"simulate": simulated.events_per_second, "backtest": tested.events_per_second}


def show(found: dict[str, float]) -> str:
    """A line of the report."""
    return "played in memory, events a second of one core: " + ", ".join(f"{k} {v:.0f}" for k, v in found.items())
