"""The clock model again, through the whole service on both databases, with restarts."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.ledger.orders.locking import next_wake
from service.ledger.orders.tables import clocks, orders
from tests.support.clock_model import STATUSES, WORKFLOW, Model, write_pack
from tests.support.events import event
from tests.support.examples import LONG
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for

pytestmark = pytest.mark.any_database

ORDERS, STEPS = 25, 40 if LONG else 20


@pytest.fixture
async def modelled(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox, tmp_path: Path
) -> AsyncIterator[World]:
    folder = write_pack(tmp_path / "packs")
    w = World(settings_for(providers, mailbox, workflows=folder, **parts), providers, mailbox)
    await w.start()
    yield w
    await w.close()


async def fired(world: World) -> None:
    """All that is due has been decided."""

    async def done() -> bool:
        async with world.ledger.reading() as tx:
            wake = await next_wake(tx)
        return wake is None or wake > world.clock.now()

    await world.until(done, "clocks fired")


async def test_the_ledger_agrees_with_the_model(modelled: World) -> None:
    dice = random.Random(11)
    world = modelled
    models = {f"M-{n}": Model() for n in range(ORDERS)}
    for step in range(STEPS):
        name = dice.choice(list(models))
        now = world.clock.now()
        for _ in range(8):
            name = dice.choice(list(models))
            time = now - timedelta(seconds=dice.randrange(-100, 700))
            eta = now + timedelta(seconds=dice.randrange(-300, 2000)) if dice.random() < 0.4 else None
            status = dice.choice(STATUSES[:3] * 4 + STATUSES)
            said: dict[str, Any] = {"eta": eta.isoformat()} if eta else {}
            sent = event(name, status, time, workflow=WORKFLOW, **said)
            (verdict,) = await world.take(sent)
            assert verdict.outcome == models[name].event(status, time, eta, now)
            if dice.random() < 0.2 and verdict.outcome != "rejected":
                assert (await world.take(sent))[0].outcome == "duplicate"
        if step % 10 == 9:
            world.app.stopping.set()
            await world.close()
            world.app = type(world.app)(world.settings, time=world.clock)
            await world.start()
        world.clock.advance(seconds=dice.randrange(1, 600))
        await fired(world)
        for model in models.values():
            model.pass_time(world.clock.now())
    async with world.ledger.reading() as tx:
        query = select(orders.c.order_id, clocks.c.name, clocks.c.due_at).join(orders, orders.c.id == clocks.c.order_id)
        rows = await tx.execute(query.where(clocks.c.state == "breached"))
        found = sorted((r.order_id, r.name, r.due_at) for r in rows)
    assert found == sorted((name, clock, at) for name, m in models.items() for clock, at in m.breaches)
    assert len(found) > STEPS // 2
