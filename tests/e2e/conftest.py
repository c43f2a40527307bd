"""The browser, once for all."""

from collections.abc import Iterator

import pytest

from tests.support import chromium


@pytest.fixture(scope="session")
def chromium_url() -> Iterator[str]:
    """Where Chromium takes commands."""
    with chromium.running() as url:
        yield url
