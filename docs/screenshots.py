"""Takes the pictures in docs/images from a running demo: `make screenshots`. Needs Debian's chromium."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import aiohttp
from playwright.async_api import async_playwright

ROOT = Path(__file__).parents[1]
IMAGES = Path(__file__).parent / "images"
PORT = 8497
BASE = f"http://127.0.0.1:{PORT}"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ISSUES = {"ORD-1001": "double_deduction", "ORD-1003": "wrong_inspection", "ORD-1005": "app_error"}
SHOTS = [
    ("board", "/desk", 1440, "light"),
    ("board-dark", "/desk", 1440, "dark"),
    ("board-phone", "/desk", 390, "light"),
    ("order", "/desk/orders/device_pickup/ORD-1003", 1440, "light"),
    ("orders", "/desk/orders", 1440, "light"),
    ("messages", "/desk/messages", 1440, "light"),
    ("lifecycle", "/desk/lifecycle", 1440, "light"),
    ("tracking", "TRACKING", 390, "light"),
]  # fmt: skip


async def wait_for_orders(session: aiohttp.ClientSession) -> None:
    """Until the demo's orders have run their course."""
    for _ in range(300):
        with contextlib.suppress(aiohttp.ClientError):
            async with (
                session.get(f"{BASE}/v1/orders?open=true&limit=5") as answer,
                session.get(f"{BASE}/v1/orders") as all_,
            ):
                if not (await answer.json())["orders"] and len((await all_.json())["orders"]) >= 20:
                    return
        await asyncio.sleep(0.3)
    raise SystemExit("the demo did not finish")


async def main() -> None:
    """Start the demo, wait, look."""
    env = {
        **os.environ,
        "STAGEBELL_HTTP_PORT": str(PORT),
        "STAGEBELL_WORKFLOWS": str(ROOT / "templates"),
        "PYTHONPATH": str(ROOT),
    }
    with tempfile.TemporaryDirectory() as folder:
        demo = subprocess.Popen(
            [sys.executable, "-m", "service", "demo", "--orders", "22", "--speed", "5000"],
            env=env, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with aiohttp.ClientSession() as session:
                await wait_for_orders(session)
                async with session.get(f"{BASE}/desk") as page:
                    token = (await page.text()).partition('name="csrf-token" content="')[2].partition('"')[0]
                for order, reason in ISSUES.items():
                    url = f"{BASE}/v1/orders/device_pickup/{order}/issues"
                    await session.post(url, json={"reason": reason}, headers={"X-CSRF-Token": token})
                async with session.get(f"{BASE}/v1/orders/device_pickup/ORD-1001/link") as answer:
                    tracking = "/t/" + (await answer.json())["url"].rpartition("/t/")[2]
            await take(tracking)
        finally:
            demo.terminate()
            demo.wait(20)


async def take(tracking: str) -> None:
    """Every picture."""
    IMAGES.mkdir(exist_ok=True)
    async with async_playwright() as p:
        browser = await p.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for name, path, width, scheme in SHOTS:
            context = await browser.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme)
            page = await context.new_page()
            await page.goto(BASE + (tracking if path == "TRACKING" else path))
            await page.wait_for_timeout(900)
            await page.screenshot(path=IMAGES / f"{name}.png")
            await context.close()
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
