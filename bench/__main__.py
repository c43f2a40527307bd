"""`make bench`: Stagebell with everything durable beside its peers, which keep nothing. Ratios, from one run.

Same machine, same nodes, interleaved rounds, medians. Writes bench/results.json and bench/results.svg.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from bench import micro
from bench.contenders import ROOT, Contender, Setting, Stagebell, event, peers
from tests.support.nodes import Postgres, Rabbit, free_port, running
from tests.support.providers import _service_account

HERE = Path(__file__).parent
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def usage(processes: list[subprocess.Popen[bytes]]) -> tuple[float, float]:
    """CPU seconds and peak memory (MiB) of these and their children."""
    pids = [p.pid for p in processes]
    for pid in list(pids):
        pids += [int(c) for t in Path(f"/proc/{pid}/task").glob("*/children") for c in t.read_text().split()]
    cpu = memory = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            cpu += (int(fields[11]) + int(fields[12])) / CLOCK_TICKS
            status = Path(f"/proc/{pid}/status").read_text()
            memory += int(status.partition("VmHWM:")[2].split()[0]) / 1024
        except (OSError, IndexError, ValueError):
            continue
    return cpu, memory


async def stats(s: Setting) -> dict[str, Any]:
    """What the provider has seen."""
    async with aiohttp.ClientSession() as session, session.get(f"{s.provider}/stats") as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def reset(s: Setting) -> None:
    """Forget it."""
    async with aiohttp.ClientSession() as session:
        await session.post(f"{s.provider}/reset")


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """End what we started."""
    for p in processes:
        if p.poll() is None:
            os.killpg(p.pid, signal.SIGTERM)
    for p in processes:
        try:
            p.wait(25)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait(5)


async def throughput(c: Contender, s: Setting, count: int) -> dict[str, float]:
    """Events a second over a backlog, from the first message at the provider to the last."""
    s.runs += 1
    await c.prepare(s)
    await c.feed(s, [event(n, s.runs) for n in range(count)])
    await reset(s)
    processes = c.start(s)
    try:
        deadline = time.monotonic() + 150
        while (seen := await stats(s))["count"] < 3 * count and time.monotonic() < deadline:
            await asyncio.sleep(0.3)
        cpu, memory = usage(processes)
    finally:
        stop(processes)
    seconds = max(0.001, seen["last"] - seen["first"])
    done = seen["count"] / 3
    if done < count:
        print(f"  {c.name}: only {done:.0f} of {count} events; see {s.folder}", file=sys.stderr)
    return {"events_per_s": done / seconds, "cpu_ms_per_event": 1000 * cpu / max(1, done), "peak_mib": memory}


async def latency(c: Contender, s: Setting, seconds: int, rate: int = 50) -> dict[str, float]:
    """Milliseconds from publishing to the first message at the provider, at a steady rate."""
    s.runs += 1
    await c.prepare(s)
    processes = c.start(s)
    try:
        await asyncio.sleep(6)
        await reset(s)
        published = await c.feed(s, [event(n, s.runs) for n in range(rate * seconds)], delay=1 / rate)
        await asyncio.sleep(2)
        seen = (await stats(s))["times"]
    finally:
        stop(processes)
    waits = sorted(1000 * (seen[o] - at) for o, at in published.items() if o in seen)
    if len(waits) < 10:
        return {"p50_ms": 0.0, "p99_ms": 0.0}
    return {"p50_ms": statistics.median(waits), "p99_ms": waits[int(len(waits) * 0.99)]}


async def round_trips(s: Setting, count: int) -> dict[str, float]:
    """Statements that PostgreSQL ran for an event, by its own counters, over one run."""
    connection = await asyncpg.connect(s.database.replace("+asyncpg", ""))
    before = await connection.fetchval("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
    await throughput(Stagebell(), s, count)
    after = await connection.fetchval("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
    await connection.close()
    return {
        "transactions_per_event": (after - before) / count,
        "transactions_per_message": (after - before) / count / 3,
    }


async def grown(s: Setting, count: int, past: int) -> dict[str, float]:
    """Events a second with so many past orders, beside an empty database's."""
    empty = await throughput(Stagebell(), s, count)
    connection = await asyncpg.connect(s.database.replace("+asyncpg", ""))
    fill = (
        "INSERT INTO orders (id, workflow, order_id, status, stage, stage_rank, final, created_at, updated_at, sealed_state)"
        " SELECT gen_random_uuid(), 'device_pickup', 'past-' || n, 'completed', 'order_completed', 7, true, now(), now(), '\\x00'"
        f" FROM generate_series(1, {past}) n"
    )
    await connection.execute(fill, timeout=400)
    await connection.execute("ANALYZE orders", timeout=200)
    await connection.close()
    full = await throughput(Stagebell(), s, count)
    return {
        "empty": empty["events_per_s"],
        "full": full["events_per_s"],
        "ratio": full["events_per_s"] / empty["events_per_s"],
    }


async def start_to_ready(s: Setting) -> float:
    """Seconds from starting the process to /readyz."""
    env = Stagebell().environment(s, s.port)
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "service", "run"], env=env, cwd=s.folder, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    try:
        async with aiohttp.ClientSession() as session:
            while time.monotonic() - began < 30:
                try:
                    async with session.get(f"http://127.0.0.1:{s.port}/readyz") as answer:
                        if answer.status == 200:
                            return time.monotonic() - began
                except aiohttp.ClientError:
                    await asyncio.sleep(0.02)
    finally:
        stop([process])
    return 30.0


