"""Figures that take long are counted in the background, and kept in the ledger with the time of their count.

Nobody who looks at a page waits for them: what is kept is shown, and counted anew once it is old. Fast counts, as in a
small service, are always made anew, and nothing is kept of them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from service.domain.scopes import EVERYTHING, Scope, written
from service.domain.workflow import Workflow
from service.ledger.database.transaction import Transaction
from service.ledger.orders import kept_counts
from service.ledger.orders.kept_counts import KeptCount
from service.ledger.orders.measures import lifecycle_measures
from service.ledger.orders.performance import performance
from service.ledger.orders.performance_models import LifecycleMetrics, PerformanceMetrics
from service.ledger.orders.records import UNREADABLE
from service.orders import Orders
from service.pacing import give_way
from service.runtime.loops import log_failure

F = TypeVar("F", LifecycleMetrics, PerformanceMetrics)
# A count that takes no longer is made for whoever asks, and not kept: a page has 0.3 s in all.
QUICK_S: Final = 0.1
KEPT_S: Final = 60.0
# At most a hundredth of the time is spent on one count, however large the database.
SHARE: Final = 100
LONGEST_S: Final = 900.0
# A claim is renewed well before it lapses.
RENEW_S: Final = kept_counts.LEASE.total_seconds() / 3
ASK_AGAIN_S: Final = 0.2
# Between two looks at figures that pages offer.
REST_S: Final = 10.0
# So far back, in days, as pages offer it.
PERIODS: Final = {7: "a week", 30: "30 days", 90: "90 days", 365: "a year"}

# (tx, workflow, since, now, *, scope)
Count = Callable[..., Awaitable[F]]


class Figures(Struct, Generic[F], frozen=True):
    """What is counted: how it is called, how it is counted, and over which time where nobody says."""

    name: str
    type: type[F]
    count: Count[F]
    usual: timedelta


LIFECYCLE: Final = Figures("lifecycle", LifecycleMetrics, lifecycle_measures, timedelta(days=90))
PERFORMANCE: Final = Figures("performance", PerformanceMetrics, performance, timedelta(days=30))


class WantedFigures(Struct, Generic[F], frozen=True):
    """Figures of a workflow, over a time up to now, within a scope."""

    figures: Figures[F]
    workflow: Workflow
    over: timedelta
    scope: Scope


def wanted_figures(figures: Figures[F], workflow: Workflow, over: timedelta | None, scope: Scope) -> WantedFigures[F]:
    """`scope` has the workflow: who is limited by workflows alone shares the figures of those who are not limited."""
    return WantedFigures(figures, workflow, over or figures.usual, EVERYTHING if scope.is_of_workflows else scope)


class SharedCounts:
    """The counts of one process, shared through the ledger with all others."""

    def __init__(self, orders: Orders, quick_s: float = QUICK_S, rest_s: float = REST_S) -> None:
        """`quick_s`: what takes no longer is not kept; `rest_s`: seconds between two looks in the background."""
        self.quick_s = quick_s
        self.rest_s = rest_s
        self._orders = orders
        self._under_way: dict[UUID, asyncio.Task[Any]] = {}
        # What took no longer when it was last counted here.
        self._quick: set[UUID] = set()
        # One after the other: several at once would hold up everybody else here.
        self._one = asyncio.Lock()

    async def get(self, wanted: WantedFigures[F]) -> F | None:
        """What is kept, else what is counted at once; None while that takes longer. Raises what counting raises."""
        return await self._get(wanted, self.quick_s)

    async def waited(self, wanted: WantedFigures[F]) -> F:
        """As `get`, for callers who rather wait."""
        while (found := await self._get(wanted, None)) is None:  # noqa: ASYNC110 another process counts
            await asyncio.sleep(ASK_AGAIN_S)
        return found

    async def _get(self, wanted: WantedFigures[F], patience_s: float | None) -> F | None:
        kept = await self._kept(wanted)
        if kept is not None and (found := _figures_in(wanted, kept)) is not None:
            if self._is_old(wanted, kept):
                self._begin(wanted)
            return found
        if kept is None and self._id(wanted) in self._quick:
            return (await self._count(wanted))[0]
        task = self._begin(wanted)
        return task.result() if (await asyncio.wait([task], timeout=patience_s))[0] else None

    async def run(self) -> None:
        """Keep what pages offer counted, until cancelled."""
        await asyncio.sleep(self.rest_s)
        while True:
            for one in self._offered():
                began = time.monotonic()
                try:
                    await self.get(one)
                    if (task := self._under_way.get(self._id(one))) is not None:
                        await asyncio.wait([task])
                except Exception as error:
                    log_failure("counts", error)
                await asyncio.sleep(max(self.rest_s, SHARE * (time.monotonic() - began)))

    async def close(self) -> None:
        """End the counts that are under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _offered(self) -> Iterator[WantedFigures[Any]]:
        """What pages show first, then what can be chosen there."""
        workflows = [pack.workflow for pack in self._orders.packs]
        kinds: tuple[Figures[Any], ...] = (PERFORMANCE, LIFECYCLE)
        for is_usual in (True, False):
            for figures in kinds:
                for over in map(timedelta, PERIODS):
                    if (over == figures.usual) is is_usual:
                        yield from (wanted_figures(figures, w, over, EVERYTHING) for w in workflows)

    def _id(self, wanted: WantedFigures[Any]) -> UUID:
        over = str(wanted.over.total_seconds())
        parts = ("count", wanted.figures.name, wanted.workflow.name, over, *written(wanted.scope))
        return UUID(bytes=self._orders.keyring.digest(*parts))

    async def _kept(self, wanted: WantedFigures[Any]) -> KeptCount | None:
        async with self._orders.ledger.reading() as tx:
            return await kept_counts.find(tx, self._id(wanted))

    def _is_old(self, wanted: WantedFigures[Any], kept: KeptCount) -> bool:
        lasts = timedelta(seconds=min(max(KEPT_S, SHARE * kept.took_s), LONGEST_S))
        age_is_over = kept.counted_at is None or self._orders.time.now() - kept.counted_at > lasts
        return age_is_over or kept.version != wanted.workflow.version

    async def _count(self, wanted: WantedFigures[F]) -> tuple[F, float]:
        """The figures, and the seconds that they took."""
        began, now = time.monotonic(), self._orders.time.now()
        async with self._orders.ledger.reading() as tx:
            found = await wanted.figures.count(tx, wanted.workflow, now - wanted.over, now, scope=wanted.scope)
        took_s = time.monotonic() - began
        (self._quick.add if took_s <= self.quick_s else self._quick.discard)(self._id(wanted))
        return found, took_s

    def _begin(self, wanted: WantedFigures[F]) -> asyncio.Task[F | None]:
        """Have it counted in the background, once in this process."""
        id = self._id(wanted)
        if (task := self._under_way.get(id)) is None:
            task = self._under_way[id] = asyncio.create_task(self._in_turn(id, wanted))
            task.add_done_callback(lambda done: self._over(id, done))
        return task

    def _over(self, id: UUID, task: asyncio.Task[Any]) -> None:
        del self._under_way[id]
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            log_failure("counts", error)

    async def _in_turn(self, id: UUID, wanted: WantedFigures[F]) -> F | None:
        give_way()
        async with self._one:
            return await self._counted_once(id, wanted)

    async def _counted_once(self, id: UUID, wanted: WantedFigures[F]) -> F | None:
        """Count, and keep what takes long; None where another process counts, or somebody was erased meanwhile."""
        claim = uuid4()
        if not await self._write(lambda tx: kept_counts.claim(tx, id, claim, self._orders.time.now())):
            return None
        try:
            # Another process may have counted it since we looked.
            kept = await self._kept(wanted)
            if kept and not self._is_old(wanted, kept) and (found := _figures_in(wanted, kept)) is not None:
                await self._write(lambda tx: kept_counts.let_go(tx, id, claim))
                return found
            found, took_s = await self._claimed(id, claim, wanted)
        except Exception:
            await self._write(lambda tx: kept_counts.let_go(tx, id, claim))
            raise
        if took_s <= self.quick_s:
            counts = await self._write(lambda tx: kept_counts.drop(tx, id, claim))
        else:
            count = KeptCount(wanted.workflow.version, msgspec.json.encode(found), found.counted_at, took_s)
            counts = await self._write(lambda tx: kept_counts.keep(tx, id, claim, count))
        return found if counts else None

    async def _claimed(self, id: UUID, claim: UUID, wanted: WantedFigures[F]) -> tuple[F, float]:
        """Count while the claim is renewed."""
        counting = asyncio.ensure_future(self._count(wanted))
        try:
            while not (await asyncio.wait([counting], timeout=RENEW_S))[0]:
                await self._write(lambda tx: kept_counts.renew(tx, id, claim, self._orders.time.now()))
            return counting.result()
        finally:
            counting.cancel()

    async def _write(self, change: Callable[[Transaction], Awaitable[Any]]) -> Any:
        async with self._orders.ledger.transaction() as tx:
            return await change(tx)


def _figures_in(wanted: WantedFigures[F], kept: KeptCount) -> F | None:
    """What was counted; None where it was not yet, or by a release that counted other things."""
    if kept.figures is None:
        return None
    try:
        return msgspec.json.decode(kept.figures, type=wanted.figures.type)
    except UNREADABLE:
        return None
