"""A clock process that is killed again and again: no breach is lost, none is doubled."""

from pathlib import Path

import pytest

from tests.chaos import clock_rounds
from tests.support.providers import Mailbox, Providers


@pytest.mark.long
async def test_two_clock_processes_of_which_one_is_always_being_killed(
    tmp_path: Path, postgres_url: str, rabbit_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    found = await clock_rounds.run(tmp_path, postgres_url, rabbit_url, providers, mailbox, rounds=10, seconds=22)
    assert set(found.opened.values()) == found.expected, found.line()
    assert len(found.opened) == len(found.expected), found.line()
    assert found.breaches == len(found.expected), found.line()
