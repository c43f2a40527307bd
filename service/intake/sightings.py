"""Whether one order's events come by two of intake's partitions, where nothing keeps their order any more.

It happens when some publishers of an order write the header that it is hashed by, and others do not.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Hashable
from datetime import timedelta
from typing import Final

import structlog

from service.domain.order import OrderRef
from service.ledger.orders import partitions as ledger
from service.orders import Orders
from service.runtime.loops import log_failure
from service.telemetry import metrics

log = structlog.get_logger(__name__)

WRITE_EVERY_S: Final = 5.0
REMEMBERED: Final = 100_000
# Publishers that differ, differ within the life of an order.
KEPT: Final = timedelta(days=2)
FORGET_EVERY: Final = timedelta(hours=1)
HINT: Final = "whoever publishes events of this order must write the header cloudEvents:subject, or nobody may"
_TOLD: Final = -1


class Sightings:
    """Remembers where orders were met: here at once, and by other processes through the ledger, within seconds."""

    def __init__(self, orders: Orders, partitions: int) -> None:
        self.partitions = partitions
        self._orders = orders
        self._known: OrderedDict[OrderRef, int] = OrderedDict()
        self._unwritten: dict[OrderRef, int] = {}

    def saw(self, order: Hashable, partition: int) -> None:
        """An event of this order came by this partition; what concerns no order is none."""
        if not isinstance(order, OrderRef):
            return
        known = self._known.get(order)
        if known is None:
            self._known[order] = self._unwritten[order] = partition
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        elif known not in (partition, _TOLD):
            self._tell(order, known, partition)

    def _tell(self, order: OrderRef, first: int, second: int) -> None:
        self._known[order] = _TOLD
        metrics.orders_in_two_partitions.inc()
        log.warning(
            "intake.order_in_two_partitions",
            workflow=order.workflow,
            order_id=order.reference,
            partitions=sorted((first, second)),
            hint=HINT,
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Every few seconds until `stopping`, exchange with other processes what was met."""
        forgotten = self._orders.time.now()
        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), WRITE_EVERY_S)
            try:
                await self.exchange()
                if (now := self._orders.time.now()) - forgotten > FORGET_EVERY:
                    forgotten = now
                    async with self._orders.ledger.transaction() as tx:
                        await ledger.delete_before(tx, now - KEPT)
            except Exception as error:
                log_failure("intake.sightings", error)

    async def exchange(self) -> None:
        """Write what is new, and hear where others met the same orders."""
        written, self._unwritten = self._unwritten, {}
        if not written:
            return
        try:
            async with self._orders.ledger.transaction() as tx:
                elsewhere = await ledger.record_partitions(tx, written, self.partitions, self._orders.time.now())
        except Exception:
            self._unwritten = written | self._unwritten
            raise
        for order, partition in elsewhere.items():
            if self._known.get(order) != _TOLD:
                self._tell(order, partition, written[order])
