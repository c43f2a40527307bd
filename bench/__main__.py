"""`make bench`: Stagebell with everything durable beside its peers, which keep nothing. Ratios, from one run.

Same machine, same nodes, interleaved rounds, medians. Writes bench/results.json and bench/results.svg.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import clocks, fairness, foresight, measures, micro, report, sending, stream
from bench.contenders import Stagebell, acknowledger, peers
from bench.setting import Setting, prepared

HERE = Path(__file__).parent


def median_of(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}


async def intake_beside_ack(s: Setting, count: int, rounds: int) -> dict[str, float]:
    """Events a second that intake takes, decides and commits, beside a consumer that only acknowledges."""
    pair = {"intake": Stagebell("intake", ("intake",)), "ack only": acknowledger()}
    got: dict[str, list[float]] = {name: [] for name in pair}
    for _ in range(rounds):
        for name, contender in pair.items():
            got[name].append(await measures.drained(contender, s, count))
    return {name: statistics.median(rates) for name, rates in got.items()}


async def measure(options: argparse.Namespace, s: Setting) -> dict[str, Any]:
    """Everything, interleaved."""
    contenders = [Stagebell(), *peers()]
    work: dict[str, list[dict[str, float]]] = {c.name: [] for c in contenders}
    for n in range(options.rounds):
        for c in contenders:
            work[c.name].append(await measures.throughput(c, s, options.events))
            print(f"  round {n + 1}  {c.name:<11} {work[c.name][-1]['events_per_s']:7.0f} events/s", file=sys.stderr)
    waits = {c.name: await measures.latency(c, s, options.latency_seconds) for c in contenders[:3]}
    apart = [Stagebell(f"{n} dispatch", ("intake,clock,relay,web", *["dispatch"] * n)) for n in options.dispatchers]
    more: dict[str, list[float]] = {c.name: [] for c in apart}
    for _ in range(options.rounds):
        for c in apart:
            more[c.name].append((await measures.throughput(c, s, options.events))["events_per_s"])
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "date": datetime.now(UTC).date().isoformat(),
        "events": options.events,
        "work": {name: median_of(rounds) for name, rounds in work.items()},
        "latency": waits,
        "dispatchers": {name: statistics.median(rates) for name, rates in more.items()},
        "start_to_ready_s": await measures.start_to_ready(s),
        "database": await measures.round_trips(s, options.events),
        "growth": await measures.grown(s, options.events, options.past) if options.past else {},
        "intake": await intake_beside_ack(s, 4 * options.events, options.rounds),
        "micro": micro.measure(),
        "sending": await sending.measure(),
        "foresight": await foresight.measure(),
        "commit_ms": await micro.commits(s.postgres),
        "clocks": await clocks.measure(s.postgres, s.folder),
        "fairness": await fairness.measure(s),
        "stream": await stream.measure(s.postgres, s.folder),
    }


async def main() -> None:
    """Measure, write, print."""
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
