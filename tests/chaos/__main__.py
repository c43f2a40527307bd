"""`make chaos`: the long form. Hundreds of kills and restarts, a backlog, and the checker's findings as a table."""

import argparse
import asyncio
import contextlib
import logging
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import aio_pika
from aiohttp import web

from service.broker.port import INTAKE
from service.keyring import Keyring
from service.ledger.database.engine import Ledger
from service.ledger.database.schema import migrate
from tests.chaos import clock_rounds, clusters, restores, upgrades
from tests.chaos.measuring import FULL_WITHIN_S, PER_SECOND, SETTLES_S, USUAL_S, back_to, messages_in, spread
from tests.chaos.scene import Scene
from tests.support.events import encoded, event
from tests.support.nodes import Postgres, Rabbit, connect, running
from tests.support.process import Process
from tests.support.providers import Mailbox, Providers, Sent

ROLES = ("intake,clock,relay,web", "intake,clock,relay", "dispatch", "dispatch")


@contextlib.asynccontextmanager
async def new_scene(rabbit: Rabbit, postgres: Postgres) -> AsyncIterator[Scene]:
    """A scene on a database of its own."""
    folder = Path(tempfile.mkdtemp(prefix="stagebell-chaos-"))
    url = await postgres.create(folder.name.replace("-", "_").lower())
    ledger = Ledger(url, Keyring("a secret key for tests, as long as they are"))
    await migrate(ledger)
    await ledger.close()
    providers, mailbox = Providers(), Mailbox()
    await providers.start(folder)
    await mailbox.start()
    scene = Scene(folder, url, rabbit.url, providers, mailbox)
    try:
        yield scene
    finally:
        await scene.close()
        await providers.close()
        await mailbox.close()


async def random_kills(scene: Scene, kills: int, seed: int, gap_s: float) -> str:
    """SIGKILL to one of the processes that are up, again and again, at most `gap_s` apart, under load."""
    # Living time, too: a clock that runs faster would begin anew, in the past, with each process.
    await scene.start(ROLES, TIME_SPEED="1")
    dice = random.Random(seed)
    publishing = asyncio.create_task(scene.publish(max(60, 2 * kills), seed, per_second=8))
    starting: dict[int, asyncio.Task[Process]] = {}
    for _ in range(kills):
        await asyncio.sleep(dice.uniform(0.1, gap_s))
        while not (up := [i for i in range(len(ROLES)) if i not in starting or starting[i].done()]):
            await asyncio.sleep(0.05)
        i = dice.choice(up)
        scene.processes[i].kill()
        scene.kills += 1
        starting[i] = asyncio.create_task(scene.launch(i))
    await asyncio.gather(publishing, *starting.values())
    found = await scene.check(within_s=420)
    return "".join([found.line(), *(f"\n  doubled: {which}" for which in found.doubled)])


async def restarts(scene: Scene, node: Rabbit | Postgres, times: int) -> str:
    """The node crashes and comes back, again and again, under a steady load; how long until all is as before."""
    # Living time: by a faster clock the events of later rounds would be old when they come, and expire.
    await scene.start(TIME_SPEED="1")
    await scene.publish(10, 999)
    await asyncio.sleep(SETTLES_S)
    enough = asyncio.Event()
    publishing = asyncio.create_task(scene.keep_publishing(enough, 1000, PER_SECOND))
    first, full = [], []
    slow = ""
    for n in range(times):
        usual = await messages_in(scene, USUAL_S) / USUAL_S
        node.kill()
        await asyncio.sleep(0.3)
        await asyncio.to_thread(node.start)
        published = scene.confirmed
        to_first, to_full = await back_to(scene, usual)
        first.append(to_first)
        full.append(to_full)
        if to_full > FULL_WITHIN_S:
            events = scene.confirmed - published
            slow += f"\n  slow: round {n} after {to_full:.0f} s, in which {events} events were published"
    enough.set()
    await publishing
    found = await scene.check(within_s=420)
    said = f"first message after {spread(first)}; full rate again after {spread(full)}"
    return f"{found.line()}; {said}{slow}"


async def hanging(scene: Scene) -> str:
    """The texts' provider hangs: how fast the other channels are, beside how fast they were."""
    hangs = asyncio.Event()

    async def hang(sent: Sent) -> web.StreamResponse | None:
        if sent.channel == "sms" and not hangs.is_set():
            await hangs.wait()
        return None

    async def rate(count: int, seed: int) -> float:
        before = len(scene.providers.of("whatsapp"))
        began = time.monotonic()
        await scene.publish(count, seed)
        wanted = sum(n for (_, channel, _), n in scene._wanted().items() if channel == "whatsapp")
        while len(scene.providers.of("whatsapp")) < wanted and time.monotonic() - began < 120:
            await asyncio.sleep(0.02)
        return (wanted - before) / (time.monotonic() - began)

    await scene.start()
    await rate(20, 19)
    ratios = []
    for n in range(3):
        usual = await rate(60, 20 + n)
        scene.providers.behave = hang
        ratios.append(await rate(60, 30 + n) / usual)
        hangs.set()
        await asyncio.sleep(1)
        hangs.clear()
        scene.providers.behave = None
        await scene.check()
    return f"{(await scene.check()).line()}; rate of the other channels beside the usual one: " + ", ".join(
        f"{r:.2f}" for r in ratios
    )


