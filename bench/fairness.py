"""Codes beside a flood: how long others' codes take while one publisher's flood fills the channel, and at rest.

`python -m bench.fairness` runs this alone.
"""

import asyncio
import statistics
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bench import measures
from bench.contenders import Stagebell
from bench.contenders import event as small_event
from bench.processes import stop
from bench.setting import Setting, prepared
from tests.support.events import VENDOR
from tests.support.events import event as order_event

CODES: Final = 200
FLOOD: Final = 20
SMALL: Final = 2000  # of the flood's events: with one reader each, three messages
PEOPLE: Final = 100  # as many as an event may name
EVERY_S: Final = 0.05
WANTED: Final = "at most 2"


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
    """Of no run, so that its messages are not taken for codes."""
    return {**small_event(n, 0), "id": f"s-{n}", "subject": f"S-{n}", "source": "/flood"}


async def _codes(s: Setting, flood: int) -> dict[str, float]:
    """Milliseconds from publishing a code to its message at the provider, and how many came."""
    s.runs += 1
    stagebell = Stagebell()
    await stagebell.prepare(s)
    processes = stagebell.start(s)
    try:
        await asyncio.sleep(6)
        await measures.reset(s)
        if flood:
            await stagebell.feed(s, [_flood(s.runs, n) for n in range(flood)] + [_small(n) for n in range(SMALL)])
        published = await stagebell.feed(s, [_code(s.runs, n) for n in range(CODES)], delay=EVERY_S)
        await asyncio.sleep(2)
        seen = await measures.stats(s)
    finally:
        stop(processes)
    numbers = {f"B-{s.runs}-{n}": _number(s.runs, n) for n in range(CODES)}
    times = seen["times"]
    waits = sorted(1000 * (times[numbers[o]] - at) for o, at in published.items() if numbers[o] in times)
    p99 = waits[int(len(waits) * 0.99)] if waits else float("inf")
    return {
        "codes": len(waits),
        "p50_ms": statistics.median(waits or [float("inf")]),
        "p99_ms": p99,
        "messages": seen["count"],
    }


async def measure(s: Setting) -> dict[str, dict[str, float]]:
    """At rest, and beside a flood."""
    return {"at rest": await _codes(s, 0), "beside a flood": await _codes(s, FLOOD)}


def show(found: dict[str, dict[str, float]]) -> str:
    """The figures, and how many times longer a code takes."""
    lines = [
        f"{name:<16} {f['codes']:.0f} codes  p50 {f['p50_ms']:.0f} ms  p99 {f['p99_ms']:.0f} ms  of {f['messages']:.0f} messages"
        for name, f in found.items()
    ]
    ratio = found["beside a flood"]["p99_ms"] / found["at rest"]["p99_ms"]
    return "\n".join([*lines, f"p99 beside a flood: {ratio:.2f} times ({WANTED})"])


async def main() -> None:
    """This part alone."""
    async with prepared() as s:
        print(show(await measure(s)))


if __name__ == "__main__":
    asyncio.run(main())
