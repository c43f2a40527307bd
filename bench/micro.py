"""The parts of one event, each timed alone in this process: decode, decide, seal rows, render three messages."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from bench.contenders import ROOT, event
from service.dispatch.compose import Composer
from service.domain.causes import Happened
from service.domain.decide import decide
from service.domain.events import decode
from service.domain.order import order_uuid
from service.keyring import Keyring
from service.ledger.commit import Batch
from service.ledger.engine import new_uuid
from service.ledger.notifications import Claimed
from service.workflows import packs

REPEATS = 2000


def timed(work: Callable[[], Any]) -> float:
    """Microseconds a call."""
    for _ in range(50):
        work()
    began = time.perf_counter()
    for _ in range(REPEATS):
        work()
    return 1e6 * (time.perf_counter() - began) / REPEATS


def measure() -> dict[str, float]:
    """Each part's microseconds for one event (three messages)."""
    loaded = packs.load(ROOT / "templates")
    workflow = loaded.get("device_pickup").workflow
    keyring = Keyring("bench")
    body = msgspec.json.encode(event(1, 0))
    happened = Happened(decode(body))
    now = datetime.now(UTC)
    decision = decide(None, happened, workflow, now, order_uuid(new_uuid()))
    composer = Composer(loaded, keyring, "Bench", "https://t.example")
    (notice,) = decision.notices
    claims = [
        Claimed(
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
        for n in notice.notifications
    ]
    return {
        "decode": timed(lambda: decode(body)),
        "decide": timed(lambda: decide(None, happened, workflow, now, order_uuid(new_uuid()))),
        "seal rows": timed(lambda: Batch(keyring, now).add(workflow, None, decision)),
        "render": timed(lambda: [composer.compose(c, 60) for c in claims]),
    }
