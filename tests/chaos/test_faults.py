"""Faults, the short form: every named point, random kills, lost connections, restarts, a hanging provider."""

import asyncio
import contextlib
import random

import pytest
from aiohttp import web

from service.failpoints import POINTS
from tests.chaos.scene import SPEED, Scene
from tests.support.examples import LONG
from tests.support.nodes import Postgres, Rabbit
from tests.support.process import Process
from tests.support.providers import Sent

IDLE_S, BUSY_S = 6.0, 60.0
# By a faster clock the leases of a living process run out, too, on a busy machine, and most is sent and asked for again.
SLOWER = 10.0
# Those that a few orders with their events pass; replies and parts that wait for their whole have tests of their own.
PASSED = [point for point in POINTS if not point.startswith(("replies.", "waiting."))]


async def is_through(scene: Scene) -> bool:
    """Whether all that was published is taken in, and nothing of it is under way."""
    published = len({e["id"] for life in scene.lives for e in life})
    taken = await (await scene.ledger()).fetchval("SELECT count(*) FROM inbox")
    return taken >= published and not await scene.unclean()


async def killed_or_passed_by(scene: Scene, process: Process) -> None:
    """Until it has ended, or seconds have passed in which it had nothing to do; on a busy machine it gets there later."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BUSY_S):
            while process.process.poll() is None and not await is_through(scene):
                await asyncio.sleep(0.1)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(IDLE_S):
            while process.process.poll() is None:
                await asyncio.sleep(0.05)


async def test_killed_at_every_named_point(scene: Scene) -> None:
    """Each point between two steps, every third in the short form; a message may be doubled only where a provider had it and nobody had noted that."""
    points = PASSED if LONG else PASSED[::3]
    caught = 0
    for n, point in enumerate(points):
        at = f"{point}:{1 + n % 3}"
        if n == 0:
            await scene.start(failpoint=at, TIME_SPEED=str(SPEED if LONG else SLOWER))
        else:
            await scene.launch(0, at)
        process = scene.processes[0]
        await scene.publish(4 if LONG else 2, 100 + n)
        await killed_or_passed_by(scene, process)
        scene.kills += process.process.poll() is not None
        process.kill()
        caught += await scene.caught("push", "email")
    assert scene.kills >= len(points) * 3 // 4, "most points are passed by so few orders"
    await scene.launch(0)
    found = await scene.check()
    assert (found.lost, found.unexpected, found.unclean) == ([], [], []), found.line()
    assert not [d for d in found.doubled if d.split()[1] in ("sms", "whatsapp")], "these are asked for first"
    assert len(found.doubled) <= caught, "only what was being sent may arrive twice"


@pytest.mark.long
async def test_random_kills_of_two_dispatchers_under_load(scene: Scene) -> None:
    await scene.start(("intake,clock,relay,web", "dispatch", "dispatch"))
    dice = random.Random(3)
    publishing = asyncio.create_task(scene.publish(60, 7, per_second=60))
    for _ in range(8):
        await asyncio.sleep(dice.uniform(0.2, 0.8))
        i = dice.randrange(3)
        scene.processes[i].kill()
        scene.kills += 1
        await scene.launch(i)
    await publishing
    found = await scene.check()
    assert (found.lost, found.unexpected, found.unclean) == ([], [], []), found.line()
    # A kill may catch every message that is on its way at that moment: so many per lane and process.
    assert len(found.doubled) <= found.kills * 60, found.doubled


@pytest.mark.long
async def test_connections_drop_and_nodes_restart(scene: Scene, rabbit: Rabbit, postgres: Postgres) -> None:
    await scene.start()
    publishing = asyncio.create_task(scene.publish(40, 8, per_second=40))
    for _ in range(3):
        await asyncio.sleep(0.7)
        await scene.to_broker.drop()
        await asyncio.sleep(0.4)
        await scene.to_database.drop()
    await publishing
    postgres.kill()
    await asyncio.sleep(1)
    await asyncio.to_thread(postgres.start)
    await scene.publish(5, 9)
    rabbit.kill()
    await asyncio.sleep(0.5)
    await asyncio.to_thread(rabbit.start)
    lives = scene.compose(5, 10)
    for _ in range(60):
        with contextlib.suppress(Exception):
            await scene.send(lives, 10)
            break
        await asyncio.sleep(1)
    found = await scene.check()
    assert (found.lost, found.unexpected, found.unclean) == ([], [], []), found.line()
    assert scene.processes[0].process.poll() is None, "it healed by itself"


async def test_a_hanging_provider_leaves_the_other_channels_alone(scene: Scene) -> None:
    hanging = asyncio.Event()

    async def hang(sent: Sent) -> web.StreamResponse | None:
        if sent.channel == "sms":
            await hanging.wait()
        return None

    async def others(count: int, seed: int) -> None:
        await scene.publish(count, seed)
        wanted = sum(n for (_, channel, _), n in scene._wanted().items() if channel == "whatsapp")
        async with asyncio.timeout(60):
            while len(scene.providers.of("whatsapp")) < wanted:
                await asyncio.sleep(0.05)

    await scene.start()
    await others(20, 20)
    texts = len(scene.providers.of("sms"))
    scene.providers.behave = hang
    await others(40, 22)
    assert len(scene.providers.of("sms")) <= texts + 60, "the texts hang, and only they"
    hanging.set()
    scene.providers.behave = None
