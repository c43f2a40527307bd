"""Backup and restore by the very commands of docs/upgrading.md, while broker and publishers go on; in the long form."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
import aiohttp
import pytest

from tests.support.events import encoded, event, person
from tests.support.nodes import Postgres, Rabbit, running
from tests.support.process import Process, command, environment
from tests.support.providers import Mailbox, Providers
from tests.support.world import ROOT

PAGE = (ROOT / "docs/upgrading.md").read_text()
HERE = "postgresql://user:password@host/stagebell"


def documented(part: str, beginning: str) -> str:
    """The command of a section that begins so, as it stands in the page."""
    section = PAGE.partition(f"## {part}\n")[2].partition("\n## ")[0]
    (found,) = re.findall(rf"^{re.escape(beginning)}.*$|`({re.escape(beginning)}[^`]*)`", section, re.MULTILINE)
    return str(found) or next(line for line in section.splitlines() if line.startswith(beginning))


class Shop:
    """A service as a process, its publishers, and a reader of its stream."""

    def __init__(self, folder: Path, env: dict[str, str], broker: str) -> None:
        self.folder, self.env, self.broker = folder, env, broker
        self.keys = {}
        for role in ("publisher", "supervisor"):
            made = command(folder, env, "keys", "create", role, "--role", role)
            self.keys[role] = {"Authorization": f"Bearer {made.stdout.split()[-1]}"}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.env['STAGEBELL_HTTP_PORT']}/v1"

    async def publish(self, *events: dict[str, Any]) -> None:
        """To the broker, whether or not the service runs."""
        async with await aio_pika.connect(self.broker) as connection:
            exchange = await (await connection.channel()).get_exchange("orders")
            for e in events:
                message = aio_pika.Message(
                    encoded(e),
                    content_type="application/cloudevents+json",
                    delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                )
                await exchange.publish(message, routing_key=e["type"])

    async def send_again(self, *events: dict[str, Any]) -> Counter[str]:
        """Over HTTP; how many had which outcome."""
        async with (
            aiohttp.ClientSession(headers=self.keys["publisher"]) as session,
            session.post(f"{self.url}/events", json=list(events)) as answer,
        ):
            return Counter(r["outcome"] for r in (await answer.json())["results"])

    async def heard(self, last: str, count: int = 1) -> list[tuple[str, dict[str, Any]]]:
        """(id, event) of so many lines of the stream, from `last` on."""
        found: list[tuple[str, dict[str, Any]]] = []
        headers = {**self.keys["supervisor"], "Last-Event-ID": last}
        async with (
            asyncio.timeout(30),
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{self.url}/escalations/stream") as answer,
        ):
            async for raw in answer.content:
                name, _, value = raw.decode().strip().partition(":")
                number = value.strip() if name == "id" else locals().get("number", "")
                if name == "data" and value.strip():
                    found.append((number, json.loads(value)))
                    if len(found) == count:
                        break
        return found


def created(n: int) -> dict[str, Any]:
    return event(f"R-{n}", "created", datetime.now(UTC), recipients={"customer": person(n)})


def trouble(n: int) -> dict[str, Any]:
    issue = {"reason": "wrong_inspection"}
    return event(f"R-{n}", kind="order.issue_reported", at=datetime.now(UTC), issue=issue)


def gap(folder: Path, env: dict[str, str], at: datetime) -> list[dict[str, Any]]:
    """What `stagebell gap` finds that came since then."""
    found = command(folder, env, "gap", "--since", at.isoformat(), "--json")
    assert found.returncode == 0, found.stderr
    orders: list[dict[str, Any]] = json.loads(found.stdout)["orders"]
    return orders


async def told(providers: Providers, *numbers: int) -> None:
    """Return once these customers have their SMS."""
    wanted = {person(n)["phone"] for n in numbers}
    async with asyncio.timeout(30):
        while wanted - {s.to for s in providers.of("sms")}:
            await asyncio.sleep(0.1)


@pytest.mark.long
@pytest.mark.uninterrupted
async def test_a_restored_database_goes_on_with_a_broker_that_went_on(
    tmp_path: Path, rabbit: Rabbit, rabbit_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    with running(Postgres) as node:
        assert isinstance(node, Postgres)
        shell = {
            "PATH": f"{node.bin}:{os.environ['PATH']}", "PGHOST": "127.0.0.1", "PGPORT": str(node.port), "PGUSER": "stagebell",
        }  # fmt: skip

        def run(line: str) -> None:
            assert HERE in line or "host" not in line
            there = line.replace(HERE, f"postgresql://stagebell@127.0.0.1:{node.port}/stagebell")
            subprocess.run(["bash", "-euc", there], cwd=tmp_path, env=shell, check=True, timeout=60)

        env = environment(tmp_path, await node.create("stagebell"), rabbit_url, providers, mailbox)
        with closing(Process(tmp_path, env)) as process:
            await process.ready()
            shop = Shop(tmp_path, env, rabbit_url)
            before = [created(n) for n in range(5)]
            await shop.publish(*before, trouble(0))
            await told(providers, *range(5))
            ((at_dump, opened),) = await shop.heard("0")
            assert opened["data"]["reason"] == "wrong_inspection"
            dumped = datetime.now(UTC)
            await asyncio.to_thread(run, documented("Backup", "pg_dump"))
            # Lost, as far as the database goes: orders, messages that were sent, lines of the stream.
            lost = [created(n) for n in range(5, 10)] + [trouble(1), trouble(5)]
            await shop.publish(*lost)
            await told(providers, *range(5, 10))
            *_, (at_loss, _) = await shop.heard("0", 3)
            assert await process.terminate() == 0
        meanwhile = [created(n) for n in range(10, 15)]
        await shop.publish(*meanwhile)
        run("dropdb stagebell")
        await asyncio.to_thread(run, documented("Restore", "createdb"))

        other = command(tmp_path, {**env, "STAGEBELL_SECRET_KEY": "another key than it was, and long enough"}, "run")
        assert other.returncode != 0
        assert "SECRET_KEY" in other.stderr
        with closing(Process(tmp_path, env)) as process:
            await process.ready()
            # What the broker kept meanwhile; keys made before the dump still open the door.
            await told(providers, *range(10, 15))
            # Whoever was lost is met again in the middle of its life: the gap is found, and closes.
            assert await shop.send_again(event("R-5", "vendor_en_route", datetime.now(UTC))) == {"accepted": 1}
            (order,) = gap(tmp_path, env, at=dumped)
            assert (order["order_id"], order["status"]) == ("R-5", "vendor_en_route")
            assert await shop.send_again(*before, *lost, *meanwhile) == {"duplicate": 10, "accepted": 7}
            assert gap(tmp_path, env, at=dumped) == []
            # Readers who had heard more than there is now are told so, those who had not go on.
            ((now, missed),) = await shop.heard(at_loss)
            assert missed["missed"] is True
            assert [e["data"]["reason"] for _, e in await shop.heard(at_dump, 2)] == ["wrong_inspection"] * 2
            await shop.publish(trouble(12))
            assert len(await shop.heard(now, 1)) == 1
            explained = command(tmp_path, env, "explain", "device_pickup", "R-1")
            assert (explained.returncode, "wrong_inspection" in explained.stdout) == (0, True)
            assert await process.terminate() == 0
        # Once each, but for those between dump and loss, who may hear it again.
        heard = Counter(s.to for s in providers.of("sms"))
        assert {heard[person(n)["phone"]] for n in (*range(5), *range(10, 15))} == {1}
        assert {heard[person(n)["phone"]] for n in range(5, 10)} <= {1, 2}


@pytest.mark.long
async def test_a_copy_of_sqlite_is_put_back(tmp_path: Path, providers: Providers, mailbox: Mailbox) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/stagebell.db"
    env = environment(tmp_path, url, "memory://", providers, mailbox)
    copy = documented("Backup", ".venv/bin/python").replace(".venv/bin/python", sys.executable)
    with closing(Process(tmp_path, env)) as process:
        await process.ready()
        shop = Shop(tmp_path, env, "")
        assert await shop.send_again(*[created(n) for n in range(3)]) == {"accepted": 3}
        await told(providers, *range(3))
        subprocess.run(["bash", "-euc", copy], cwd=tmp_path, check=True)
        later = created(3)
        assert await shop.send_again(later) == {"accepted": 1}
        process.kill()
    (tmp_path / "stagebell.backup.db").replace(tmp_path / "stagebell.db")
    for left in ("stagebell.db-wal", "stagebell.db-shm"):
        assert f"`{left}`" in PAGE
        (tmp_path / left).unlink(missing_ok=True)
    with closing(Process(tmp_path, env)) as process:
        await process.ready()
        assert await shop.send_again(later) == {"accepted": 1}
        assert "created" in command(tmp_path, env, "explain", "device_pickup", "R-2").stdout
