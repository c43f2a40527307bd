"""The browser, once for all."""

from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.support import chromium

# Machines under load are slow; within what time something is promised to be seen is measured where it is promised.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
def chromium_url() -> Iterator[str]:
    """Where Chromium takes commands."""
    with chromium.running() as url:
        yield url
