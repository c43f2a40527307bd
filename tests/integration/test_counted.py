"""Figures that take long are counted beside the pages that show them, and kept for all processes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from msgspec import structs
from sqlalchemy import select

from service.domain.scopes import EVERYTHING, Party, Scope
from service.ledger.database.engine import new_uuid
from service.ledger.database.transaction import Transaction
from service.ledger.orders import kept_counts
from service.ledger.orders.performance_models import LifecycleMetrics
from service.ledger.orders.tables import kept_counts as table
from service.web.counted import (
    KEPT_S,
    LIFECYCLE,
    LONGEST_S,
    PERFORMANCE,
    SHARE,
    SharedCounts,
    WantedFigures,
    wanted_figures,
)
from tests.integration.conftest import Caller
from tests.support.events import CUSTOMER, event
from tests.support.world import PATIENCE_S, World

pytestmark = pytest.mark.any_database
PAGE, CALL = "/desk/lifecycle?workflow=device_pickup", "/v1/metrics/lifecycle?workflow=device_pickup"


class Count:
    """A count that waits until it is let through, and says how often it came to its end."""

    def __init__(self) -> None:
        self.times, self.entered, self.let_through, self.fails = 0, 0, asyncio.Event(), False

    async def __call__(
        self, _tx: Transaction, workflow: Any, since: datetime, now: datetime, *, scope: Scope
    ) -> LifecycleMetrics:
        self.entered += 1
        await self.let_through.wait()
        self.times += 1
        if self.fails:
            raise ValueError
        return LifecycleMetrics(workflow.name, since, now, self.times, {}, [], [], [])


@pytest.fixture
async def counted(world: World) -> AsyncIterator[SharedCounts]:
    """Of a process that finds every count slow."""
    found = SharedCounts(world.app.orders, quick_s=0.0)
    yield found
    await found.close()


def of(world: World, count: Count, scope: Scope = EVERYTHING) -> WantedFigures[LifecycleMetrics]:
    pack = world.app.packs.find("device_pickup")
    assert pack is not None
    return wanted_figures(structs.replace(LIFECYCLE, count=count), pack.workflow, None, scope)


async def rows(world: World, what: WantedFigures[Any]) -> list[Any]:
    id = world.app.counted._id(what)
    async with world.ledger.reading() as tx:
        return list((await tx.execute(select(table).where(table.c.id == id))).all())


async def begun(world: World, counted: SharedCounts, what: WantedFigures[LifecycleMetrics], count: Count) -> None:
    assert await counted.get(what) is None
    await world.until(lambda: count.entered)


async def test_nobody_waits_for_what_takes_long_and_all_processes_count_it_once(
    world: World, counted: SharedCounts
) -> None:
    count, other = Count(), SharedCounts(world.app.orders, quick_s=0.0)
    what = of(world, count)
    await begun(world, counted, what, count)
    assert [await c.get(what) for c in (counted, other, counted)] == [None] * 3
    count.let_through.set()
    found, same = await asyncio.gather(counted.waited(what), other.waited(what))
    assert found == same
    assert count.times == 1
    assert (found.orders, found.counted_at) == (1, world.clock.now())
    # Another one, started later, has them at once.
    assert await SharedCounts(world.app.orders, quick_s=0.0).get(what) == found
    await other.close()


async def test_what_is_old_is_shown_while_it_is_counted_anew(world: World, counted: SharedCounts) -> None:
    count = Count()
    what = of(world, count)
    count.let_through.set()
    first = await counted.waited(what)
    world.clock.advance(seconds=KEPT_S - 1)
    assert await counted.get(what) == first
    world.clock.advance(seconds=2)
    count.let_through.clear()
    entered = count.entered
    assert await counted.get(what) == first
    await world.until(lambda: count.entered > entered)
    assert await counted.get(what) == first
    count.let_through.set()

    async def anew() -> bool:
        found = await counted.get(what)
        return found is not None and found.orders == 2

    await world.until(anew)


async def test_what_pages_offer_is_counted_before_anybody_asks(world: World) -> None:
    counted = SharedCounts(world.app.orders, quick_s=0.0, rest_s=0.0)
    counting = asyncio.create_task(counted.run())
    (pack, *_) = world.app.packs
    first = wanted_figures(PERFORMANCE, pack.workflow, None, EVERYTHING)

    async def kept() -> bool:
        return any(row.counted_at for row in await rows(world, first))

    await world.until(kept)
    counting.cancel()
    await counted.close()


@pytest.mark.parametrize(("took", "lasts"), [(2.0, SHARE * 2.0), (60.0, LONGEST_S)])
async def test_what_takes_very_long_is_kept_longer_but_not_for_ever(
    world: World, counted: SharedCounts, took: float, lasts: float
) -> None:
    count = Count()
    what = of(world, count)
    count.let_through.set()
    await counted.waited(what)
    async with world.ledger.transaction() as tx:
        await tx.execute(table.update().where(table.c.sealed_figures.is_not(None)).values(took_s=took))
    world.clock.advance(seconds=lasts - 1)
    await counted.get(what)
    await asyncio.sleep(0.05)
    assert count.times == 1
    world.clock.advance(seconds=2)
    await counted.get(what)
    await world.until(lambda: count.times == 2)


async def test_a_count_that_fails_leaves_nothing_behind(world: World, counted: SharedCounts) -> None:
    count = Count()
    count.fails = True
    count.let_through.set()
    for _ in range(2):
        with pytest.raises(ValueError):
            await counted.waited(of(world, count))
    assert await rows(world, of(world, count)) == []


async def test_what_is_counted_in_no_time_is_counted_each_time_and_not_kept(world: World) -> None:
    count, counted = Count(), SharedCounts(world.app.orders, quick_s=PATIENCE_S)
    count.let_through.set()
    assert [(await counted.get(of(world, count))) is not None for _ in range(3)] == [True] * 3
    assert count.times == 3
    assert await rows(world, of(world, count)) == []


async def test_what_a_process_left_when_it_died_is_counted_by_another(world: World, counted: SharedCounts) -> None:
    count = Count()
    what = of(world, count)
    await begun(world, counted, what, count)
    await counted.close()
    count.let_through.set()
    world.clock.advance(seconds=kept_counts.LEASE.total_seconds() - 1)
    other = SharedCounts(world.app.orders, quick_s=0.0)
    assert await other.get(what) is None
    await asyncio.sleep(0.05)
    assert count.times == 0
    world.clock.advance(seconds=2)
    assert (await other.waited(what)).orders == 1


async def test_what_was_counted_before_somebody_was_erased_is_not_kept_after_it(
    world: World, counted: SharedCounts, caller: Caller
) -> None:
    await world.accept(event("A-1", "created", recipients={"customer": CUSTOMER}))
    count = Count()
    what = of(world, count)
    await begun(world, counted, what, count)
    admin = await caller("admin")
    assert (await admin.call("DELETE", f"/v1/people/{quote(str(CUSTOMER['phone']))}"))[0] == 200
    count.let_through.set()
    assert (await counted.waited(what)).orders == 2


async def test_limits_within_a_workflow_have_figures_of_their_own(world: World, counted: SharedCounts) -> None:
    count = Count()
    count.let_through.set()
    for scope in (EVERYTHING, Scope(workflows=frozenset({"device_pickup"}))):
        assert (await counted.waited(of(world, count, scope))).orders == 1
    mine = Scope(parties=frozenset({Party("provider", "v-1")}))
    assert (await counted.waited(of(world, count, mine))).orders == 2


async def test_a_page_says_that_it_is_being_counted_and_then_when_it_was(world: World, caller: Caller) -> None:
    supervisor, claim = await caller("supervisor"), new_uuid()
    await world.accept(event("A-1", "created", recipients={"customer": CUSTOMER}))
    pack = world.app.packs.find("device_pickup")
    assert pack is not None
    id = world.app.counted._id(wanted_figures(LIFECYCLE, pack.workflow, None, EVERYTHING))
    async with world.ledger.transaction() as tx:
        assert await kept_counts.claim(tx, id, claim, world.clock.now())
    status, page = await supervisor.get(PAGE)
    assert (status, "being counted" in page, "Where all orders stand" in page) == (200, True, False)
    async with world.ledger.transaction() as tx:
        await kept_counts.let_go(tx, id, claim)
    _, page = await supervisor.get(PAGE)
    assert "Where all orders stand" in page
    assert "counted <time" in page
    assert (await supervisor.get(CALL))[1]["counted_at"].startswith(world.clock.now().strftime("%Y-%m-%dT%H:%M"))


async def test_figures_of_long_ago_are_forgotten(world: World, counted: SharedCounts) -> None:
    count = Count()
    count.let_through.set()
    await counted.waited(of(world, count))
    async with world.ledger.transaction() as tx:
        await kept_counts.forget_old(tx, world.clock.now())
    assert len(await rows(world, of(world, count))) == 1
    async with world.ledger.transaction() as tx:
        await kept_counts.forget_old(tx, world.clock.now() + timedelta(seconds=1))
    assert await rows(world, of(world, count)) == []
