"""A process that waits for its database and broker, one that is told to go, and a disk that is full."""

import asyncio
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.support.events import event
from tests.support.ports import free_port
from tests.support.process import Process, command, environment
from tests.support.providers import Mailbox, Providers
from tests.support.proxy import Proxy

DRAIN_S = 5
DISK_MIB = 4


async def readiness(process: Process) -> tuple[int, str]:
    """The status and the word of /readyz; (0, "") when nobody answers."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{process.port}/readyz") as answer,
        ):
            return answer.status, str((await answer.json())["status"])
    except aiohttp.ClientError:
        return 0, ""


async def until_said(process: Process, words: str, times: int = 1) -> None:
    async with asyncio.timeout(90):
        while process.log.read_text().count(words) < times:
            await asyncio.sleep(0.05)


@pytest.mark.uninterrupted
async def test_a_start_waits_for_what_is_starting_itself_and_a_leave_is_announced(
    tmp_path: Path, postgres_url: str, rabbit_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    database, broker = (Proxy("127.0.0.1", int(URL(url).port or 0)) for url in (postgres_url, rabbit_url))
    database.port, broker.port = free_port(), free_port()
    urls = [str(URL(url).with_port(p.port)) for url, p in ((postgres_url, database), (rabbit_url, broker))]
    env = environment(tmp_path, urls[0], urls[1], providers, mailbox, DRAIN_S=str(DRAIN_S))
    process = Process(tmp_path, env)
    await until_said(process, '"event":"database.waiting"')
    await asyncio.sleep(1.5)
    await database.start()
    await until_said(process, '"event":"broker.waiting"')
    await broker.start()
    await process.ready()
    said = process.log.read_text()
    assert said.count('"database.waiting"') == said.count('"broker.waiting"') == 1
    assert '"setting":"STAGEBELL_DATABASE_URL"' in said
    assert '"setting":"STAGEBELL_BROKER_URL"' in said

    began = asyncio.get_running_loop().time()
    leaving = asyncio.create_task(process.terminate())
    async with asyncio.timeout(DRAIN_S):
        while (state := await readiness(process)) != (503, "draining"):
            await asyncio.sleep(0.02)
    assert state == (503, "draining")
    async with aiohttp.ClientSession() as session:
        # Whoever has not noticed yet is served on.
        assert (await session.get(f"http://127.0.0.1:{process.port}/healthz")).status == 200
    assert await leaving == 0
    assert asyncio.get_running_loop().time() - began > DRAIN_S
    process.close()
    await database.close()
    await broker.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    there = tmp_path / "disk"
    there.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", there], check=True)
    yield there
    subprocess.run(["umount", there], check=True)


async def test_a_full_disk_is_told_by_readiness_and_nothing_is_called_accepted(
    tmp_path: Path, small_disk: Path, providers: Providers, mailbox: Mailbox
) -> None:
    env = environment(tmp_path, f"sqlite+aiosqlite:///{small_disk}/ledger.db", "memory://", providers, mailbox)
    key = command(tmp_path, env, "keys", "create", "--role", "publisher", "shop").stdout.split()[-1]
    process = Process(tmp_path, env)
    await process.ready()
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    lost = event("F-1", "created", datetime.now(UTC))
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        url = f"http://127.0.0.1:{process.port}/v1/events"
        async with session.post(url, json=lost) as answer:
            assert answer.status == 503
        async with asyncio.timeout(60):
            while (await readiness(process)) != (503, "not ready"):
                await asyncio.sleep(0.1)
        assert "event.accepted" not in process.log.read_text()
        ballast.unlink()
        async with asyncio.timeout(60):
            while (await readiness(process))[0] != 200:
                await asyncio.sleep(0.1)
        async with session.post(url, json=lost) as answer:
            assert answer.status == 200
    assert process.log.read_text().count('"event.accepted"') == 1
    await process.terminate()
    process.close()
