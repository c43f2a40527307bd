"""The latency of codes while one publisher's flood fills the channel, and at rest.

`python -m bench.fairness` runs this alone. Rounds at rest and under a flood alternate, each with a new database.
"""

import argparse
import asyncio
import json
import statistics
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import aio_pika

from bench import measures
from bench.contenders import Stagebell
from bench.contenders import event as small_event
from bench.processes import stop
from bench.setting import Setting, prepared
from tests.support.events import VENDOR
from tests.support.events import event as order_event
from tests.support.nodes import connect

CODES: Final = 100
ROUNDS: Final = 3
FLOOD: Final = 20
SMALL: Final = 2000  # events of the flood with one reader each, three messages
PEOPLE: Final = 100  # the maximum in one event
EVERY_S: Final = 0.05
STARTED_S: Final = 10.0  # until all templates are compiled, as start-up is measured elsewhere
WANTED: Final = "at most 2"
# The steps of a code, each measured from the end of the previous one.
STEPS: Final = ("in line", "committed", "claimed", "at the provider")
_CLAIMED: Final = (
    "SELECT o.order_id, m.history FROM orders o JOIN notices n ON n.order_id = o.id"
    " JOIN messages m ON m.notice_id = n.id WHERE o.order_id LIKE 'B-%' AND m.channel = 'sms'"
)


def _number(run: int, n: int) -> str:
    return f"9198{run % 100:02d}{n:06d}"


def _code(run: int, n: int) -> dict[str, Any]:
    now = datetime.now(UTC)
    otp = {"otp": {"value": "481920", "expires": (now + timedelta(minutes=9)).isoformat()}}
    customer = {"name": "Asha", "phone": f"+{_number(run, n)}", "locale": "en"}
    return order_event(f"B-{run}-{n}", "payment_initiated", now, recipients={"customer": customer}, secrets=otp)


def _flood(run: int, n: int) -> dict[str, Any]:
    people = [{"phone": f"+9197{n % 100:02d}{p:06d}", "locale": "en"} for p in range(PEOPLE)]
    now = datetime.now(UTC)
    flood = order_event(f"F-{run}-{n}", "vendor_en_route", now, recipients={"customer": people}, assignee=VENDOR)
    return {**flood, "source": "/flood"}


def _small(n: int) -> dict[str, Any]:
    """Not part of a run, so that its messages are not taken for codes."""
    return {**small_event(n, 0), "id": f"s-{n}", "subject": f"S-{n}", "source": "/flood"}


async def _codes(at: Setting, *, flooded: bool) -> dict[str, Any]:
    """One round: for each code the ms of each step, and the number of messages sent meanwhile."""
    at.runs += 1
    s = replace(at, database=await at.postgres.create(f"codes{at.runs}"))
    stagebell = Stagebell(f"codes-{s.runs}")
    await stagebell.prepare(s)
    processes = stagebell.start(s)
    try:
        await stagebell.ready(s)
        await stagebell.feed(s, [_code(99, n) for n in range(5)], delay=EVERY_S)  # opens connections, compiles
        await asyncio.sleep(STARTED_S)
        await measures.reset(s)
        if flooded:
            await stagebell.feed(s, [_flood(s.runs, n) for n in range(FLOOD)] + [_small(n) for n in range(SMALL)])
        before = await measures.stats(s)
        published = await stagebell.feed(s, [_code(s.runs, n) for n in range(CODES)], delay=EVERY_S)
        seen = await measures.stats(s)
        messages, seconds = seen["count"] - before["count"], CODES * EVERY_S
        await asyncio.sleep(2)
        seen = await measures.stats(s)
    finally:
        stop(processes)
    await _empty(s, stagebell.queue)
    reached = {f"B-{s.runs}-{n}": seen["times"].get(_number(s.runs, n)) for n in range(CODES)}
    return {"codes": await _steps(s, stagebell.name, published, reached), "messages_per_s": messages / seconds}


async def _empty(s: Setting, queue: str) -> None:
    """Discard the rest of the flood before the next round."""
    async with await aio_pika.connect(s.amqp) as connection:
        await (await (await connection.channel()).get_queue(queue, ensure=True)).purge()


async def _steps(
    s: Setting, name: str, published: dict[str, float], reached: dict[str, float | None]
) -> list[tuple[float, ...]]:
    """For each code that arrived, the ms of each of STEPS."""
    committed: dict[str, float] = {}
    for line in (s.folder / f"{name}.log").read_text().splitlines():
        if '"event.accepted"' in line and '"B-' in line:
            entry = json.loads(line)
            committed[entry["order_id"]] = datetime.fromisoformat(entry["timestamp"]).timestamp()
    connection = await connect(s.database)
    found: dict[str, tuple[float, ...]] = {}
    for row in await connection.fetch(_CLAIMED):
        order = row["order_id"]
        at: dict[str, float] = {}
        for text in row["history"].splitlines():
            step = json.loads(text)
            at.setdefault(step["state"], datetime.fromisoformat(step["at"]).timestamp())
        came = reached.get(order)
        if came is None or order not in committed or "sending" not in at:
            continue
        # Messages begun in their event's transaction are claimed in it.
        claimed = max(committed[order], at["sending"])
        passed = [published[order], at["pending"], committed[order], claimed, came]
        found[order] = tuple(1000 * (b - a) for a, b in pairwise(passed))
    await connection.close()
    return list(found.values())


def _p(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("inf")


def _summed(rounds: list[dict[str, Any]]) -> dict[str, float]:
    """The figures over all rounds of a kind."""
    codes = [code for r in rounds for code in r["codes"]]
    waits = [sum(code) for code in codes]
    found = {"codes": float(len(codes)), "p50_ms": _p(waits, 0.5), "p99_ms": _p(waits, 0.99)}
    found["messages_per_s"] = statistics.mean(r["messages_per_s"] for r in rounds)
    for i, step in enumerate(STEPS):
        of_step = [code[i] for code in codes]
        found |= {f"{step} p50_ms": _p(of_step, 0.5), f"{step} p99_ms": _p(of_step, 0.99)}
    return found


async def measure(s: Setting, rounds: int = ROUNDS) -> dict[str, dict[str, float]]:
    """At rest and under a flood."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for _ in range(rounds):
        for name, flooded in (("at rest", False), ("beside a flood", True)):
            found[name].append(await _codes(s, flooded=flooded))
    return {name: _summed(of) for name, of in found.items()}


def show(found: dict[str, dict[str, float]]) -> str:
    """The figures, the time of each step, and the ratio of latencies."""
    lines = []
    for name, f in found.items():
        steps = ", ".join(f"{step} {f[f'{step} p50_ms']:.0f}/{f[f'{step} p99_ms']:.0f}" for step in STEPS)
        lines.append(
            f"{name:<15} {f['codes']:.0f} codes  p50/p99 {f['p50_ms']:.0f}/{f['p99_ms']:.0f} ms ({steps})"
            f"  {f['messages_per_s']:.0f} messages/s"
        )
    ratio = found["beside a flood"]["p99_ms"] / found["at rest"]["p99_ms"]
    return "\n".join([*lines, f"p99 beside a flood: {ratio:.2f} times ({WANTED})"])


async def main() -> None:
    """Run this part alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    async with prepared() as s:
        print(show(await measure(s, options.rounds)))


if __name__ == "__main__":
    asyncio.run(main())
