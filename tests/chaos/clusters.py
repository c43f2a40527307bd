"""The engines as clusters: nodes killed, paused, rolled, promoted, with and without HAProxy or PgBouncer before them."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from service.broker.port import INTAKE
from tests.chaos.measuring import Fault, shaken
from tests.chaos.scene import Scene
from tests.support.haproxy import HAProxy, Primaries
from tests.support.nodes import Postgres, Rabbit
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres_cluster import PostgresCluster
from tests.support.providers import Mailbox, Providers
from tests.support.rabbit_cluster import RabbitCluster

PAUSED_S = 40.0
NO_PRIMARY_S = 2.0
STANDBYS_AWAY_S = 20.0
DATABASE = "orders"
ROLES = ("intake,clock,relay,web", "intake,dispatch")


@contextlib.asynccontextmanager
async def scene_on(
    database: str,
    brokers: str,
    ways: tuple[str, str],
    roles: tuple[str, ...] = ROLES,
    wrapped: Mapping[str, str] | None = None,
    **settings: str,
) -> AsyncIterator[Scene]:
    """Two processes of the service, started, that reach the engines by `ways`; `wrapped`: more of their environment."""
    folder = Path(tempfile.mkdtemp(prefix="stagebell-chaos-"))
    providers, mailbox = Providers(), Mailbox()
    await providers.start(folder)
    await mailbox.start()
    scene = Scene(folder, database, brokers, providers, mailbox, ways)
    try:
        # Living time: by a faster clock the events of later rounds would be old when they come.
        await scene.start(roles, wrapped, TIME_SPEED="1", **settings)
        yield scene
    finally:
        await scene.close()
        await providers.close()
        await mailbox.close()


async def nothing() -> None:
    """Is to be done."""


def rabbit_faults(cluster: RabbitCluster) -> list[Fault]:
    """What happens to a cluster of three nodes, each time to the one that leads the intake queue."""
    hit: list[Rabbit] = []

    def choose() -> Rabbit:
        hit[:] = [cluster.leader_of(INTAKE)]
        return hit[0]

    async def kill() -> None:
        (await asyncio.to_thread(choose)).kill()

    async def restart() -> None:
        await asyncio.to_thread(hit[0].start)
        await asyncio.to_thread(cluster.wait_until_whole)

    async def pause() -> None:
        cluster.pause(await asyncio.to_thread(choose))
        await asyncio.sleep(PAUSED_S)

    async def go_on() -> None:
        cluster.go_on(hit[0])

    async def roll() -> None:
        for node in cluster.nodes:
            await asyncio.to_thread(cluster.restart, node)

    async def whole() -> None:
        await asyncio.to_thread(cluster.wait_until_whole)

    return [
        Fault("the leader killed (counted from the kill)", kill, nothing, restart),
        Fault(f"the leader's node paused {PAUSED_S:.0f} s", pause, go_on, whole),
        Fault("three nodes restarted, one by one", roll, nothing),
    ]


async def rabbit_cluster(per_second: float, *, proxied: bool = False, only: str = "") -> str:
    """Three RabbitMQ nodes, by three addresses or by one of HAProxy's."""
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(contextlib.closing(await asyncio.to_thread(RabbitCluster)))
        postgres = stack.enter_context(contextlib.closing(await asyncio.to_thread(Postgres)))
        database = await postgres.create(DATABASE)
        brokers = cluster.urls
        if proxied:
            before = stack.enter_context(contextlib.closing(HAProxy([n.port for n in cluster.nodes])))
            brokers = f"amqp://guest:guest@127.0.0.1:{before.port}/"
        async with scene_on(database, cluster.urls, (database, brokers)) as scene:
            return await shaken(scene, [f for f in rabbit_faults(cluster) if only in f.name], per_second)


def postgres_faults(cluster: PostgresCluster) -> list[Fault]:
    """What happens to a primary with two standbys."""
    fallen: list[Postgres] = []

    async def crash() -> None:
        fallen.append(cluster.primary)
        await asyncio.to_thread(cluster.primary.kill)
        await asyncio.sleep(NO_PRIMARY_S)

    async def stop() -> None:
        fallen.append(cluster.primary)
        await asyncio.to_thread(cluster.primary.stop)

    async def again() -> None:
        """The one that fell comes back as a standby, anew."""
        await cluster.add(fallen.pop())

    async def lose_standbys() -> None:
        fallen[:] = cluster.standbys
        for node in fallen:
            await asyncio.to_thread(node.kill)
        await asyncio.sleep(STANDBYS_AWAY_S)

    async def standbys_back() -> None:
        for node in fallen:
            await asyncio.to_thread(node.start)
        fallen.clear()
        await cluster.wait_for_standbys(1)

    return [
        Fault(f"both standbys lost for {STANDBYS_AWAY_S:.0f} s", lose_standbys, standbys_back),
        Fault("failover: the primary crashes, a standby is promoted", crash, cluster.promote, again),
        Fault("switchover: the primary is stopped, a standby promoted", stop, cluster.promote, again),
    ]


async def postgres_cluster(per_second: float, *, proxied: bool = False, only: str = "") -> str:
    """A primary and two synchronous standbys, by three hosts in one address or by HAProxy's."""
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(contextlib.closing(await PostgresCluster.start(DATABASE)))
        rabbit = stack.enter_context(contextlib.closing(await asyncio.to_thread(Rabbit)))
        direct = f"postgresql+asyncpg://stagebell@{cluster.hosts}/{DATABASE}?target_session_attrs=primary"
        database = direct
        if proxied:
            primaries = Primaries(cluster.nodes)
            await primaries.start()
            stack.push_async_callback(primaries.close)
            before = HAProxy([n.port for n in cluster.nodes], primaries.ports)
            stack.callback(before.close)
            database = f"postgresql+asyncpg://stagebell@127.0.0.1:{before.port}/{DATABASE}"
        async with scene_on(direct, rabbit.url, (database, rabbit.url)) as scene:
            return await shaken(scene, [f for f in postgres_faults(cluster) if only in f.name], per_second)


async def pgbouncer(per_second: float) -> str:
    """PgBouncer in transaction mode: the server behind it restarts, and it restarts itself."""
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(contextlib.closing(await asyncio.to_thread(Postgres)))
        rabbit = stack.enter_context(contextlib.closing(await asyncio.to_thread(Rabbit)))
        pooler = stack.enter_context(contextlib.closing(await asyncio.to_thread(PgBouncer, postgres)))
        direct = await postgres.create(DATABASE)

        async def kill() -> None:
            await asyncio.to_thread(postgres.kill)

        async def start() -> None:
            await asyncio.to_thread(postgres.start)

        async def kill_pooler() -> None:
            await asyncio.to_thread(pooler.kill)

        async def start_pooler() -> None:
            await asyncio.to_thread(pooler.start)

        faults = [
            Fault("the server behind it crashes and starts again", kill, start),
            Fault("it is killed and starts again", kill_pooler, start_pooler),
        ]
        ways = (pooler.url(DATABASE), rabbit.url)
        async with scene_on(direct, rabbit.url, ways, DATABASE_LISTEN_URL=direct) as scene:
            return await shaken(scene, faults, per_second)
