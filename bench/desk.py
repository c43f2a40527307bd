"""Server times of all pages and lists of the desk, with 100,000 orders and 1,000 open escalations.

`python -m bench.desk` runs this part alone (`--past 5000` for a short run, `--sqlite` on that engine); filling its
database takes minutes.
`--keep` leaves the service running afterwards, for looking at the pages.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
from playwright.async_api import async_playwright

from bench.desk_day import Day
from bench.processes import cpu_of_tree
from tests.support.chromium import EXECUTABLE, SWITCHES
from tests.support.nodes import Postgres

PAST: Final = 100_000
# This many running orders have a thousand open escalations.
UNDER_WAY: Final = 1_150
ROUNDS: Final = 10
MOST_MS: Final = 300
SCROLLS: Final = 60
SETTLES_S: Final = 3.0
_ORDER: Final = "/desk/orders/device_pickup/ORD-1000"
PATHS: Final = (
    "/desk", "/desk?limit=200", "/desk?state=resolved", "/desk?owner=me", "/desk?severity=critical", "/desk/board/soon",
    "/desk/handover", "/desk/activity", "/desk/activity?who=bench",
    "/desk/orders", "/desk/orders?open=true", "/desk/orders?overdue=true&sort=late", "/desk/orders?stuck_for=3d&sort=submitted",
    "/desk/orders?open=true&sort=due", "/desk/orders?sort=expected_end", "/desk/orders?sort=submitted", "/desk/orders?status=completed",
    "/desk/orders?status=vendor_en_route", "/desk/orders?stage=order_completed&workflow=device_pickup", "/desk/orders?assignee=v-3",
    "/desk/orders?workflow=repair", "/desk/orders?q=Asha", "/desk/orders?q=Asha+B", "/desk/orders?q=4711", "/desk/orders?q=ORD-10",
    "/desk/orders?q=98123", "/desk/orders?q=0981200123", "/desk/call?from=%2B919800000123", "/desk/call?from=nobody",
    _ORDER, f"{_ORDER}/now", f"{_ORDER}/conversation", "/desk/conversations", "/desk/messages", "/desk/messages?state=failed,undelivered,expired",
    "/desk/messages?state=retrying,held,pending", "/desk/messages?state=unknown", "/desk/messages?state=delivered&channel=sms",
    "/desk/messages?state=suppressed,superseded", "/desk/messages?cause=21211", "/desk/messages?cause=99999", "/desk/messages?notice=order_created",
    "/desk/messages?recipient=%2B919800000123", "/desk/messages?workflow=repair", "/desk/messages?from=2026-11-20&to=2026-11-21",
    "/desk/messages?channel=whatsapp&state=read", "/desk/tell-all?workflow=device_pickup", "/desk/performance?workflow=device_pickup",
    "/desk/performance?workflow=device_pickup&since=365d", "/desk/lifecycle?workflow=device_pickup", "/desk/lifecycle?workflow=device_pickup&since=7d",
    "/desk/words", "/desk/words/device_pickup/order_created", "/desk/health", "/desk/audit", "/desk/audit?who=bench",
    "/desk/admin", "/desk/admin/people/%2B919800000123", "/desk/dead", "/desk/new", "/desk/new/repair", "/desk/foresight",
    "/v1/orders", "/v1/orders?sort=late&overdue=true", "/v1/orders?q=Asha&limit=200", "/v1/orders/device_pickup/ORD-1000",
    "/v1/escalations", "/v1/escalations?limit=1000", "/v1/escalations?state=resolved", "/v1/messages?limit=200", "/v1/metrics/performance?workflow=device_pickup",
    "/v1/metrics/lifecycle?workflow=device_pickup", "/v1/metrics/costs", "/v1/holds", "/v1/audit?limit=1000", "/v1/people/%2B919800000123",
    "/v1/people/%2B919800000123/orders", "/metrics", "/readyz",
)  # fmt: skip


class Timing(NamedTuple):
    """A page's timing: status, ms of the first request, median and maximum of the others, CPU ms for each of
    them (service and database together), and its bytes."""

    status: int
    first: float
    median: float
    slowest: float
    cpu: float
    size: int


async def timed(day: Day, paths: Sequence[str] = PATHS) -> dict[str, Timing]:
    """By path; raises where one is refused: an error would be fast."""
    found = {}
    headers = {"Authorization": f"Bearer {day.key}", "Accept": "text/html,application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for path in paths:
            times, status, size, cpu = [], 0, 0, 0.0
            for n in range(ROUNDS + 1):
                if n == 1:
                    cpu = _cpu_of_others()
                began = time.perf_counter()
                async with session.get(day.base + path, allow_redirects=False) as answer:
                    body = await answer.read()
                    size, status = len(body), answer.status
                times.append(1000 * (time.perf_counter() - began))
                if status >= 400:
                    raise RuntimeError(f"{status} for {path}")
                if not n:
                    await _counted(session, day.base + path, body)
            cpu = 1000 * (_cpu_of_others() - cpu) / ROUNDS
            found[path] = Timing(status, times[0], statistics.median(times[1:]), max(times[1:]), cpu, size)
    return found


async def _counted(session: aiohttp.ClientSession, address: str, page: bytes) -> None:
    """Wait until the page has its figures: the first request may have said that they are being counted."""
    while b"being counted" in page:
        await asyncio.sleep(1)
        async with session.get(address) as answer:
            page = await answer.read()


def _cpu_of_others() -> float:
    """CPU seconds of what this process started."""
    return cpu_of_tree(os.getpid()) - time.process_time()


async def longest_task(day: Day, path: str = "/desk?limit=200") -> tuple[float, float]:
    """The longest task of a browser's main thread while the board is scrolled to its end: wall and CPU time in ms.

    From Chromium's trace: the tasks of the renderer's main thread, as in its performance panel.
    """
    async with async_playwright() as p:
        browser = await p.chromium.launch(executable_path=EXECUTABLE, args=SWITCHES)
        page = await (await browser.new_context(viewport={"width": 1440, "height": 900})).new_page()
        await page.goto(f"{day.base}/desk")
        await page.get_by_label("API key").fill(day.key)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(lambda there: "sign-in" not in there)
        await page.goto(day.base + path)
        await asyncio.sleep(SETTLES_S)
        await browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])
        await page.mouse.move(500, 500)
        for _ in range(SCROLLS):
            await page.mouse.wheel(0, 700)
            await asyncio.sleep(0.05)
        events = json.loads(await browser.stop_tracing())["traceEvents"]
        await browser.close()
    named = ("thread_name", "CrRendererMain")
    main = {(e["pid"], e["tid"]) for e in events if (e["name"], e.get("args", {}).get("name")) == named}
    tasks = [e for e in events if e["name"].endswith("RunTask") and (e["pid"], e["tid"]) in main]
    return max(e.get("dur", 0) for e in tasks) / 1000, max(e.get("tdur", 0) for e in tasks) / 1000


def show(found: dict[str, Timing]) -> str:
    """A line a path, the slowest first."""
    slow = sorted(found.items(), key=lambda pair: -pair[1].median)
    head = f"load {os.getloadavg()[0]:.1f}; ms of the first request, then median, slowest and CPU of {ROUNDS}; kB"
    lines = [f"{t.first:7.0f} {t.median:7.0f} {t.slowest:7.0f} {t.cpu:7.0f} {t.size / 1000:8.1f} {p}" for p, t in slow]
    over = [
        sum(ms > MOST_MS for ms in column)
        for column in zip(*((t.first, t.median) for t in found.values()), strict=True)
    ]
    return "\n".join([head, *lines, f"over {MOST_MS} ms: {over[0]} first requests, {over[1]} medians"])


async def main() -> None:
    """Fill, serve and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--past", type=int, default=PAST)
    parser.add_argument("--under-way", type=int, default=UNDER_WAY)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--sqlite", action="store_true", help="instead of a PostgreSQL of its own")
    asked = parser.parse_args()
    postgres = None if asked.sqlite else Postgres()
    with tempfile.TemporaryDirectory(prefix="stagebell-desk-") as folder:
        day = Day(Path(folder), postgres)
        try:
            await day.fill(asked.past, asked.under_way)
            await day.serve()
            if asked.keep:
                print(f"{day.base} {day.key} {day.url} {day.folder}", flush=True)
                await asyncio.Event().wait()
            print(show(await timed(day)))
            wall, cpu = await longest_task(day)
            print(f"the longest task while a thousand lines are scrolled: {wall:.0f} ms, {cpu:.0f} ms of CPU")
        finally:
            await day.end()
            if postgres:
                postgres.close()


if __name__ == "__main__":
    asyncio.run(main())
