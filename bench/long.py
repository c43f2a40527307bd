"""`make bench-long`: parts too long for `make bench`: 20 million past orders, 10 million clocks. No time limit.

Disk space: about 1 kB for a minimal past order, 4 kB for each tenth one, which is complete, 1 kB for a clock.
"""

from typing import Any

from bench import clocks, measures
from bench.setting import Setting, part


async def measure(
    s: Setting, past: int = 20_000_000, pending: int = 10_000_000, events: int = 3000
) -> dict[str, dict[str, Any]]:
    """Events a second with this many past orders and none, and the cost of clocks with this many pending and 1,000."""
    return {
        "growth": await measures.grown(s, events, past),
        "clocks": {"past": past, "pending": pending, **await clocks.costs(s.postgres, pending)},
    }


def show(found: dict[str, dict[str, Any]]) -> str:
    """The ratios."""
    growth, cost = found["growth"], found["clocks"]
    lines = [
        f"{cost['past']:,} past orders: {growth['full']:.0f} events/s beside {growth['empty']:.0f} with none"
        f" ({growth['ratio']:.2f})"
    ]
    ratios = ", ".join(f"{k} {v:.2f}" for k, v in cost["ratio"].items())
    return "\n".join([*lines, f"{cost['pending']:,} clocks beside 1,000: {ratios}"])


if __name__ == "__main__":
    part(measure, show, past=20_000_000, pending=10_000_000, events=3000)
