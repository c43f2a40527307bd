"""Parts that came before their whole, while the service is killed as it looks at them: none is lost, none counts twice."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.support.events import encoded, event, part_of, person
from tests.support.nodes import connect
from tests.support.process import Process, command, environment
from tests.support.providers import Mailbox, Providers

PATIENCE_S = 90
ROLES = ("--roles", "intake")
WAITS = "SELECT count(*) FROM waiting_events"
STANDS = "SELECT order_id, status FROM orders"
MOVES = (
    "SELECT o.order_id, count(*) FROM timeline t JOIN orders o ON o.id = t.order_id WHERE t.kind = 'status_changed'"
    " AND o.order_id LIKE '%P%' GROUP BY 1"
)
DOUBLED = (
    "SELECT order_id, notice, channel FROM messages WHERE notice <> 'partly_delivered' GROUP BY 1, 2, 3"
    " HAVING count(*) > 1"
)
# Each parcel but the last of its order is told so.
PARTLY = "SELECT count(*) FROM notices WHERE name = 'partly_delivered'"
# So that the next process does not die over what it looks at in vain, but over what the wholes bring.
NOBODY_LOOKS = "UPDATE waiting_events SET look_at = now() + interval '1 hour'"
REFUSED = "SELECT count(*) FROM inbox WHERE outcome = 'rejected'"


def said(wholes: int, parts: int) -> tuple[str, str]:
    """What the parts say from beginning to end, and what their wholes say when they come at last."""
    start = datetime.now(UTC) - timedelta(minutes=2)
    first, then = [], []
    for w in range(wholes):
        people = {"customer": person(w)}
        then.append(
            event(f"W{w}", "announced", start, workflow="parcel", recipients=people, attributes={"parcels": parts})
        )
        for p in range(parts):
            first.append(part_of(f"W{w}", f"W{w}P{p}", at=start, recipients=people))
            first.append(event(f"W{w}P{p}", "delivered", start + timedelta(seconds=p + 1), workflow="parcel"))
    return "\n".join(encoded(e).decode() for e in first), "\n".join(encoded(e).decode() for e in then)


async def until(come: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await come():
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("wholes", "parts", "kills"), [(2, 2, 1), pytest.param(20, 3, 12, marks=pytest.mark.long)], ids=["short", "long"]
)
async def test_what_waits_for_its_whole_outlives_the_process(
    tmp_path: Path,
    postgres_url: str,
    rabbit_url: str,
    providers: Providers,
    mailbox: Mailbox,
    wholes: int,
    parts: int,
    kills: int,
) -> None:
    env = environment(tmp_path, postgres_url, rabbit_url, providers, mailbox)
    first, then = said(wholes, parts)
    service = Process(tmp_path, env, *ROLES)
    database: asyncpg.Connection | None = None
    try:
        await service.ready(60)
        database = await connect(postgres_url)
        assert command(tmp_path, env, "publish", "-", stdin=first).returncode == 0
        await until(lambda: _is(database, WAITS, wholes * parts * 2))
        for kill in range(kills):
            service.close()
            # Of several the first dies while nothing has come yet, the others as they decide what has.
            if kill == 1 or kills == 1:
                assert await database.fetchval(WAITS) == wholes * parts * 2
                await database.execute(NOBODY_LOOKS)
                assert command(tmp_path, env, "publish", "-", stdin=then).returncode == 0
            point = f"waiting.before_commit:{2 if kills == 1 else 1 + kill % 3}"
            service = Process(tmp_path, env | {"STAGEBELL_FAILPOINT": point}, *ROLES)
            await asyncio.wait_for(asyncio.to_thread(service.process.wait), PATIENCE_S)
        service.close()
        service = Process(tmp_path, env, *ROLES)
        await until(lambda: _is(database, WAITS, 0))
        stands = {row["order_id"]: row["status"] for row in await database.fetch(STANDS)}
        assert stands == {
            name: "delivered" for w in range(wholes) for name in (f"W{w}", *(f"W{w}P{p}" for p in range(parts)))
        }
        assert {row["count"] for row in await database.fetch(MOVES)} == {1}, "each was delivered once"
        assert await database.fetch(DOUBLED) == []
        assert await database.fetchval(PARTLY) == wholes * (parts - 1)
        assert await database.fetchval(REFUSED) == 0
    finally:
        service.close()
        if database:
            await database.close()


async def _is(database: asyncpg.Connection | None, query: str, expected: int) -> bool:
    assert database is not None
    return bool(await database.fetchval(query) == expected)
