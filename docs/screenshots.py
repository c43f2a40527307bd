"""Takes the pictures in docs/images of a full day at the desk: `make screenshots`. Needs the tests' Chromium."""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TextIO

import aiohttp
from playwright.async_api import async_playwright

from tests.support.chromium import EXECUTABLE

ROOT = Path(__file__).parents[1]
IMAGES = Path(__file__).parent / "images"
PORT = 8496
PATIENCE_S = 180
BASE = f"http://127.0.0.1:{PORT}"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ORDER = "/desk/orders/device_pickup/ORD-1402"
SHOTS = [
    ("board", "/desk", 1440, "light"),
    ("board-dark", "/desk", 1440, "dark"),
    ("board-phone", "/desk", 390, "light"),
    ("order", ORDER, 1440, "light"),
    ("orders", "/desk/orders?overdue=true&sort=late", 1440, "light"),
    ("messages", "/desk/messages?state=failed,undelivered,expired", 1440, "light"),
    ("lifecycle", "/desk/performance", 1440, "light"),
    ("tracking", "TRACKING", 390, "light"),
]  # fmt: skip


async def main() -> None:
    """Serve a full day (`tests.support.full_day`), wait until it is there, look."""
    with tempfile.TemporaryFile("w+") as said:
        served = subprocess.Popen(
            [sys.executable, "-m", "tests.support.full_day", "--port", str(PORT)],
            cwd=ROOT, stdout=said, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await asyncio.wait_for(_filled(said), PATIENCE_S)
            await look()
        finally:
            served.terminate()
            served.wait(20)


async def _filled(said: TextIO) -> None:
    """Until it says its address."""
    while True:
        said.seek(0)
        if f"\n{BASE}" in said.read():
            return
        await asyncio.sleep(1)


async def look() -> None:
    """Find the tracking page, and take every picture."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{BASE}/v1/orders/device_pickup/ORD-1402/link") as answer,
    ):
        tracking = "/t/" + (await answer.json())["url"].rpartition("/t/")[2]
    await take(tracking)


async def take(tracking: str) -> None:
    """Every picture."""
    IMAGES.mkdir(exist_ok=True)
    async with async_playwright() as p:
        browser = await p.chromium.launch(executable_path=EXECUTABLE, args=FLAGS)
        for name, path, width, scheme in SHOTS:
            context = await browser.new_context(
                viewport={"width": width, "height": 860}, color_scheme=scheme, timezone_id="Asia/Kolkata"
            )
            page = await context.new_page()
            await page.goto(BASE + (tracking if path == "TRACKING" else path))
            await page.wait_for_timeout(900)
            await page.screenshot(path=IMAGES / f"{name}.png")
            await context.close()
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
