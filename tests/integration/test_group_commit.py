"""Posts that come together on SQLite are committed together, and each hears of its own."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from service.app import App
from service.intake.decoding import Incoming
from service.intake.group_commit import GroupCommit
from service.ledger.database.faults import is_outage
from tests.support.events import encoded, event, person
from tests.support.providers import Mailbox, Providers
from tests.support.world import settings_for


def created(n: int, **more: Any) -> Incoming:
    return Incoming(encoded(event(f"G-{n}", "created", recipients={"customer": person(n)}, **more)))


@pytest.fixture
async def app(sqlite_url: str, providers: Providers, mailbox: Mailbox) -> App:
    app = App(settings_for(providers, mailbox, database_url=sqlite_url, broker_url="memory://"), ["web"])
    await app.orders.adopt_packs()
    return app


async def test_each_hears_of_its_own_whatever_the_others_sent(app: App) -> None:
    group = GroupCommit(app.intake)
    twice = created(1, id="same")
    posts = [[created(2), created(3)], [twice], [Incoming(b"{")], [twice], [created(4)]]
    takes = [asyncio.create_task(group.take(p, dead_letter=False)) for p in posts]
    gone = asyncio.create_task(group.take([created(5)], dead_letter=False))
    await asyncio.sleep(0)
    gone.cancel()
    found = [[v.outcome for v in verdicts] for verdicts in await asyncio.gather(*takes)]
    assert found == [["accepted"] * 2, ["accepted"], ["rejected"], ["duplicate"], ["accepted"]]
    # Whoever hung up is answered when it sends the same again.
    ((again,),) = await asyncio.gather(group.take([created(5, id=event("x")["id"])], dead_letter=False))
    assert again.outcome == "accepted"
    await app.ledger.close()


async def test_an_outage_is_told_to_all_and_the_next_are_taken(app: App) -> None:
    group = GroupCommit(app.intake)
    async with app.ledger.transaction() as tx:
        await tx.connection.exec_driver_sql("PRAGMA max_page_count = 1")
        full = await tx.connection.exec_driver_sql("PRAGMA page_count")
        count = int(full.scalar_one())
        await tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {count}")
        big = [Incoming(encoded(event(f"B-{n}", "created", note="x" * 3000))) for n in range(60)]
    tasks = [asyncio.create_task(group.take([m], dead_letter=False)) for m in big]
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    errors = [e for e in ended if isinstance(e, BaseException)]
    assert errors
    assert all(isinstance(e, OperationalError) and is_outage(e) for e in errors)
    async with app.ledger.transaction() as tx:
        await tx.connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    (verdict,) = await group.take([created(9)], dead_letter=False)
    assert verdict.outcome == "accepted"
    await app.ledger.close()
