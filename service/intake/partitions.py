"""All of intake's queues in a process: which are consumed when, and how several processes share them.

One consumer of a queue is active, the others stand by (RabbitMQ, "Single Active Consumer"), and who came first is
active everywhere. So whoever has more than its share lets one queue go at a time; the next in line gets it.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Hashable, Iterable
from functools import partial
from typing import Final

import structlog

from service.broker.port import Broker, BrokerLost, Partitioning, intake_queue
from service.intake.intake import Intake
from service.intake.loop import WATCHDOG_S, Consumer, ConsumingLost
from service.intake.sightings import Sightings
from service.runtime.backoff import Backoff

log = structlog.get_logger(__name__)

BALANCE_EVERY_S: Final = 5.0
# What an operator, or a process with another setting, did to the bindings meanwhile is put right within this.
ARRANGE_EVERY_S: Final = 60.0
LOOK_S: Final = 0.2
# A backlog of a few hundred thousand events; then a late one of an order may come after a newer one.
LONGEST_CHANGE_S: Final = 300.0


async def run(broker: Broker, intake: Intake, stopping: asyncio.Event, sightings: Sightings) -> None:
    """Consume all partitions until `stopping`. Raises ConsumingLost by the watchdog."""
    if (plan := await _arranged(broker, stopping)) is None:
        return
    if plan == Partitioning(((0,),)):
        await Consumer(broker, intake).run(stopping)
        return
    try:
        await _Partitions(broker, intake, stopping, sightings, plan).run()
    except ExceptionGroup as group:
        raise group.exceptions[0] from group


async def _arranged(broker: Broker, stopping: asyncio.Event) -> Partitioning | None:
    backoff, began = Backoff(), time.monotonic()
    while not stopping.is_set():
        try:
            return await broker.arrange_partitions()
        except BrokerLost as lost:
            if time.monotonic() - began > WATCHDOG_S:
                raise ConsumingLost(f"not consuming for {WATCHDOG_S:.0f} s: {lost}") from lost
            log.warning("intake.waiting", error=str(lost), retry_in_s=backoff.pause_s)
            await backoff.wait()
    return None


class _Partitions:
    """The consumers of one process."""

    def __init__(
        self, broker: Broker, intake: Intake, stopping: asyncio.Event, sightings: Sightings, plan: Partitioning
    ) -> None:
        self._broker = broker
        self._intake = intake
        self._stopping = stopping
        self._sightings = sightings
        self._plan = plan
        self._consumers: dict[int, Consumer] = {}
        self._seen: dict[int, int] = {}
        self._is_settled = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._start(group, self._plan.stages[0])
            group.create_task(self._mind(group))
            group.create_task(self._sightings.run(self._stopping))

    def _start(self, group: asyncio.TaskGroup, partitions: Iterable[int]) -> None:
        sharing = sum(map(len, self._plan.stages))
        for k in partitions:
            consumer = Consumer(
                self._broker,
                self._intake,
                intake_queue(k),
                sharing=sharing,
                saw=partial(self._saw, k),
                may_go=k >= self._sightings.partitions,
            )
            self._consumers[k] = consumer
            group.create_task(consumer.run(self._stopping))

    def _saw(self, partition: int, order: Hashable) -> None:
        # While their number changes, an order is met where it was and where it will be.
        if self._is_settled and partition < self._sightings.partitions:
            self._sightings.saw(order, partition)

    async def _mind(self, group: asyncio.TaskGroup) -> None:
        if len(self._plan.stages) > 1:
            log.info("intake.repartitioning", stages=self._plan.stages)
            began = time.monotonic()
            for stage in self._plan.stages[1:]:
                await self._through(began)
                if self._stopping.is_set():
                    return
                self._start(group, stage)
        await self._broker.settle_partitions()
        self._is_settled = True
        arranged = time.monotonic()
        while not await self._is_over(BALANCE_EVERY_S):
            with contextlib.suppress(BrokerLost):
                await self._balance()
                if time.monotonic() - arranged > ARRANGE_EVERY_S:
                    arranged = time.monotonic()
                    await self._broker.arrange_partitions()
                    await self._broker.settle_partitions()

    async def _through(self, began: float) -> None:
        """Until nothing waits in the queues consumed so far, as two looks in a row say, or all takes too long."""
        empty = 0
        while empty < 2 and not await self._is_over(LOOK_S):
            if time.monotonic() - began > LONGEST_CHANGE_S:
                log.warning("intake.repartitioning_timed_out", after_s=LONGEST_CHANGE_S)
                return
            with contextlib.suppress(BrokerLost):
                empty = empty + 1 if await self._is_empty() else 0

    async def _is_empty(self) -> bool:
        for consumer in self._consumers.values():
            if not consumer.is_over and (
                not consumer.is_consuming or consumer.holds or await self._broker.depth(consumer.queue)
            ):
                return False
        return True

    async def _balance(self) -> None:
        shared = [k for k in self._consumers if k < self._sightings.partitions]
        took = {k: self._consumers[k].took - self._seen.get(k, 0) for k in shared}
        self._seen = {k: self._consumers[k].took for k in shared}
        active = [k for k in shared if self._consumers[k].is_active]
        processes = await self._broker.sharing()
        if len(active) > math.ceil(len(shared) / processes):
            least = min(active, key=lambda k: took[k])
            log.info("intake.partition_released", queue=intake_queue(least), processes=processes)
            self._consumers[least].let_go()

    async def _is_over(self, within_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), within_s)
        return self._stopping.is_set()
