"""2,000 readers of the escalation stream in one process: a burst of 100 breaches, and readers that do not read.

Teams are called for each order; with the pack's own limit the burst would be one incident with one line.

`python -m bench.stream` runs this part alone.
"""

import asyncio
import socket
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from bench.clocks import new_app, order_event, orders_due
from bench.processes import environment
from bench.setting import alone
from service.intake.decoding import Incoming
from service.ledger.access import api_keys as keys
from service.timekeeping import SteadyTime
from tests.support.events import encoded, event
from tests.support.nodes import Postgres
from tests.support.ports import free_port
from tests.support.process import Process, without_incidents

BREACHES = 100
FLOOD = 2500  # more than the backlog and buffers of a reader
QUIET = b"escalation.opened"


class Reader:
    """Counts opened escalations, and the time of the last one."""

    def __init__(self) -> None:
        self.opened = 0
        self.at = 0.0

    async def read(self, session: aiohttp.ClientSession, url: str, ready: asyncio.Event) -> None:
        """Read until the other side closes."""
        async with session.get(url) as response:
            tail = b""
            async for chunk in response.content.iter_any():
                ready.set()
                tail += chunk
                found = tail.count(b"event: " + QUIET)
                if found:
                    self.opened += found
                    self.at = time.time()
                    tail = tail[-len(QUIET) :] if not tail.endswith(QUIET) else b""


async def _open_slow(port: int, key: str) -> socket.socket:
    """Request the stream and never read it."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.setblocking(False)
    await asyncio.get_running_loop().sock_connect(s, ("127.0.0.1", port))
    head = f"GET /v1/escalations/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
    await asyncio.get_running_loop().sock_sendall(s, head.encode())
    return s


def _issue(n: int) -> Incoming:
    kind = "order.issue_reported"
    return Incoming(
        encoded(event(f"o{n % BREACHES}-f{n}", at=datetime.now(UTC), kind=kind, issue={"reason": "app_error"}))
    )


async def measure(postgres: Postgres, folder: Path, readers: int = 2000, slow: int = 5) -> dict[str, Any]:
    """Seconds from the breaches to the last reader's last line; missed lines; whether slow readers are disconnected."""
    url = await postgres.create("stream")
    # As one incident the breaches would be one line instead of a hundred.
    packs = without_incidents(folder / "packs-without-incidents")
    app = await new_app(url, SteadyTime(), packs)
    async with app.ledger.transaction() as tx:
        key = await keys.create(tx, "supervisor", "bench", datetime.now(UTC))
    port = free_port()
    env = environment(
        folder, url, "memory://", port, CALLS_PER_MINUTE="1000000", STREAMS_PER_KEY="0", WORKFLOWS=str(packs)
    )
    process = Process(folder, env)
    people = [Reader() for _ in range(readers)]
    try:
        await process.ready()
        due = datetime.now(UTC) + timedelta(seconds=15 + readers / 200)
        await orders_due(app, BREACHES, due, timedelta(0))
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, headers={"Authorization": f"Bearer {key}"}
        ) as session:
            sockets = [await _open_slow(port, key) for _ in range(slow)]
            tasks = await _open_all(session, f"http://127.0.0.1:{port}/v1/escalations/stream", people)
            opened_at = datetime.now(UTC)
            assert opened_at < due, f"opening took too long: {opened_at - due}"
            await _wait(lambda: all(p.opened >= BREACHES for p in people), (due - opened_at).total_seconds() + 30)
            burst = [p.at - due.timestamp() for p in people]
            missed = sum(max(0, BREACHES - p.opened) for p in people)
            flood = [_issue(n) for n in range(FLOOD)]
            setting_up = [order_event(f"o{n % BREACHES}-f{n}", "created", datetime.now(UTC)) for n in range(FLOOD)]
            for i in range(0, FLOOD, 100):
                await app.intake.take([*setting_up[i : i + 100], *flood[i : i + 100]], dead_letter=True)
            wanted = BREACHES + FLOOD
            await _wait(lambda: all(p.opened >= wanted for p in people), 120)
            flooded = sum(max(0, wanted - p.opened) for p in people)
            await asyncio.sleep(12)
            dropped = await _metric(session, port, "stagebell_stream_dropped_total")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for s in sockets:
                s.close()
    finally:
        await process.terminate()
        process.close()
        await app.ledger.close()
    return {
        "readers": readers,
        "burst_p50_s": statistics.median(burst),
        "burst_last_s": max(burst),
        "missed": missed,
        "missed_in_flood": flooded,
        "slow": slow,
        "dropped": dropped,
    }


async def _open_all(session: aiohttp.ClientSession, url: str, people: list[Reader]) -> list[asyncio.Task[None]]:
    tasks = []
    for i in range(0, len(people), 50):
        marks = [asyncio.Event() for _ in people[i : i + 50]]
        tasks += [
            asyncio.create_task(p.read(session, url, mark)) for p, mark in zip(people[i : i + 50], marks, strict=True)
        ]
        await asyncio.gather(*(mark.wait() for mark in marks))
    return tasks


async def _wait(condition: Any, within: float) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and not condition():
        await asyncio.sleep(0.1)


async def _metric(session: aiohttp.ClientSession, port: int, name: str) -> float:
    async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        for line in (await answer.text()).splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
    return 0.0


def show(found: dict[str, Any]) -> str:
    """A line of the report."""
    return (
        f"stream: {found['readers']} readers, {BREACHES} breaches at once: the last line at the last reader after "
        f"{found['burst_last_s']:.2f} s (p50 {found['burst_p50_s']:.2f} s), {found['missed']} missed; in a flood of {FLOOD} "
        f"more {found['missed_in_flood']} missed; {found['dropped']:.0f} of {found['slow']} readers who do not read let go"
    )


if __name__ == "__main__":
    alone("stream", measure, show, "readers", 2000)
