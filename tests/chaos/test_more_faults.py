"""Faults around a running service: what the broker, the database, the clock and an impatient operator can do to it."""

import asyncio
import contextlib
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from service.broker.port import INTAKE
from service.intake.intake import MAX_ATTEMPTS
from tests.chaos.scene import Scene
from tests.support.events import encoded, event, person
from tests.support.nodes import Postgres, Rabbit, connect, running
from tests.support.providers import Mailbox, Providers
from tests.support.world import PATIENCE_S


async def all_is_well(scene: Scene, caught: int = 0) -> None:
    """Of `caught` messages nobody may know whether they arrived: told again, or not, as their notice's policy says."""
    found = await scene.check()
    assert (found.lost, found.unexpected, found.unclean) == ([], [], []), found.line()
    assert len(found.doubled) + len(found.withheld) <= caught, (found.doubled, found.withheld)


@pytest.mark.long
async def test_stopped_gently_under_load(scene: Scene) -> None:
    """SIGTERM finishes what is under way: nothing is lost, and nothing doubled."""
    await scene.start()
    publishing = asyncio.create_task(scene.publish(40, 30, per_second=60))
    for _ in range(4):
        await asyncio.sleep(0.8)
        assert await scene.processes[0].terminate() == 0
        await scene.launch(0)
    await publishing
    await all_is_well(scene)


@pytest.mark.long
async def test_stopped_while_the_database_keeps_silent(scene: Scene) -> None:
    """It ends in time all the same, and whoever comes next finds everything."""
    await scene.start()
    await scene.publish(5, 33)
    scene.to_database.stalled.clear()
    publishing = asyncio.create_task(scene.publish(5, 34))
    await asyncio.sleep(1)
    assert await scene.processes[0].terminate(within=20) == 0
    scene.to_database.stalled.set()
    await publishing
    await scene.launch(0)
    await all_is_well(scene, caught=10 * 30)


@pytest.mark.long
async def test_two_intakes_of_which_the_active_one_dies(scene: Scene) -> None:
    await scene.start(("intake,relay,clock", "intake,dispatch"))
    publishing = asyncio.create_task(scene.publish(30, 31, per_second=40))
    for n in range(4):
        await asyncio.sleep(0.6)
        scene.processes[n % 2].kill()
        scene.kills += 1
        await scene.launch(n % 2)
    await publishing
    await all_is_well(scene, caught=2 * 60)


async def all_taken(postgres_url: str, lives: list[list[dict[str, Any]]]) -> None:
    """Until each event of these is committed: what waits in the broker alone goes with its queue."""
    published = len({e["id"] for life in lives for e in life})
    connection = await connect(postgres_url)
    async with asyncio.timeout(PATIENCE_S):
        while await connection.fetchval("SELECT count(*) FROM inbox") < published:
            await asyncio.sleep(0.1)
    await connection.close()


