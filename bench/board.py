"""Bytes that an open board receives per event, as a browser counts them: 200 open escalations, 40 separate events.

`python -m bench.board` runs this part alone; it needs Chromium, like the desk's tests.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page, async_playwright

from bench.clocks import new_app, order_event
from bench.processes import environment
from bench.setting import alone
from service.app import App
from service.intake.decoding import Incoming
from service.ledger.access import api_keys as keys
from service.timekeeping import SteadyTime
from tests.support.chromium import EXECUTABLE, SWITCHES
from tests.support.events import encoded, event
from tests.support.nodes import Postgres
from tests.support.ports import free_port
from tests.support.process import Process

OPEN: Final = 200
EVENTS: Final = 40
APART_S: Final = 0.25
QUIET_S: Final = 2.0


class ReceivedBytes:
    """The bytes that a page received over the network."""

    def __init__(self) -> None:
        self.bytes = 0

    async def follow(self, page: Page) -> None:
        """Start counting (Chrome DevTools Protocol, `Network.dataReceived`; streams report no compressed length)."""
        devtools = await page.context.new_cdp_session(page)
        devtools.on("Network.dataReceived", self._add)
        await devtools.send("Network.enable")

    def _add(self, event: dict[str, Any]) -> None:
        self.bytes += int(event["encodedDataLength"] or event["dataLength"])


async def _issues(app: App, first: int, count: int) -> None:
    now = datetime.now(UTC)
    names = [f"board-{n}" for n in range(first, first + count)]
    kind = "order.issue_reported"
    issues = [Incoming(encoded(event(o, at=now, kind=kind, issue={"reason": "app_error"}))) for o in names]
    await app.intake.take([*(order_event(o, "created", now) for o in names), *issues], dead_letter=True)


async def measure(postgres: Postgres, folder: Path, escalations: int = OPEN) -> dict[str, float]:
    """Kilobytes for opening the page, and for each event after that."""
    url = await postgres.create("board")
    app = await new_app(url, SteadyTime())
    async with app.ledger.transaction() as tx:
        key = await keys.create(tx, "supervisor", "bench", datetime.now(UTC))
    for first in range(0, escalations, 50):
        await _issues(app, first, min(50, escalations - first))
    port = free_port()
    process = Process(folder, environment(folder, url, "memory://", port))
    try:
        await process.ready()
        async with async_playwright() as p:
            browser = await p.chromium.launch(executable_path=EXECUTABLE, args=SWITCHES)
            page = await (await browser.new_context()).new_page()
            await page.goto(f"http://127.0.0.1:{port}/desk")
            await page.get_by_label("API key").fill(key)
            await page.get_by_role("button", name="Sign in").click()
            await page.wait_for_url(lambda there: "sign-in" not in there)
            counted = ReceivedBytes()
            await counted.follow(page)
            await page.reload()
            await asyncio.sleep(QUIET_S)
            opened, counted.bytes = counted.bytes, 0
            for n in range(EVENTS):
                await _issues(app, escalations + n, 1)
                await asyncio.sleep(APART_S)
            await asyncio.sleep(QUIET_S)
            await browser.close()
    finally:
        await process.terminate()
        process.close()
        await app.ledger.close()
    return {"opened_kb": opened / 1000, "event_kb": counted.bytes / EVENTS / 1000}


def show(found: dict[str, float]) -> str:
    """A line of the report."""
    return f"board: {found['opened_kb']:.1f} kB when it is opened, {found['event_kb']:.1f} kB an event"


if __name__ == "__main__":
    alone("board", measure, show, "escalations", OPEN)
