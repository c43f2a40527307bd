"""`make bench`: Stagebell compared with peers, durable and not. Ratios from one run.

Same machine, same brokers and databases, interleaved rounds, medians. Writes bench/results.json and bench/results.svg.
"""

import argparse
import asyncio
import inspect
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import board, clocks, durable, fairness, foresight, measures, micro, partitions, report, sending, stream
from bench.contenders import Stagebell, acknowledger, peers
from bench.setting import Setting, prepared

HERE = Path(__file__).parent
# The number of rounds of the expensive parts, so that the whole takes at most 20 minutes.
FEWER_ROUNDS = 2
# The number of events whose statements are counted; all of them have to be processed.
COUNTED = 1000


def median_of(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}


async def intake_beside_ack(s: Setting, count: int, rounds: int) -> dict[str, float]:
    """Events a second that intake decides and commits, and that a consumer which only acknowledges takes."""
    got: dict[str, list[float]] = {"intake": [], "ack only": []}
    for _ in range(rounds):
        got["intake"].append(await measures.taken_in(Stagebell("intake", ("intake",)), s, count))
        got["ack only"].append(await measures.drained(acknowledger(), s, count))
    return {name: statistics.median(rates) for name, rates in got.items()}


async def beside_peers(options: argparse.Namespace, s: Setting) -> dict[str, Any]:
    """Throughput and latency, in interleaved rounds."""
    contenders = [Stagebell(), *peers()]
    work: dict[str, list[dict[str, float]]] = {c.name: [] for c in contenders}
    for n in range(options.rounds):
        for c in contenders:
            work[c.name].append(await measures.throughput(c, s, options.events))
            print(f"  round {n + 1}  {c.name:<11} {work[c.name][-1]['events_per_s']:7.0f} events/s", file=sys.stderr)
    waits = {c.name: await measures.latency(c, s, options.latency_seconds) for c in contenders[:3]}
    return {"work": {name: median_of(rounds) for name, rounds in work.items()}, "latency": waits}


async def several_dispatchers(options: argparse.Namespace, s: Setting) -> dict[str, float]:
    """Events a second by number of dispatcher processes."""
    apart = [Stagebell(f"{n} dispatch", ("intake,clock,relay,web", *["dispatch"] * n)) for n in options.dispatchers]
    more: dict[str, list[float]] = {c.name: [] for c in apart}
    for _ in range(min(options.rounds, FEWER_ROUNDS)):
        for c in apart:
            more[c.name].append((await measures.throughput(c, s, options.events))["events_per_s"])
    return {name: statistics.median(rates) for name, rates in more.items()}


async def measure(options: argparse.Namespace, s: Setting) -> dict[str, Any]:
    """All parts, one after the other; prints how long each took."""
    found = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "date": datetime.now(UTC).date().isoformat(),
        "events": options.events,
        **await beside_peers(options, s),
    }
    parts: dict[str, Callable[[], Any]] = {
        "durable": lambda: durable.measure(s, options.events, min(options.rounds, FEWER_ROUNDS)),
        "fairness": lambda: fairness.measure(s),
        "dispatchers": lambda: several_dispatchers(options, s),
        "start_to_ready_s": lambda: measures.start_to_ready(s),
        "database": lambda: measures.round_trips(s, min(options.events, COUNTED)),
        "intake": lambda: intake_beside_ack(s, 4 * options.events, options.rounds),
        "micro": micro.measure,
        "sending": sending.measure,
        "foresight": foresight.measure,
        "commit_ms": lambda: micro.commits(s.postgres),
        "clocks": lambda: clocks.measure(s.postgres, s.folder),
        "partitions": lambda: partitions.measure(s, options.events),
        "board": lambda: board.measure(s.postgres, s.folder),
        "stream": lambda: stream.measure(s.postgres, s.folder),
        "growth": lambda: measures.grown(s, options.events, options.past) if options.past else {},
    }
    for name, part in parts.items():
        began, result = time.monotonic(), part()
        found[name] = await result if inspect.isawaitable(result) else result
        print(f"  {name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return found


async def main() -> None:
    """Measure, write the results and print them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency-seconds", type=int, default=10)
    parser.add_argument("--past", type=int, default=5_000_000)
    parser.add_argument("--dispatchers", type=int, nargs="*", default=[1, 2, 4])
    options = parser.parse_args()
    async with prepared() as s:
        found = await measure(options, s)
    (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (HERE / "results.svg").write_text(report.chart(found))
    print(report.show(found))


if __name__ == "__main__":
    asyncio.run(main())