async def test_connections_closed_and_the_queue_deleted_by_the_broker(
    scene: Scene, rabbit: Rabbit, postgres_url: str
) -> None:
    await scene.start()
    publishing = asyncio.create_task(scene.publish(20, 32, per_second=25))
    await asyncio.sleep(1)
    await asyncio.to_thread(rabbit.control, "close_all_connections", "--vhost", rabbit.host, "maintenance")
    with contextlib.suppress(Exception):
        await publishing  # the publisher's own connection was closed as well
    published = [life for life in scene.lives if life]
    async with await aio_pika.connect(rabbit.url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange("orders")
        for life in published:  # it sends again what it does not know to have arrived
            for e in life:
                await exchange.publish(aio_pika.Message(encoded(e), delivery_mode=2), "order.status_changed")
        await all_taken(postgres_url, published)
        await channel.queue_delete(INTAKE)
        # Until what is published reaches a queue again: one that was taken before changes nothing.
        probe = await connection.channel(publisher_confirms=True, on_return_raises=True)
        orders = await probe.get_exchange("orders")
        for _ in range(900):
            with contextlib.suppress(aio_pika.exceptions.DeliveryError):
                await orders.publish(
                    aio_pika.Message(encoded(scene.lives[0][0]), delivery_mode=2), "order.status_changed"
                )
                break
            await asyncio.sleep(0.1)
    await scene.publish(10, 33)
    await all_is_well(scene)


@pytest.mark.long
async def test_tables_are_locked_for_a_while(scene: Scene, postgres_url: str) -> None:
    await scene.start()
    await scene.publish(5, 34)
    connection = await connect(postgres_url)
    for n, table in enumerate(("orders", "messages", "outbox")):
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            await scene.publish(5, 35 + n)
            await asyncio.sleep(2)
    await connection.close()
    await all_is_well(scene)


@pytest.mark.parametrize("kills", [2, pytest.param(1 + MAX_ATTEMPTS, marks=pytest.mark.long)])
async def test_a_message_that_ends_the_process_is_put_aside(scene: Scene, kills: int) -> None:
    """Poison: tried five times after the first, then a dead letter; what comes after it is told.

    In the short form a second process ends with it; that others did before is written into its count.
    """
    await scene.start(failpoint="intake.before_commit:1")
    async with await aio_pika.connect(scene._broker) as connection:
        channel = await connection.channel()
        poison = event("P-1", "created", datetime.now(UTC), recipients={"customer": person(9999)})
        exchange = await channel.get_exchange("orders")
        await exchange.publish(aio_pika.Message(encoded(poison), delivery_mode=2), "order.status_changed")
        dead = await channel.get_queue("stagebell.dead")
        letter = None
        for _ in range(9):
            for _ in range(600):
                if (letter := await dead.get(fail=False)) or scene.processes[0].process.poll() is not None:
                    break
                await asyncio.sleep(0.1)
            if letter is not None:
                break
            scene.kills += 1
            if scene.kills == kills:
                assert await counted_as(scene, MAX_ATTEMPTS) == kills - 1, "the first time it had not come back"
            await scene.launch(0, "intake.before_commit:1")
        assert letter is not None, "put aside"
        assert scene.kills == kills, "not sooner, not later"
        assert "ended" in str(letter.headers["x-stagebell-reason"])
        await letter.ack()
    scene.processes[0].kill()
    await scene.launch(0)
    await scene.publish(5, 40)
    await all_is_well(scene)


async def counted_as(scene: Scene, attempts: int) -> int:
    """How often the one event that is being tried was tried; from now on it was tried so often."""
    connection = await connect(scene._database)
    try:
        (row,) = await connection.fetch("SELECT key, attempts FROM inbox WHERE outcome = 'trying'")
        await connection.execute("UPDATE inbox SET attempts = $1 WHERE key = $2", attempts, row["key"])
    finally:
        await connection.close()
    return int(row["attempts"])


async def test_the_disk_of_the_database_is_full_for_a_while(
    tmp_path: Path, rabbit_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    with running(Postgres, small_disk=True) as postgres:
        assert isinstance(postgres, Postgres)
        scene = Scene(tmp_path, await postgres.create("small"), rabbit_url, providers, mailbox)
        try:
            await scene.start()
            await scene.publish(5, 41)
            ballast = postgres.fill_disk()
            await scene.publish(10, 42)
            await asyncio.sleep(4)
            ballast.unlink()
            if postgres.process.poll() is not None:
                await asyncio.to_thread(postgres.start)
            await scene.publish(5, 43)
            await all_is_well(scene, caught=10)
            assert scene.processes[0].process.poll() is None, "it healed by itself"
        finally:
            await scene.close()


@pytest.mark.long
@pytest.mark.parametrize("jump", ["+2d", "-2d"])
async def test_the_system_clock_jumps(scene: Scene, tmp_path: Path, jump: str) -> None:
    """Promises are counted by a clock that does not jump: nothing breaks, expires or hangs."""
    moved = tmp_path / "faketime"
    moved.write_text("+0")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    await scene.start(
        wrapped={"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(moved), "FAKETIME_NO_CACHE": "1",
                 "FAKETIME_DONT_FAKE_MONOTONIC": "1"},
        TIME_SPEED="1",
    )  # fmt: skip
    await scene.publish(10, 44)
    moved.write_text(jump)
    seen = subprocess.run(["date", "-u", "+%s"], env={"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(moved)},
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert abs(int(seen.stdout) - datetime.now(UTC).timestamp()) > 86_000, "the jump is felt by processes"
    await scene.publish(10, 45)
    await all_is_well(scene)
    connection = await connect(scene._database)
    # A promise of a minute may break on a busy machine: at its time by the database's clock, which did not jump.
    by_the_jump = "state = 'breached' AND (due_at > now() OR noticed_late_s > 3600)"
    assert await connection.fetch(f"SELECT name, due_at FROM clocks WHERE {by_the_jump}") == []
    await connection.close()
