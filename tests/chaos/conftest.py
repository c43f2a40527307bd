"""The scene of a fault test, cleared away after it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos.scene import Scene
from tests.support.providers import Mailbox, Providers


@pytest.fixture
async def scene(
    tmp_path: Path, postgres_url: str, rabbit_url: str, providers: Providers, mailbox: Mailbox
) -> AsyncIterator[Scene]:
    s = Scene(tmp_path, postgres_url, rabbit_url, providers, mailbox)
    yield s
    await s.close()