async def lossy(scene: Scene, count: int) -> str:
    """Of a hundred requests two are taken and their answers lost."""
    dice = random.Random(5)

    async def lose(sent: Sent) -> web.StreamResponse | None:
        if dice.random() >= 0.02:
            return None
        scene.providers.sent.append(sent)
        return scene.providers.reset(scene.providers.requests[-1])

    await scene.start()
    scene.providers.behave = lose
    await scene.publish(count, 50)
    return (await scene.check()).line()


async def backlog(scene: Scene, count: int) -> str:
    """So many events wait in the queue: nothing is lost, and memory does not grow with them."""
    await scene.start()
    scene.processes[0].kill()
    async with await aio_pika.connect(scene._broker) as connection:
        channel = await connection.channel(publisher_confirms=False)
        exchange = await channel.get_exchange("orders")
        for n in range(count):
            e = event(f"Q-{n}", "pending_vendor_assignment", datetime.now(UTC))
            await exchange.publish(aio_pika.Message(encoded(e), delivery_mode=2), "order.status_changed")
        queue = await (await connection.channel()).declare_queue(INTAKE, passive=True)
        while ((await queue.declare()).message_count or 0) < count:
            await asyncio.sleep(0.5)
        process = await scene.launch(0)
        began, sizes, left = time.monotonic(), [], count
        while left:
            left = (await queue.declare()).message_count or 0
            status = Path(f"/proc/{process.process.pid}/status").read_text()
            sizes.append((left, int(status.partition("VmRSS:")[2].split()[0]) / 1024))
            await asyncio.sleep(1)
        rate = count / (time.monotonic() - began)
    database = await connect(scene._database)
    await asyncio.sleep(3)
    taken = await database.fetchval("SELECT count(*) FROM orders WHERE order_id LIKE 'Q-%'")
    await database.close()
    half = [mib for left, mib in sizes if left < count * 0.9]
    return (
        f"{count} events, {count - taken} lost, {rate:.0f}/s; memory {half[0]:.0f} MiB after a tenth, "
        f"{sizes[-1][1]:.0f} MiB at the end, {max(half):.0f} MiB at most"
    )


SCENARIOS: dict[str, Callable[[float], Awaitable[str]]] = {
    "rabbit-cluster": clusters.rabbit_cluster,
    "rabbit-cluster-haproxy": partial(clusters.rabbit_cluster, proxied=True, only="killed"),
    "postgres-cluster": clusters.postgres_cluster,
    "postgres-cluster-haproxy": partial(clusters.postgres_cluster, proxied=True, only="over"),
    "pgbouncer": clusters.pgbouncer,
    "upgrade": upgrades.upgrade,
    "restore": restores.restore,
}


async def main() -> None:
    """Run what was asked for; 0 leaves an act out, and so does naming scenarios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"only these: {', '.join(SCENARIOS)}")
    parser.add_argument("--rate", type=float, default=PER_SECOND, help="events a second in scenarios")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--gap", type=float, default=4.0, help="seconds between two kills, at most")
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--clock-rounds", type=int, default=100)
    parser.add_argument("--lossy", type=int, default=200)
    parser.add_argument("--backlog", type=int, default=500_000)
    parser.add_argument("--hanging", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    # Our own publisher's client tells at length of each broker that was crashed on purpose.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    logging.getLogger("aio_pika").setLevel(logging.CRITICAL)
    if unknown := [name for name in o.scenarios if name not in SCENARIOS]:
        parser.error(f"no scenario {unknown[0]!r}; known: {', '.join(SCENARIOS)}")
    if not o.scenarios:
        await acts(o)
    for name in o.scenarios or SCENARIOS:
        print(f"{name:<26}{await SCENARIOS[name](o.rate)}", flush=True)


async def acts(o: argparse.Namespace) -> None:
    """One RabbitMQ and one PostgreSQL, and what is done to them and to the service."""
    with running(Rabbit) as rabbit, running(Postgres) as postgres:
        assert isinstance(rabbit, Rabbit)
        assert isinstance(postgres, Postgres)
        acts = (
            (o.hanging, "hanging provider", hanging),
            (o.lossy, "lost answers", lambda s: lossy(s, o.lossy)),
            (o.clock_rounds, "clock processes killed", lambda s: killed_clocks(s, o.clock_rounds)),
            (o.restarts, "broker restarts", lambda s: restarts(s, rabbit, o.restarts)),
            (o.restarts, "database restarts", lambda s: restarts(s, postgres, o.restarts)),
            (o.kills, "random kills", lambda s: random_kills(s, o.kills, o.seed, o.gap)),
            (o.backlog, "backlog", lambda s: backlog(s, o.backlog)),
        )
        for wanted, name, act in acts:
            if wanted:
                await _purged(rabbit)
                async with new_scene(rabbit, postgres) as scene:
                    print(f"{name:<24}{await act(scene)}", flush=True)


async def killed_clocks(scene: Scene, rounds: int) -> str:
    """Two clock processes, one always being killed."""
    args = (scene.folder, scene._database, scene._broker, scene.providers, scene.mailbox)
    return (await clock_rounds.run(*args, rounds=rounds, seconds=rounds * 2.2)).line()


async def _purged(rabbit: Rabbit) -> None:
    """Nothing of an earlier act is left in the queues."""
    async with await aio_pika.connect(rabbit.url) as connection:
        channel = await connection.channel()
        for queue in (INTAKE, "stagebell.dead", *(f"escalations.{t}" for t in clock_rounds.TEAMS)):
            await channel.queue_delete(queue)


if __name__ == "__main__":
    asyncio.run(main())
