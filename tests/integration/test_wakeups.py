"""Loops are woken across processes, and not a second time by their own process."""

import asyncio

import pytest

from service.keyring import Keyring
from service.ledger.database.connecting import PostgresConnector
from service.ledger.database.engine import Ledger
from service.ledger.database.listening import Listener
from service.ledger.database.wakeups import Wakeups, announce


@pytest.mark.uninterrupted
async def test_news_wakes_other_processes_alone(postgres_url: str) -> None:
    ledger = Ledger(postgres_url, Keyring("a secret key for tests, as long as they are"))
    ours, theirs = Wakeups(), Wakeups()
    listening = [asyncio.create_task(Listener(PostgresConnector(postgres_url), w).run()) for w in (ours, theirs)]
    here, there, elsewhere = ours.subscribe("relay"), theirs.subscribe("relay"), theirs.subscribe("clock")
    async with asyncio.timeout(60):
        for event in (here, there, elsewhere):
            await event.wait()  # all are woken once, as soon as they listen
            event.clear()
        async with ledger.transaction() as tx:
            await announce(tx, {"relay"}, ours.origin)
        await there.wait()
        answer = ours.subscribe("answer")
        async with ledger.transaction() as tx:
            await announce(tx, {"answer", "clock"}, theirs.origin)
        await answer.wait()  # and so our own news has come by, too
    assert not here.is_set()
    assert not elsewhere.is_set()
    for task in listening:
        task.cancel()
    await ledger.close()
