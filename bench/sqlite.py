"""The cost of SQLite's durability: events posted one by one, by number of concurrent publishers and mode of committing.

`python -m bench.sqlite` prints the table in a minute and a half.
"""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.contenders import event
from bench.setting import ROOT
from service.app import App
from service.intake.decoding import Incoming
from service.intake.group_commit import GroupCommit
from service.intake.intake import Intake
from service.ledger.database.schema import migrate
from service.settings import Settings

EVENTS = 600
PUBLISHERS = (1, 4, 16, 64)


async def _rate(folder: Path, synchronous: str, publishers: int, *, grouped: bool) -> float:
    """Events a second, while nothing is sent."""
    file = folder / f"{synchronous}-{publishers}-{grouped}.db"
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        workflows=ROOT / "templates", database_url=f"sqlite+aiosqlite:///{file}", broker_url="memory://",
        secret_key="a secret key for benches, as long as they are", sqlite_synchronous=synchronous,  # type: ignore[arg-type]
    )  # fmt: skip
    app = App(settings, ["web"])
    await migrate(app.ledger)
    await app.orders.adopt_packs()
    intake: Intake | GroupCommit = GroupCommit(app.intake) if grouped else app.intake
    bodies = iter([Incoming(msgspec.json.encode(event(n, 0))) for n in range(EVENTS)])

    async def publish() -> None:
        for body in bodies:
            await intake.take([body], dead_letter=False)

    began = time.perf_counter()
    await asyncio.gather(*(publish() for _ in range(publishers)))
    took = time.perf_counter() - began
    await app.ledger.close()
    return EVENTS / took


async def main() -> None:
    """Print the table."""
    print(f"{datetime.now(UTC):%Y-%m-%d}: events a second, one a post")
    print("publishers   " + "".join(f"{n:>8}" for n in PUBLISHERS))
    with tempfile.TemporaryDirectory(prefix="stagebell-bench-", dir=".") as folder:
        for synchronous, grouped in (("FULL", False), ("FULL", True), ("NORMAL", True)):
            rates = [await _rate(Path(folder), synchronous, n, grouped=grouped) for n in PUBLISHERS]
            name = f"{synchronous}{', grouped' if grouped else ''}"
            print(f"{name:<13}" + "".join(f"{rate:>8.0f}" for rate in rates), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
