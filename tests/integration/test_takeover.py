"""A dead process's work is taken over within 5 s, on both databases; one that lives is left its own."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import select, update

from service.keyring import Keyring
from service.ledger.database.connecting import PostgresConnector
from service.ledger.database.engine import Ledger, new_uuid
from service.ledger.database.listening import Listener
from service.ledger.database.liveness import FileLiveness, SessionLiveness
from service.ledger.database.tables import meta
from service.ledger.database.wakeups import Wakeups
from service.ledger.messages import outbox
from service.ledger.messages import tables as message_tables
from service.ledger.messages.housekeeping import SETTLED_WITHIN
from service.ledger.messages.tables import messages
from tests.support.events import VENDOR, event, person
from tests.support.ports import free_port
from tests.support.process import Process, command, environment
from tests.support.providers import Mailbox, Providers, Sent
from tests.support.ticks import Ticks
from tests.support.world import World

WITHIN_S = 5.0
DEAD = 777


@pytest.mark.parametrize("arrived", [True, False])
async def test_what_a_dead_process_had_claimed_waits_for_no_lease(world: World, arrived: bool) -> None:
    """The clock stands still for all but a second: leases of a minute would never end."""
    await world.accept(event("T-1", "vendor_en_route", recipients={"customer": person(1)}, assignee=VENDOR))
    await world.settled()
    owned: dict[str, Any] = {"lease_owner": DEAD, "lease_until": world.clock.now() + timedelta(minutes=5)}
    await world.process_died_sending("sms", **owned)
    if not arrived:
        world.providers.sent.clear()
    async with world.ledger.transaction() as tx:
        await tx.execute(
            update(messages).where(messages.c.channel == "push").values(state="sending", send_begun=False, **owned)
        )
        asked = {
            "state": "unknown",
            "provider": "",
            "not_before": world.clock.now() + SETTLED_WITHIN,
            "lease_owner": DEAD,
        }
        await tx.execute(update(messages).where(messages.c.channel == "whatsapp").values(**asked))
        leaving = outbox.OutboxMessage("notifications", "notification.sent.sms", "m-1", b"{}", id=new_uuid())
        await outbox.put(tx, [leaving], world.clock.now())
        await tx.execute(update(message_tables.outbox).values(leased_until=owned["lease_until"], lease_owner=DEAD))
        await tx.execute(meta.insert().values(key=f"alive:{DEAD}", value=""))
    world.clock.advance(seconds=1)

    async def is_done() -> bool:
        world.clock.advance(seconds=0.05)  # the loops look once a second of it
        found = {state for _, state in await world.messages("T-1")}
        async with world.ledger.reading() as tx:
            left = (await tx.execute(select(message_tables.outbox.c.id))).all()
            known = (await tx.execute(select(meta.c.key).where(meta.c.key == f"alive:{DEAD}"))).all()
        return found == {"sent"} and not left and not known

    async with Ticks() as took:
        await world.until(is_done, "all is sent, and all is said")
    assert took.seconds < WITHIN_S
    assert len(world.providers.of_seen("sms")) == (1 if arrived else 2)
    pushes = [s.form for s in world.providers.of_seen("push")]
    assert len(pushes) == 2
    assert len({p["android"]["notification"]["tag"] for p in pushes}) == 1, (
        "devices show the second in place of the first"
    )
    assert {p["apns"]["headers"]["apns-collapse-id"] for p in pushes} == {p["android"]["collapseKey"] for p in pushes}


async def test_every_send_under_way_has_an_owner(world: World) -> None:
    """Whichever way it was begun: else it would wait for its lease."""
    answers = asyncio.Event()

    async def hang(_sent: Sent) -> web.StreamResponse | None:
        await answers.wait()
        return None

    world.providers.behave = hang
    await world.accept(event("T-1", "vendor_en_route", recipients={"customer": person(1)}, assignee=VENDOR))
    await world.until(lambda: len(world.providers.seen) >= 3, "all are under way")
    async with world.ledger.reading() as tx:
        owners = (await tx.execute(select(messages.c.lease_owner).where(messages.c.state == "sending"))).scalars().all()
    assert len(owners) >= 3
    assert set(owners) == {world.ledger.liveness.owner}
    answers.set()
    await world.settled()


@pytest.mark.long
@pytest.mark.uninterrupted
async def test_a_killed_process_s_messages_are_with_their_readers_within_5_s(
    parts: dict[str, Any], tmp_path: Path, providers: Providers, mailbox: Mailbox
) -> None:
    """Its provider had taken half of them, and answered none."""
    held = asyncio.Event()

    async def silent(sent: Sent) -> web.StreamResponse | None:
        if len(providers.seen) % 2:
            providers.sent.append(sent)
        await held.wait()
        return web.Response(status=500)

    providers.behave = silent
    env = environment(tmp_path, parts["database_url"], parts["broker_url"], providers, mailbox)
    key = command(tmp_path, env, "keys", "create", "shop", "--role", "publisher").stdout.split()[-1]
    both = [Process(tmp_path, env)]
    await both[0].ready()
    other = {**env, "STAGEBELL_HTTP_PORT": str(free_port())}
    if parts["broker_url"] != "memory://":
        both.append(Process(tmp_path, other, "--roles", "dispatch"))
        await both[1].ready()
    with closing(both[0]):
        texts = {person(n)["phone"] for n in range(4)}
        events = [
            event(f"T-{n}", "created", datetime.now(UTC), recipients={"customer": only_texts(n)}) for n in range(4)
        ]
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
            url = f"http://127.0.0.1:{both[0].port}/v1/events"
            async with session.post(url, json=events) as answer:
                assert answer.status == 200
        async with asyncio.timeout(60):
            while {s.to for s in providers.seen} != texts:
                await asyncio.sleep(0.01)
        providers.behave = None
        both[0].kill()
        if len(both) == 1:
            both.append(Process(tmp_path, other))
            await both[1].ready()
        with closing(both[1]):
            async with asyncio.timeout(WITHIN_S):
                while {s.to for s in providers.of("sms")} != texts:
                    await asyncio.sleep(0.01)
            held.set()
            assert await both[1].terminate() == 0
    assert len(providers.of("sms")) == len(texts)


def only_texts(n: int) -> dict[str, Any]:
    return {"phone": person(n)["phone"], "locale": "en"}


async def until_owned(life: SessionLiveness, owned: bool) -> None:
    async with asyncio.timeout(60):
        while (life.owner is not None) is not owned:
            await asyncio.sleep(0.005)


async def test_a_session_that_breaks_is_not_a_death(world: World, postgres_url: str) -> None:
    """Of PostgreSQL: the sign is back before anybody's doubt is over, whoever cut the connection."""
    life, watcher = SessionLiveness(), SessionLiveness()
    listener = Listener(PostgresConnector(postgres_url), Wakeups(), life)
    task = asyncio.create_task(listener.run())
    await until_owned(life, True)
    admin = await PostgresConnector(postgres_url).connect()
    async with Ticks() as took:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1", life.number
        )
        await until_owned(life, False)
        await until_owned(life, True)
    assert took.seconds < watcher.doubt_s / 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await admin.close()


async def test_a_file_s_lock_says_who_lives(sqlite_url: str) -> None:
    one, two = (Ledger(sqlite_url, Keyring("x")) for _ in range(2))
    for ledger in (one, two):
        async with ledger.transaction() as tx:
            await ledger.liveness.take_lock(tx)
    async with two.transaction() as tx:
        assert await two.liveness.without_lock(tx) == []
        assert isinstance(one.liveness, FileLiveness)
        one.liveness._file.close()
        assert await two.liveness.without_lock(tx) == [one.liveness.number]
        assert await two.liveness.remove(tx, [one.liveness.number]) == [one.liveness.number]
        assert await two.liveness.remove(tx, [one.liveness.number]) == []
    files = list(Path(sqlite_url.partition(":///")[2]).parent.glob("*-alive-*"))
    assert [f.name.endswith(f"-alive-{two.liveness.number}") for f in files] == [True]
    for ledger in (one, two):
        await ledger.close()
