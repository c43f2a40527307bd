"""A rolling upgrade from an earlier release, under load, on a database with many past orders."""

import asyncio
import contextlib
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from bench.upgrading import CHUNK
from tests.chaos.clusters import DATABASE, scene_on
from tests.chaos.scene import Scene
from tests.support.events import event, person
from tests.support.nodes import Postgres, Rabbit, connect
from tests.support.process import STAGEBELL, Process, command
from tests.support.world import ROOT

# The last commit with schema 0015: what is upgraded from.
PREVIOUS = os.environ.get("STAGEBELL_TEST_PREVIOUS", "7c1a81c")
PAST = int(os.environ.get("STAGEBELL_TEST_PAST", "1000000"))
PACE_S = 0.05
PATIENCE_S = 600.0
SECRET = "a secret key for tests, as long as they are"
FIRST = 700_000  # the customers of what is published over HTTP
# As past orders stand there: ended, with a message each that nobody will ask for again.
_FILL = (
    "INSERT INTO orders (id, workflow, order_id, status, stage, stage_rank, final, created_at, updated_at, sealed_state)"
    " SELECT gen_random_uuid(), 'w', 'P-' || n, 's', 's', 0, true, now() - interval '1 day', now() - n * interval '1 s',"
    " decode(repeat('ab', 200), 'hex') FROM generate_series($1::int, $2::int) n",
    "INSERT INTO messages (id, order_id, notice_id, notice, channel, audience, lane, state, valid_until, when_unknown,"
    " secret, created_at, sealed_recipient) SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'n',"
    " 'sms', 'customer', decode(md5(n::text), 'hex'), 'delivered', now(), 'resend', false, now(),"
    " decode(repeat('ab', 60), 'hex') FROM generate_series($1::int, $2::int) n",
    "INSERT INTO inbox (key, received_at, outcome)"
    " SELECT decode(md5('i' || n), 'hex'), now(), 'accepted' FROM generate_series($1::int, $2::int) n",
)


def earlier_release(folder: Path) -> Path:
    """Its source; with the dependencies that are installed here."""
    there = folder / "earlier"
    there.mkdir()
    archive = subprocess.run(["git", "archive", PREVIOUS], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(there)], input=archive, check=True)
    pack = there / "templates/device_pickup/workflow.yaml"
    pack.write_text(re.sub(r"(?m)^grace:.*$", "grace: 48h", pack.read_text()))
    return there


async def _fill(url: str) -> None:
    connection = await connect(url)
    for first in range(0, PAST, CHUNK):
        for statement in _FILL:
            await connection.execute(statement, first, min(first + CHUNK, PAST) - 1)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


class OverHttp:
    """A publisher that sends each event, again when it is told to, to whichever replica answers."""

    def __init__(self, serving: list[Process], key: str) -> None:
        self.serving, self._key = serving, {"Authorization": f"Bearer {key}"}
        self.answers: Counter[int] = Counter()
        self.slowest_s = 0.0
        self.enough = asyncio.Event()
        self.taken = 0

    async def run(self) -> None:
        """Until enough."""
        async with aiohttp.ClientSession(headers=self._key, timeout=aiohttp.ClientTimeout(40)) as session:
            while not self.enough.is_set():
                e = event(
                    f"H-{self.taken}", "created", datetime.now(UTC), recipients={"customer": person(FIRST + self.taken)}
                )
                began = time.monotonic()
                while not await self._took(session, e):
                    await asyncio.sleep(PACE_S)
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                self.taken += 1
                await asyncio.sleep(PACE_S)

    async def _took(self, session: aiohttp.ClientSession, e: object) -> bool:
        for process in list(self.serving):
            with contextlib.suppress(aiohttp.ClientError):
                async with session.post(f"http://127.0.0.1:{process.port}/v1/events", json=e) as answer:
                    self.answers[answer.status] += 1
                    if answer.status == 200:
                        return True
        return False


def _migrate(scene: Scene, said: Path) -> None:
    with said.open("wb") as log:
        subprocess.run(
            [*STAGEBELL, "migrate"],
            env=scene._env,
            cwd=scene.folder,
            stdout=log,
            stderr=log,
            timeout=PATIENCE_S,
            check=True,
        )


async def upgrade(per_second: float) -> str:
    """Two replicas of the earlier release, the schema brought up beside them, then one after the other replaced."""
    folder = Path(tempfile.mkdtemp(prefix="stagebell-upgrade-"))
    earlier = earlier_release(folder)
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(contextlib.closing(await asyncio.to_thread(Postgres)))
        rabbit = stack.enter_context(contextlib.closing(await asyncio.to_thread(Rabbit)))
        database = await postgres.create(DATABASE)
        old = {"PYTHONPATH": str(earlier), "STAGEBELL_WORKFLOWS": str(earlier / "templates")}
        env = {**os.environ, **old, "STAGEBELL_DATABASE_URL": database, "STAGEBELL_SECRET_KEY": SECRET}
        migrated = command(folder, env, "migrate", within=PATIENCE_S)
        assert migrated.returncode == 0, migrated.stderr
        await _fill(database)
        roles = ("intake,dispatch,clock,relay,web",) * 2
        async with scene_on(database, rabbit.url, (database, rabbit.url), roles=roles, wrapped=old) as scene:
            return await _rolled(scene, per_second)


async def _rolled(scene: Scene, per_second: float) -> str:
    made = command(scene.folder, scene._env, "keys", "create", "shop", "--role", "publisher", within=PATIENCE_S)
    key = made.stdout.split()[-1]
    http, enough = OverHttp(list(scene.processes), key), asyncio.Event()
    publishing = [asyncio.create_task(scene.keep_publishing(enough, 5000, per_second)), asyncio.create_task(http.run())]
    await asyncio.sleep(5)
    before_s, http.slowest_s = http.slowest_s, 0.0
    scene._env |= {"PYTHONPATH": str(ROOT)}  # the packs stay as they are
    began = time.monotonic()
    said = scene.folder / "migrate.log"
    await asyncio.to_thread(_migrate, scene, said)
    migrated_s = time.monotonic() - began
    blocked = said.read_text().count("schema.blocked")
    for n in range(len(scene.processes)):
        leaving = scene.processes[n]
        # As a load balancer does: no new work for whoever is to go.
        http.serving = [p for p in scene.processes if p is not leaving]
        await leaving.terminate()
        await scene.launch(n)
        http.serving = list(scene.processes)
        await asyncio.sleep(3)
    enough.set()
    http.enough.set()
    await asyncio.gather(*publishing)
    told = {person(FIRST + n)["phone"] for n in range(http.taken)}
    found = await scene.check(within_s=420)
    found.unexpected = [u for u in found.unexpected if int(u.split()[0]) < FIRST]
    missing = told - {s.to for s in scene.providers.of("sms")}
    return (
        f"{found.line()}; {PAST} past orders, migrated in {migrated_s:.1f} s ({blocked} times a lock was not to be had); over HTTP {http.taken} taken, {len(missing)} lost,"
        f" answers {dict(http.answers)}, the slowest until taken {http.slowest_s:.2f} s (before {before_s:.2f} s)"
    )
