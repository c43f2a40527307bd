"""How long it takes until messages go out again, and as many as before."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.chaos.scene import Scene

# Under faults: events a second, over how long the usual rate is taken, which part of it counts as full.
PER_SECOND = 20.0
USUAL_S = 5.0
FULL = 0.9
FULL_WITHIN_S = 10.0
LONGEST_WAIT_S = 60.0
SETTLES_S = 20.0
# What a fault may cost under load beyond what it costs a service that has nothing else to do.
WORSE_BY_S = 2.0

Shake = Callable[[], Awaitable[None]]


async def messages_in(scene: Scene, seconds: float) -> int:
    """How many go out in this time."""
    before = len(scene.providers.sent)
    await asyncio.sleep(seconds)
    return len(scene.providers.sent) - before


async def back_to(scene: Scene, usual: float) -> tuple[float, float]:
    """Seconds from now to the next message, and to the end of the first second with as many as usual."""
    back, seen = time.monotonic(), len(scene.providers.sent)
    marks = [(back, seen)]
    first = 0.0
    while time.monotonic() - back < LONGEST_WAIT_S:
        await asyncio.sleep(0.05)
        now, sent = time.monotonic(), len(scene.providers.sent)
        marks.append((now, sent))
        first = first or (now - back if sent > seen else 0.0)
        began, then = next(m for m in reversed(marks) if m[0] <= now - 1 or m is marks[0])
        if now - began >= 1 and sent - then >= FULL * usual:
            return first, now - back
    return first, LONGEST_WAIT_S


def spread(seconds: Sequence[float]) -> str:
    """Median and most."""
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.1f} s (median), {ordered[-1]:.1f} s at most"


@dataclass
class Fault:
    """Something that is done to the engines: `break_it`, and `mend_it`, which returns once they are back.

    `after`: what makes them whole again, which nobody waits for.
    """

    name: str
    break_it: Shake
    mend_it: Shake
    after: Shake | None = None


async def alone(scene: Scene, fault: Fault, seed: int) -> float:
    """Without load: from the engines' return to the message of an event that is published at that moment."""
    await fault.break_it()
    await fault.mend_it()
    began, seen = time.monotonic(), len(scene.providers.sent)
    enough = asyncio.Event()
    publishing = asyncio.create_task(scene.keep_publishing(enough, seed, 100.0))
    while len(scene.providers.sent) == seen and time.monotonic() - began < LONGEST_WAIT_S:
        await asyncio.sleep(0.02)
    took = time.monotonic() - began
    enough.set()
    await publishing
    if fault.after:
        await fault.after()
    return took


async def shaken(scene: Scene, faults: Sequence[Fault], per_second: float = PER_SECOND) -> str:
    """Each of these, without load and under it; what was lost, doubled, and how long until all went on."""
    await scene.publish(10, 999)
    await asyncio.sleep(2)
    quiet = [await alone(scene, fault, 2000 + 50 * n) for n, fault in enumerate(faults)]
    enough = asyncio.Event()
    publishing = asyncio.create_task(scene.keep_publishing(enough, 3000, per_second))
    await asyncio.sleep(3)
    lines = []
    for n, fault in enumerate(faults):
        usual = await messages_in(scene, USUAL_S) / USUAL_S
        await fault.break_it()
        await fault.mend_it()
        first, full = await back_to(scene, usual)
        worse = "" if first <= quiet[n] + WORSE_BY_S else " TOO LATE"
        lines.append(
            f"\n  {fault.name}: first message after {first:.1f} s, without load {quiet[n]:.1f} s{worse};"
            f" full rate ({usual:.0f}/s) after {full:.1f} s"
        )
        if fault.after:
            await fault.after()
    enough.set()
    await publishing
    found = await scene.check(within_s=420)
    named = "".join(f"\n  doubled: {which}" for which in found.doubled)
    return found.line() + "".join(lines) + named
