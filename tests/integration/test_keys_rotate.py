"""A new SECRET_KEY, and the bound form of seals, come in while the service runs; nothing becomes unreadable."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select, update

from service.key_watch import KeyWatch
from service.keyring import Keyring, Label
from service.ledger.columns import LABEL, metadata
from service.ledger.database.engine import Ledger
from service.ledger.database.schema import migrate
from service.ledger.database.tables import meta
from service.ledger.sealing import processes as key_processes
from service.ledger.sealing.resealing import reseal
from service.ledger.sealing.state import BOUND, MIXED, UNBOUND, KeyState, apply_state, begin_bound, begin_key, settle
from tests.support.events import event, minutes, person
from tests.support.process import Process, command, environment
from tests.support.providers import Mailbox, Providers
from tests.support.world import World

OLD, NEW = "a secret key for tests, as long as they are", "the next secret key for tests, as long as it is"
SEALED = [c for table in metadata.tables.values() for c in table.columns if LABEL in c.info]


async def state_of(ledger: Ledger) -> KeyState:
    async with ledger.reading() as tx:
        return await apply_state(tx)


async def all_sealed(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    """By sealed column, (key, bytes) of every row."""
    found = {}
    async with ledger.reading() as tx:
        for c in SEALED:
            keys = list(c.table.primary_key.columns)
            found[str(c)] = [tuple(r) for r in await tx.execute(select(*keys, c).where(c.is_not(None)))]
    return found


async def as_an_older_release_left_it(ledger: Ledger) -> None:
    """Every seal unbound, and no word of keys but the fingerprint."""
    older = Keyring(OLD)
    older.use(fingerprint=older.newest, root=None, writes_bound=False, refuses_unbound=False)
    async with ledger.transaction() as tx:
        for c in SEALED:
            keys = list(c.table.primary_key.columns)
            for row in (await tx.execute(select(*keys, c).where(c.is_not(None)))).all():
                place = c.info[LABEL].of(*row[:-1])
                sealed = older.seal(ledger.keyring.unseal(row[-1], place), place)
                here = [k == v for k, v in zip(keys, row[:-1], strict=True)]
                await tx.execute(update(c.table).where(*here).values({c: sealed}))
        await tx.execute(meta.delete().where(meta.c.key != "secret_key_fingerprint"))


@pytest.fixture
async def filled(world: World) -> World:
    """A world with orders in it."""
    for n in range(3):
        await world.accept(
            event(f"K-{n}", "created", recipients={"customer": person(n)}),
            event(f"K-{n}", at=minutes(1), kind="order.issue_reported", issue={"reason": "double_deduction"}),
        )
    await world.settled()
    return world


async def test_a_new_key_is_taken_up_while_others_write(filled: World) -> None:
    ledger = Ledger(filled.settings.database_url, Keyring(NEW, OLD))
    await migrate(ledger)
    assert (await state_of(ledger)).fingerprint == Keyring(OLD).fingerprint, "the old key seals until all know the new"
    digest, token = ledger.keyring.digest("person", "x"), ledger.keyring.subkey("webhook x")
    filled.ledger.keyring.__init__(NEW, OLD)  # type: ignore[misc]  # as a restart with both keys does
    async with ledger.transaction() as tx:
        state = await begin_key(tx)
    assert not state.is_settled
    await KeyWatch(filled.ledger, reseals=False).say()
    writing = asyncio.create_task(filled.accept(*(event(f"K-{n % 3}", "assigned", minutes(2 + n)) for n in range(3))))
    while True:
        done = await reseal(ledger)
        if writing.done() and not (done.resealed or done.left):
            break
    await writing
    async with ledger.transaction() as tx:
        assert (await settle(tx, state)).is_settled
    assert done.unreadable == 0
    for column, rows in (await all_sealed(ledger)).items():
        assert all(ledger.keyring.is_current(row[-1]) for row in rows), column
    alone = Ledger(filled.settings.database_url, Keyring(NEW))
    await migrate(alone)
    assert (alone.keyring.digest("person", "x"), alone.keyring.subkey("webhook x")) == (digest, token)
    async with alone.reading() as tx:
        for c in SEALED:
            keys = list(c.table.primary_key.columns)
            for row in await tx.execute(select(*keys, c).where(c.is_not(None))):
                assert alone.keyring.unseal(row[-1], c.info[LABEL].of(*row[:-1]))
    await alone.close()
    await ledger.close()


async def test_older_seals_stay_readable_and_become_bound_once_no_older_release_runs(
    filled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled.app.close()
    ledger = Ledger(filled.settings.database_url, Keyring(OLD))
    await migrate(ledger)
    before = ledger.keyring.digest("person", "x")
    async with ledger.transaction() as tx:
        (root,) = (await tx.execute(select(meta.c.value).where(meta.c.key == "root_key"))).scalars()
    await as_an_older_release_left_it(ledger)
    await ledger.close()
    assert root
    ledger = Ledger(filled.settings.database_url, Keyring(OLD))
    await migrate(ledger)
    assert (await state_of(ledger)).form == UNBOUND
    assert ledger.keyring.digest("person", "x") == Keyring(OLD).digest("person", "x") != before, "as that release did"
    assert not ledger.keyring.is_bound(ledger.keyring.seal(b"x", Label("x").of())), "an older replica can read it"
    watch = KeyWatch(ledger, reseals=True)
    monkeypatch.setattr("service.key_watch.NONE_SEEN_FOR_S", 0.0)
    await watch.say()
    seen = []
    for _ in range(6):
        seen.append((await state_of(ledger)).form)
        await watch.carry_on()
        await watch.say()
    assert list(dict.fromkeys(seen)) == [UNBOUND, MIXED, BOUND]
    assert (await state_of(ledger)).is_settled
    for column, rows in (await all_sealed(ledger)).items():
        assert all(ledger.keyring.is_current(row[-1]) for row in rows), column
    await ledger.close()


async def test_an_older_replica_keeps_bound_seals_away(postgres_url: str) -> None:
    import asyncpg

    ledger = Ledger(postgres_url, Keyring(OLD))
    await migrate(ledger)
    async with ledger.reading() as tx:
        assert await key_processes.older_releases(tx) == 0
    older = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    async with ledger.reading() as tx:
        assert await key_processes.older_releases(tx) == 1
    await older.close()
    async with ledger.transaction() as tx:
        assert (await begin_bound(tx)).form == BOUND, "a new database begins so"
    await ledger.close()


@pytest.mark.long
async def test_rotate_beside_a_running_service(
    tmp_path: Path, postgres_url: str, rabbit_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    env = environment(tmp_path, postgres_url, rabbit_url, providers, mailbox)

    async def run(env: dict[str, str], *arguments: str) -> Any:
        return await asyncio.to_thread(command, tmp_path, env, *arguments)

    key = (await run(env, "keys", "create", "--role", "admin", "t")).stdout.strip().splitlines()[-1]
    secret = (await run(env, "webhook-secret", "https://x.example")).stdout
    both = {**env, "STAGEBELL_SECRET_KEY": NEW, "STAGEBELL_SECRET_KEY_PREVIOUS": env["STAGEBELL_SECRET_KEY"]}
    only = {k: v for k, v in both.items() if k != "STAGEBELL_SECRET_KEY_PREVIOUS"}
    refused = await run(only, "migrate")
    assert refused.returncode == 1
    assert "STAGEBELL_SECRET_KEY_PREVIOUS" in refused.stderr
    process = Process(tmp_path, both)
    await process.ready()
    url = f"http://127.0.0.1:{process.port}"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        sent = event("R-1", "created", datetime.now(UTC), recipients={"customer": person(1)})
        assert (await session.post(f"{url}/v1/events", json=sent)).status == 200
        done = await run(both, "keys", "rotate")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "STAGEBELL_SECRET_KEY_PREVIOUS may go" in done.stdout
        shown = await session.get(f"{url}/v1/orders/device_pickup/R-1")
        assert shown.status == 200
        assert (await shown.json())["recipients"]
    assert await process.terminate() == 0
    process.close()
    assert (await run(env, "keys", "list")).returncode == 1, "the old key alone opens nothing any more"
    assert "may go" in (await run(only, "keys", "rotate")).stdout
    assert (await run(only, "webhook-secret", "https://x.example")).stdout == secret
    assert "order_created" in (await run(only, "explain", "device_pickup", "R-1")).stdout
