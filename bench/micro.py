"""The parts of processing one event, each timed alone in this process: decode, decide, seal, render three messages."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from bench.clocks import new_app
from bench.contenders import event
from bench.setting import ROOT
from service.dispatch.compose import Composer
from service.domain.causes import EventReceived
from service.domain.decide import decide
from service.domain.event_decoding import decode
from service.domain.order import order_uuid
from service.intake.decoding import Incoming
from service.keyring import Keyring
from service.ledger.database.engine import new_uuid
from service.ledger.messages.claims import ClaimedMessage
from service.ledger.orders.commit import Changes
from service.timekeeping import ManualTime
from service.workflows import packs
from tests.support.nodes import Postgres

SERIES, REPEATS = 8, 250


def timed(work: Callable[[], Any]) -> float:
    """Microseconds of CPU per call, as the quickest of several series takes: the others were disturbed."""
    for _ in range(50):
        work()
    series = []
    for _ in range(SERIES):
        began = time.thread_time()
        for _ in range(REPEATS):
            work()
        series.append(1e6 * (time.thread_time() - began) / REPEATS)
    return min(series)


async def commits(postgres: Postgres) -> dict[int, float]:
    """Milliseconds per event for intake's whole transaction, by the number of events in it."""
    clock = ManualTime(datetime.now(UTC))
    app = await new_app(await postgres.create("commits"), clock)
    found: dict[int, float] = {}
    for size in (1, 10, 100):
        spent = 0.0
        for n in range(12):
            batch = [Incoming(msgspec.json.encode(event(i, size * 100 + n))) for i in range(size)]
            began = time.perf_counter()
            await app.intake.take(batch, dead_letter=True)
            spent += time.perf_counter() - began if n > 1 else 0
        found[size] = 1000 * spent / 10 / size
    await app.ledger.close()
    return found


def measure() -> dict[str, float]:
    """Microseconds of each part for one event with three messages."""
    loaded = packs.load(ROOT / "templates")
    workflow = loaded.get("device_pickup").workflow
    keyring = Keyring("a secret key for benches, as long as any")
    body = msgspec.json.encode(event(1, 0))
    now = datetime.now(UTC)
    happened = EventReceived(now, decode(body))
    decision = decide(None, happened, workflow, order_uuid(new_uuid()))
    composer = Composer(loaded, keyring, "Bench", "https://t.example")
    (notice,) = decision.notices
    claims = [
        ClaimedMessage(
            n,
            1,
            workflow.name,
            "B-0-1",
            notice.at,
            notice.planned,
            True,
            False,
            notice.context,
            None,
            "",
            workflow.version,
        )
        for n in notice.messages
    ]
    return {
        "decode": timed(lambda: decode(body)),
        "decide": timed(lambda: decide(None, happened, workflow, order_uuid(new_uuid()))),
        "seal rows": timed(lambda: Changes(keyring, now).add(workflow, None, decision)),
        "render": timed(lambda: [composer.compose(c, 60) for c in claims]),
    }
