"""A flame graph of one loaded process: `python -m bench.flame` writes bench/flame.svg (sampled by py-spy).

By default over a backlog; `--rate 50` samples at a steady rate, where messages wait between steps.
"""

import argparse
import asyncio
import subprocess
from pathlib import Path

from bench.contenders import PEER_PYTHON, Stagebell, event
from bench.measures import stats
from bench.processes import stop
from bench.setting import prepared


async def main() -> None:
    """Load a process and sample it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rate", type=int, default=0, help="events a second; 0 is a backlog")
    parser.add_argument("--format", default="flamegraph", choices=["flamegraph", "raw", "speedscope"])
    parser.add_argument("--out", default=str(Path(__file__).parent / "flame.svg"))
    options = parser.parse_args()
    async with prepared() as s:
        stagebell = Stagebell()
        await stagebell.prepare(s)
        backlog = 0 if options.rate else 600 * options.seconds
        await stagebell.feed(s, [event(n, 1) for n in range(backlog)])
        processes = stagebell.start(s)
        if options.rate:
            await asyncio.sleep(5)
            steady = [event(n, 2) for n in range(options.rate * (options.seconds + 3))]
            feeding = asyncio.create_task(stagebell.feed(s, steady, delay=1 / options.rate))
        while (await stats(s))["count"] < 30:
            await asyncio.sleep(0.05)
        command = [str(PEER_PYTHON.with_name("py-spy")), "record", "-p", str(processes[0].pid), "-r", "200",
                   "-d", str(options.seconds), "-f", options.format, "-o", options.out]  # fmt: skip
        await asyncio.to_thread(subprocess.run, command, check=True)
        if options.rate:
            await feeding
        stop(processes)


if __name__ == "__main__":
    asyncio.run(main())
