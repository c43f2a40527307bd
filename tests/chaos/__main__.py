"""`make chaos`: the long form. Hundreds of random kills and restarts, and the checker's findings as a table."""

import argparse
import asyncio
import contextlib
import random
import tempfile
from pathlib import Path

import asyncpg

from service.keyring import Keyring
from service.ledger.engine import Ledger
from service.ledger.schema import migrate
from tests.chaos.scene import Findings, Scene
from tests.support.nodes import Postgres, Rabbit, running
from tests.support.providers import Mailbox, Providers

ROLES = ("intake,clock,relay,web", "dispatch", "dispatch")


@contextlib.asynccontextmanager
async def new_scene(rabbit: Rabbit, postgres: Postgres):  # type: ignore[no-untyped-def]
    """A scene on a database of its own."""
    folder = Path(tempfile.mkdtemp(prefix="stagebell-chaos-"))
    name = folder.name.replace("-", "_").lower()
    connection = await asyncpg.connect(f"postgresql://stagebell@127.0.0.1:{postgres.port}/postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    ledger = Ledger(postgres.url(name), Keyring("a secret key for tests"))
    await migrate(ledger)
    await ledger.close()
    providers, mailbox = Providers(), Mailbox()
    await providers.start(folder)
    await mailbox.start()
    scene = Scene(folder, postgres.url(name), rabbit.url, providers, mailbox)
    try:
        yield scene
    finally:
        await scene.close()
        await providers.close()
        await mailbox.close()


async def random_kills(scene: Scene, kills: int, seed: int) -> Findings:
    """SIGKILL to one of three processes, again and again, under load."""
    await scene.start(ROLES)
    dice = random.Random(seed)
    publishing = asyncio.create_task(scene.publish(max(60, kills * 2), seed, per_second=40))
    for _ in range(kills):
        await asyncio.sleep(dice.uniform(0.2, 1.0))
        i = dice.randrange(len(ROLES))
        scene.processes[i].kill()
        scene.kills += 1
        await scene.launch(i)
    await publishing
    return await scene.check()


async def restarts(scene: Scene, node: Rabbit | Postgres, times: int) -> Findings:
    """The node crashes and comes back, again and again, under load."""
    await scene.start()
    for n in range(times):
        for _ in range(60):
            with contextlib.suppress(Exception):
                await scene.publish(4, 1000 + n)
                break
            await asyncio.sleep(1)
        node.kill()
        await asyncio.sleep(0.3)
        await asyncio.to_thread(node.start)
    return await scene.check()


async def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with running(Rabbit) as rabbit, running(Postgres) as postgres:
        assert isinstance(rabbit, Rabbit)
        assert isinstance(postgres, Postgres)
        if options.kills:
            async with new_scene(rabbit, postgres) as scene:
                print(
                    "random kills:      ", (await random_kills(scene, options.kills, options.seed)).line(), flush=True
                )
        for node, name in ((rabbit, "broker restarts:   "), (postgres, "database restarts: ")):
            if options.restarts:
                async with new_scene(rabbit, postgres) as scene:
                    print(name, options.restarts, (await restarts(scene, node, options.restarts)).line(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
