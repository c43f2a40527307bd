"""SQLite and a power cut: whatever moment it comes, every event that was answered is there."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from tests.support import powercut
from tests.support.events import event, person
from tests.support.process import Process, command, environment
from tests.support.providers import Mailbox, Providers

AT_ONCE = 4


async def answered(port: int, key: str, log: Path, count: int) -> dict[str, int]:
    """How far the log was written when each order's event had been answered 200."""
    found: dict[str, int] = {}
    names = iter(range(count))

    async def publish(session: aiohttp.ClientSession) -> None:
        for n in names:
            e = event(f"P-{n}", "created", datetime.now(UTC), recipients={"customer": person(n)})
            async with session.post(f"http://127.0.0.1:{port}/v1/events", json=e) as answer:
                assert answer.status == 200, await answer.text()
            found[f"P-{n}"] = log.stat().st_size

    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        await asyncio.gather(*(publish(session) for _ in range(AT_ONCE)))
    return found


async def missing_after_cuts(
    folder: Path, migrated: Path, ways: tuple[Providers, Mailbox], *, events: int, cuts: int, synchronous: str = "FULL"
) -> int:
    """How many answered events are missing, over all cuts; each leaves a database that is whole."""
    database, log = folder / "ledger.db", folder / "log"
    shutil.copy(migrated, database)
    env = environment(folder, f"sqlite+aiosqlite:///{database}", "memory://", *ways, SQLITE_SYNCHRONOUS=synchronous)
    key = command(folder, env, "keys", "create", "shop", "--role", "publisher").stdout.split()[-1]
    before = database.read_bytes()
    assert not (folder / "ledger.db-wal").exists(), "all is in the database itself"
    with closing(Process(folder, env | powercut.environment(powercut.built(folder), database, log))) as process:
        await process.ready(60)
        known = await answered(process.port, key, log, events)
        process.kill()
    missing = 0
    for written, cut in powercut.cuts(log, before, folder, cuts, seed=events):
        with closing(sqlite3.connect(cut)) as left:
            assert left.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            there = {name for (name,) in left.execute("SELECT order_id FROM orders")}
        missing += len({name for name, at in known.items() if at <= written} - there)
        shutil.rmtree(cut.parent)
    return missing


async def test_no_answered_event_is_lost_by_a_power_cut(
    tmp_path: Path, migrated_file: Path, providers: Providers, mailbox: Mailbox
) -> None:
    assert await missing_after_cuts(tmp_path, migrated_file, (providers, mailbox), events=40, cuts=40) == 0


@pytest.mark.long
async def test_no_answered_event_is_lost_by_any_of_many_cuts(
    tmp_path: Path, migrated_file: Path, providers: Providers, mailbox: Mailbox
) -> None:
    assert await missing_after_cuts(tmp_path, migrated_file, (providers, mailbox), events=600, cuts=1000) == 0


@pytest.mark.long
async def test_normal_may_lose_what_was_answered_as_its_setting_says(
    tmp_path: Path, migrated_file: Path, providers: Providers, mailbox: Mailbox
) -> None:
    """The other side: cuts that lost nothing here would show nothing above."""
    ways = (providers, mailbox)
    assert await missing_after_cuts(tmp_path, migrated_file, ways, events=40, cuts=40, synchronous="NORMAL") > 0
