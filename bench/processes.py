"""Processes and databases for several parts of the bench: their settings, usage and end."""

import asyncio
import contextlib
import os
import signal
import subprocess
from pathlib import Path

import aiohttp

from bench.setting import ROOT
from tests.support.ports import free_port

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def environment(folder: Path, database: str, broker: str, port: int = 0, **more: str) -> dict[str, str]:
    """Settings of a service without providers, so that messages are captured."""
    values = {
        "DATABASE_URL": database, "BROKER_URL": broker, "WORKFLOWS": str(ROOT / "templates"), "SECRET_KEY": "a secret key for benches, as long as any",
        "HTTP_PORT": str(port or free_port()), "PUBLIC_URL": "https://t.example", "LOG_FORMAT": "json", **more,
    }  # fmt: skip
    return {**os.environ, "PYTHONPATH": str(ROOT), **{f"STAGEBELL_{k}": v for k, v in values.items()}}


async def ready(port: int) -> None:
    """Wait until the service on this port is ready."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)


def usage(processes: list[subprocess.Popen[bytes]]) -> tuple[float, float]:
    """CPU seconds and peak memory (MiB) of these processes and their children."""
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


def cpu_of_tree(pid: int) -> float:
    """CPU seconds of a process and its descendants, including those that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = [int(c) for t in Path(f"/proc/{pid}/task").glob("*/children") for c in t.read_text().split()]
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / CLOCK_TICKS + sum(map(cpu_of_tree, children))


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Stop these processes."""
    for p in processes:
        if p.poll() is None:
            os.killpg(p.pid, signal.SIGTERM)
    for p in processes:
        try:
            p.wait(25)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait(5)
