"""The desk and the browser.

All browser tests of a process run in one event loop, that of the session, as Playwright's driver and Chromium, which are
started once, belong to the loop that started them. What a test uses has to be made in the same loop.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from service.timekeeping import SteadyTime
from tests.support.chromium import EXECUTABLE, SWITCHES
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for

# Machines under load are slow; within what time something is promised to be seen is measured where it is promised.
expect.set_options(timeout=60_000)
START_WITHIN_MS = 120_000
# No page lives long enough for what V8's optimizing compilers take: without them, axe-core takes a fifth of the CPU less.
NO_COMPILERS = "--js-flags=--no-turbofan --no-maglev"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One Chromium for all browser tests of a test process."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=EXECUTABLE, args=[*SWITCHES, NO_COMPILERS], timeout=START_WITHIN_MS
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """Chromium, in which nothing is left of what a test opened."""
    yield chromium
    for context in chromium.contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def desk(tmp_path: Path, sqlite_url: str) -> AsyncIterator[World]:
    """A service on living time."""
    providers, mailbox = Providers(), Mailbox()
    await providers.start(tmp_path)
    await mailbox.start()
    settings = settings_for(providers, mailbox, database_url=sqlite_url, broker_url="memory://")
    w = World(settings, providers, mailbox)
    w.app = type(w.app)(settings, time=SteadyTime())
    await w.start()
    yield w
    await w.close()
    await providers.close()
    await mailbox.close()
