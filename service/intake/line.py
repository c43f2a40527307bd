"""The queue within intake: codes first, then sources and orders in turn. No I/O.

Events of one order never overtake each other; those of different orders do. A flood delays only its own source: fair
queuing (RFC 970, §5: a queue for each source, served in turn), by the `source` of CloudEvents.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Hashable, Iterable
from typing import Final

from msgspec import Struct

from service.broker.port import Delivery

MOST_EVENTS: Final = 100
# A hundred events of the usual size, about a kilobyte.
MOST_BYTES: Final = 128 * 1024


class QueuedDelivery(Struct, frozen=True):
    """A queued delivery. `order`: the key within which the sequence is kept. `is_code`: it carries a secret."""

    delivery: Delivery
    order: Hashable
    source: str
    is_code: bool


class _OrdersInTurn:
    """Orders in line, each once: the sources take turns, and within a source its orders."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, deque[Hashable]] = OrderedDict()
        self._there: set[Hashable] = set()

    def add(self, source: str, order: Hashable) -> None:
        if order not in self._there:
            self._there.add(order)
            self._sources.setdefault(source, deque()).append(order)

    def back(self, source: str, order: Hashable) -> None:
        """It was its turn and is so still."""
        self._there.add(order)
        self._sources.setdefault(source, deque()).appendleft(order)
        self._sources.move_to_end(source, last=False)

    def next(self) -> Hashable | None:
        if not self._sources:
            return None
        source, orders = self._sources.popitem(last=False)
        order = orders.popleft()
        self._there.discard(order)
        if orders:
            self._sources[source] = orders
        return order


class DeliveryQueue:
    """Deliveries until they are done. An order is in one part at a time: `take` gives one out, `done` ends it.

    Parts of codes and parts of everything else may be worked on side by side.
    """

    def __init__(self) -> None:
        self._orders: dict[Hashable, deque[QueuedDelivery]] = {}
        self._codes: Counter[Hashable] = Counter()
        self._busy: set[Hashable] = set()
        self._turns = {True: _OrdersInTurn(), False: _OrdersInTurn()}

    @property
    def is_empty(self) -> bool:
        """Nothing waits, and nothing is being worked on."""
        return not self._orders and not self._busy

    @property
    def orders(self) -> int:
        """Of how many orders events wait."""
        return len(self._orders)

    def put(self, waiting: QueuedDelivery) -> None:
        """Queue it behind the others of its order."""
        self._orders.setdefault(waiting.order, deque()).append(waiting)
        self._codes[waiting.order] += waiting.is_code
        if waiting.order not in self._busy:
            self._queue(waiting.order)

    def take(self, *, codes: bool, most: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> list[QueuedDelivery]:
        """Codes with what stands before them in their orders, or what has no code behind it; until `done`.

        At most so many events and bytes; an event that is larger goes alone.
        """
        part: list[QueuedDelivery] = []
        ours: set[Hashable] = set()
        turns, room = self._turns[codes], most_bytes
        while len(part) < most and (order := turns.next()) is not None:
            is_theirs = order in self._busy and order not in ours
            if is_theirs or order not in self._orders or bool(self._codes[order]) != codes:
                continue  # it is queued again when it is done, or stands in the other line
            first = self._orders[order][0]
            if part and len(first.delivery.body) > room:
                turns.back(first.source, order)
                break
            ours.add(order)
            self._busy.add(order)
            part.append(self._pop(order))
            room -= len(first.delivery.body)
            if order in self._orders and codes and not first.is_code:
                turns.back(self._orders[order][0].source, order)  # its code is yet to come
            elif order in self._orders:
                turns.add(self._orders[order][0].source, order)
        return part

    def done(self, part: Iterable[QueuedDelivery]) -> None:
        """What waits behind these may be taken."""
        for order in dict.fromkeys(w.order for w in part):
            self._busy.discard(order)
            if order in self._orders:
                self._queue(order)

    def _queue(self, order: Hashable) -> None:
        self._turns[bool(self._codes[order])].add(self._orders[order][0].source, order)

    def _pop(self, order: Hashable) -> QueuedDelivery:
        line = self._orders[order]
        waiting = line.popleft()
        self._codes[order] -= waiting.is_code
        if not self._codes[order]:
            del self._codes[order]
        if not line:
            del self._orders[order]
        return waiting