def median_of(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}


async def measure(options: argparse.Namespace, s: Setting) -> dict[str, Any]:
    """Everything, interleaved."""
    contenders = [Stagebell(), *peers()]
    work: dict[str, list[dict[str, float]]] = {c.name: [] for c in contenders}
    for n in range(options.rounds):
        for c in contenders:
            work[c.name].append(await throughput(c, s, options.events))
            print(f"  round {n + 1}  {c.name:<11} {work[c.name][-1]['events_per_s']:7.0f} events/s", file=sys.stderr)
    waits = {c.name: await latency(c, s, options.latency_seconds) for c in contenders[:3]}
    more = {
        f"{n} dispatch": (
            await throughput(
                Stagebell(f"{n} dispatch", ("intake,clock,relay,web", *["dispatch"] * n)), s, options.events
            )
        )["events_per_s"]
        for n in options.dispatchers
    }
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "date": datetime.now(UTC).date().isoformat(),
        "events": options.events,
        "work": {name: median_of(rounds) for name, rounds in work.items()},
        "latency": waits,
        "dispatchers": more,
        "start_to_ready_s": await start_to_ready(s),
        "database": await round_trips(s, options.events),
        "growth": await grown(s, options.events, options.past) if options.past else {},
        "micro": micro.measure(),
    }


def show(found: dict[str, Any]) -> str:
    """The table."""
    bare = found["work"]["bare loop"]["events_per_s"]
    lines = [f"{'':<12}{'events/s':>10}{'of bare':>9}{'CPU ms/event':>14}{'peak MiB':>10}{'p50 ms':>8}{'p99 ms':>8}"]
    for name, w in found["work"].items():
        wait = found["latency"].get(name, {})
        lines.append(
            f"{name:<12}{w['events_per_s']:>10.0f}{w['events_per_s'] / bare:>9.2f}{w['cpu_ms_per_event']:>14.2f}"
            f"{w['peak_mib']:>10.0f}{wait.get('p50_ms', 0):>8.1f}{wait.get('p99_ms', 0):>8.1f}"
        )
    lines.append("\ndispatch processes: " + ", ".join(f"{k}: {v:.0f}/s" for k, v in found["dispatchers"].items()))
    lines.append(f"start to ready: {found['start_to_ready_s']:.2f} s")
    lines.append("PostgreSQL: " + ", ".join(f"{k.replace('_', ' ')} {v:.2f}" for k, v in found["database"].items()))
    if found["growth"]:
        lines.append("past orders: " + ", ".join(f"{k} {v:.2f}" for k, v in found["growth"].items()))
    lines.append("one event, in µs: " + ", ".join(f"{k} {v:.0f}" for k, v in found["micro"].items()))
    return "\n".join(lines)


def chart(found: dict[str, Any]) -> str:
    """Bars of events/s."""
    most = max(w["events_per_s"] for w in found["work"].values())
    rows = []
    for i, (name, w) in enumerate(found["work"].items()):
        y, wide = 20 + 34 * i, 460 * w["events_per_s"] / most
        colour = "#14532d" if name == "stagebell" else "#9aa39c"
        rows.append(f'<text x="110" y="{y + 16}" text-anchor="end">{name}</text><rect x="120" y="{y}" width="{wide:.0f}" height="24" rx="4" fill="{colour}"/>'
                    f'<text x="{128 + wide:.0f}" y="{y + 16}">{w["events_per_s"]:.0f}</text>')  # fmt: skip
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="680" height="{34 * len(rows) + 40}" font-family="sans-serif" font-size="14">'
            + "".join(rows) + "</svg>\n")  # fmt: skip


async def main() -> None:
    """Start the nodes, measure, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency-seconds", type=int, default=10)
    parser.add_argument("--past", type=int, default=5_000_000)
    parser.add_argument("--dispatchers", type=int, nargs="*", default=[1, 2, 4])
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stagebell-bench-"))
    shutil.copytree(ROOT / "templates", folder / "packs")
    pack = folder / "packs" / "device_pickup" / "workflow.yaml"
    pack.write_text(pack.read_text().replace("grace: 60s", "grace: 1h"))
    port = free_port()
    provider = subprocess.Popen([sys.executable, "-m", "bench.provider", str(port)], cwd=ROOT)
    try:
        with running(Rabbit) as rabbit, running(Postgres) as postgres:
            connection = await asyncpg.connect(f"postgresql://stagebell@127.0.0.1:{postgres.port}/postgres")
            await connection.execute("CREATE DATABASE bench")
            await connection.close()
            url = f"http://127.0.0.1:{port}"
            credentials = folder / "fcm.json"
            credentials.write_text(json.dumps(_service_account(url)))
            s = Setting(rabbit.url, postgres.url("bench"), url, credentials, folder, free_port())  # type: ignore[union-attr]
            found = await measure(options, s)
    finally:
        provider.terminate()
        provider.wait(10)
    (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (HERE / "results.svg").write_text(chart(found))
    print(show(found))


if __name__ == "__main__":
    asyncio.run(main())
