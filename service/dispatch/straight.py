"""The straight way: what an event plans is begun by the event's own transaction, and sent as soon as it is committed.

It stands in for the claim alone, while a channel of this process has room and nothing waits: the same guards, the same
form of a begun message in the ledger, the same send, and the same settling after a crash. Whatever is in doubt (a lane
in which something waits, a cap, a rate, a backlog, a provider that is only probed) is left waiting, to be claimed.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

import structlog
from msgspec import Struct

from service.dispatch.preparing import Ready
from service.dispatch.worker import Worker
from service.failpoints import failpoint
from service.ledger.database.faults import is_outage, is_transient
from service.ledger.messages.claims import ClaimedMessage
from service.ledger.messages.leases import still_leased
from service.ledger.messages.planned import Planned
from service.ledger.messages.states import busy_lanes
from service.ledger.messages.suppressions import opted_out_of
from service.orders import Orders
from service.pacing import breathe
from service.runtime.backoff import Backoff
from service.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)


class _Send(Struct, frozen=True):
    """A begun message, and what it says: of one with a secret the text is made once it is committed."""

    worker: Worker
    claimed: ClaimedMessage
    ready: Ready
    until: datetime


class Carried:
    """What one transaction begins. A place is held for each from `begin` until it is handed over, or let go."""

    def __init__(self, orders: Orders, workers: Mapping[str, Worker]) -> None:
        self._orders = orders
        self._workers = workers
        self._held: list[tuple[Worker, bool]] = []
        self.sends: list[_Send] = []

    async def begin(self, u: UnitOfWork) -> None:
        """Begin what may go of what this unit of work plans; before it is written."""
        self._expect(u.changes.planned.all)
        chosen = [p for p in _first_in_lane(u.changes.planned.all) if self._hold(u, p)]
        by_worker: dict[Worker, list[ClaimedMessage]] = {}
        for p in await self._free(u, chosen):
            workflow, order = u.changes.decided(p.message.order_id)
            claimed = p.claimed(order, workflow.stages[order.stage].rank)
            by_worker.setdefault(self._workers[p.message.channel], []).extend([claimed] if claimed else [])
        for worker, ours in by_worker.items():
            windows = await worker.windows(u.tx, ours, u.now)
            for c in ours:
                await breathe()
                if (ready := worker.ready(c, u.now, windows.get(c.message.id))) is None:
                    continue
                until = u.now + worker.lease
                u.changes.planned.begin(c, until, ready.shown, ready.parts)
                self.sends.append(_Send(worker, c, ready, until))
        failpoint("straight.before_write")

    def _expect(self, planned: Iterable[Planned]) -> None:
        """The channels that these events concern are expected to be those of the next ones; codes say nothing of it."""
        if concerned := {p.message.channel for p in planned if not p.message.secret}:
            for channel, worker in self._workers.items():
                worker.is_expecting = channel in concerned

    def _hold(self, u: UnitOfWork, p: Planned) -> bool:
        n = p.message
        worker = self._workers.get(n.channel)
        if worker is None or p.notice is None or p.notice.id in u.changes.called_off or n.not_before > u.now:
            return False
        if n.bundle:  # others may leave with it
            return False
        if not worker.hold(codes=n.secret):
            return False
        self._held.append((worker, n.secret))
        return True

    async def _free(self, u: UnitOfWork, chosen: Collection[Planned]) -> list[Planned]:
        """Those in whose lanes nothing waits, and whose readers want them."""
        earlier = [p.lane for p in chosen if not u.changes.is_new(p.message.order_id)]
        busy = await busy_lanes(u.tx, earlier)
        addresses: dict[str, set[str]] = {}
        for p in chosen:
            addresses.setdefault(p.message.channel, set()).add(p.message.address)
        silent = await opted_out_of(u.tx, addresses)
        return [p for p in chosen if p.lane not in busy and (p.message.channel, p.message.address) not in silent]

    def let_go(self) -> None:
        """Give back the places; what was handed over has its own by now."""
        for worker, codes in self._held:
            worker.let_go(codes=codes)
        self._held.clear()


def _first_in_lane(planned: Iterable[Planned]) -> list[Planned]:
    """Of each lane the message that goes before the others."""
    first: dict[bytes, Planned] = {}
    for p in planned:
        if p.waits and (p.lane not in first or p.message.id < first[p.lane].message.id):
            first[p.lane] = p
    return list(first.values())


class StraightWay:
    """Hands over to the workers of this process; to none, while it has none."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._workers: dict[str, Worker] = {}
        self.freed = asyncio.Event()
        self._looking: set[asyncio.Task[None]] = set()

    def use(self, workers: Iterable[Worker]) -> None:
        """From now on these send."""
        self._workers = {worker.channel: worker for worker in workers}
        for worker in self._workers.values():
            worker.places.tell(self.freed)

    def room(self, wanted: int) -> int | None:
        """How many of so many messages every channel would begin now; None: no channel is worth waiting for."""
        rooms = (worker.room(wanted) for worker in self._workers.values())
        return min((room for room in rooms if room is not None), default=None)

    @property
    def ended(self) -> int:
        """How many sends have ended so far, on all channels."""
        return sum(worker.places.ended for worker in self._workers.values())

    @asynccontextmanager
    async def carrying(self) -> AsyncIterator[Carried]:
        """Around one transaction: what it begins goes out when this is left, and not at all when it fails."""
        carried = Carried(self._orders, self._workers)
        looking = False
        try:
            yield carried
            failpoint("straight.before_send")
            _hand_over(carried.sends)
        except Exception as error:
            if carried.sends and is_transient(error):
                looking = True
                task = asyncio.create_task(self._find(carried))
                self._looking.add(task)
                task.add_done_callback(self._looking.discard)
            raise
        finally:
            if not looking:
                carried.let_go()

    async def _find(self, carried: Carried) -> None:
        """The database broke off, perhaps at the commit: what it committed after all is ours to send.

        It is known by the fence of this try. Asked until the database is back, or the leases are over: then it counts
        as unanswered, as anything does that a process began and did not end.
        """
        backoff = Backoff()
        tokens = {s.claimed.message.id: s.claimed.fencing_token for s in carried.sends}
        try:
            while self._orders.time.now() < min(s.until for s in carried.sends):
                try:
                    async with self._orders.ledger.reading() as tx:
                        ours = await still_leased(tx, tokens)
                except Exception as error:
                    if not is_outage(error):
                        raise
                    await backoff.wait()
                    continue
                log.info("dispatch.commit_unconfirmed", begun=len(tokens), committed=len(ours))
                _hand_over([s for s in carried.sends if s.claimed.message.id in ours])
                return
        finally:
            carried.let_go()


def _hand_over(sends: Iterable[_Send]) -> None:
    for s in sends:
        s.worker.send_begun(s.claimed, s.ready)
