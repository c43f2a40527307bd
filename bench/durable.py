"""Stagebell and peers with the same guarantees: each event counts once, none is lost, and sent messages are recorded.

`python -m bench.durable` runs this part alone. bench/peers/store.py has what peers store, bench/peers/durable_*.py how.
"""

import statistics
import sys
from typing import Final

from bench import measures
from bench.contenders import Stagebell, durable_peers
from bench.setting import Setting, part

EVENTS: Final = 3000
ROUNDS: Final = 3


async def measure(s: Setting, events: int = EVENTS, rounds: int = ROUNDS) -> dict[str, dict[str, float]]:
    """Events a second and CPU of each, interleaved; Stagebell first. PostgreSQL's CPU is that of all its backends."""
    contenders = [Stagebell(), *durable_peers()]
    found: dict[str, list[dict[str, float]]] = {c.name: [] for c in contenders}
    for n in range(rounds):
        for c in contenders:
            found[c.name].append(await measures.throughput(c, s, events))
            print(f"  round {n + 1}  {c.name:<24} {found[c.name][-1]['events_per_s']:7.0f} events/s", file=sys.stderr)
    return {name: {k: statistics.median(r[k] for r in of) for k in of[0]} for name, of in found.items()}


def show(found: dict[str, dict[str, float]]) -> str:
    """A line for each, with the ratio to Stagebell."""
    ours = found["stagebell"]["events_per_s"]
    return "\n".join(
        f"durable: {name:<24}{f['events_per_s']:>7.0f} events/s, CPU {f['cpu_ms_per_event']:.2f}"
        f" + {f['postgres_ms_per_event']:.2f} ms an event (Python + PostgreSQL)"
        + ("" if name == "stagebell" else f"; Stagebell does {ours / f['events_per_s']:.2f} times as many")
        for name, f in found.items()
    )


if __name__ == "__main__":
    part(measure, show, events=EVENTS, rounds=ROUNDS)
