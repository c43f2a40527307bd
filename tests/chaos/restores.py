"""A database restored from a dump, while the broker went on and publishers send again what the dump lacks."""

import asyncio
import contextlib
import os
import random
import subprocess
from collections import Counter

from tests.chaos.clusters import DATABASE, scene_on
from tests.chaos.scene import Scene
from tests.e2e.test_orders_end_to_end import interleaved
from tests.support.nodes import Postgres, Rabbit

ORDERS = 40
SEED = 4000


def _run(node: Postgres, program: str, *arguments: str) -> None:
    env = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(node.port), "PGUSER": "stagebell"}
    subprocess.run([str(node.bin / program), *arguments], env=env, check=True, capture_output=True)


async def restore(per_second: float) -> str:
    """A third of the orders before the dump, a third lost with the database, a third that waited at the broker."""
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(contextlib.closing(await asyncio.to_thread(Postgres)))
        rabbit = stack.enter_context(contextlib.closing(await asyncio.to_thread(Rabbit)))
        database = await postgres.create(DATABASE)
        async with scene_on(database, rabbit.url, (database, rabbit.url)) as scene:
            return await _restored(scene, postgres, per_second)


async def _restored(scene: Scene, postgres: Postgres, per_second: float) -> str:
    await scene.publish_surely(interleaved(scene.compose(ORDERS, SEED), random.Random(0)), per_second)
    await scene.check()
    at_dump = Counter(scene._seen())
    dump = str(scene.folder / "dump")
    await asyncio.to_thread(_run, postgres, "pg_dump", "--format=custom", f"--file={dump}", DATABASE)
    lost = interleaved(scene.compose(ORDERS, SEED + 1), random.Random(1))
    again = [dict(e) for e in lost]
    await scene.publish_surely(lost, per_second)
    await asyncio.sleep(2)
    for process in scene.processes:
        await process.terminate()
    between = {" ".join(key) for key in scene._seen() - at_dump}
    waited = interleaved(scene.compose(ORDERS, SEED + 2), random.Random(2))
    await scene.publish_surely(waited, per_second)
    await asyncio.to_thread(_run, postgres, "dropdb", DATABASE)
    await asyncio.to_thread(_run, postgres, "createdb", DATABASE)
    await asyncio.to_thread(_run, postgres, "pg_restore", f"--dbname={DATABASE}", dump)
    for n in range(len(scene.processes)):
        await scene.launch(n)
    await scene.publish_surely(again, per_second)
    found = await scene.check(within_s=420)
    again_told = [d for d in found.doubled if d.rpartition(" x")[0] in between]
    strange = len(found.doubled) - len(again_told)
    return (
        f"{found.line()}; of {len(between)} told between dump and loss {len(again_told)} were told again;"
        f" {strange} others doubled"
    )
