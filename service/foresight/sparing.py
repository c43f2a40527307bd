"""What ladders save: messages of later rungs that were not needed, because an earlier one reached the reader."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from service.domain.notices import Message, PlannedNotice
from service.domain.order import Order
from service.domain.rungs import Rung
from service.foresight.life import Life
from service.foresight.wording import segments_of
from service.prices import Cost, Prices
from service.workflows.packs import Pack

_Place = tuple[str, int, str]


class RungCounted(Struct):
    """One channel of a rung: messages sent, messages spared, and what those would have cost."""

    notice: str
    rung: int
    channel: str
    count: int
    spared: int
    cost: Cost


class Sparing:
    """Sums up what the ladders of one pack spare."""

    def __init__(self, pack: Pack, prices: Prices, brand: str) -> None:
        self._pack = pack
        self._prices = prices
        self._brand = brand
        brands = ("", *pack.workflow.brands)
        self._rungs = {b: _ladders(pack, b) for b in brands}
        self._left: Counter[_Place] = Counter()
        self._spared: Counter[_Place] = Counter()
        self.amount: defaultdict[_Place, Decimal] = defaultdict(Decimal)
        self._parts: dict[tuple[str, str, str], int] = {}

    def add(self, life: Life) -> None:
        """Add one order's life."""
        order = life.order
        ladders = self._rungs.get(order.brand, self._rungs[""]) if order else {}
        if order is None or not ladders:
            return
        readers: dict[tuple[object, ...], list[Message]] = defaultdict(list)
        for n in life.messages.values():
            if n.rung and n.notice in ladders and n.sent_at is not None:
                readers[n.notice_id, n.audience, n.person].append(n)
        for messages in readers.values():
            for n in messages:
                self._left[n.notice, n.rung, n.channel] += 1
            self._spare(life.notices[messages[0].notice_id], order, messages, ladders[messages[0].notice])

    def _spare(self, notice: PlannedNotice, order: Order, messages: Sequence[Message], rungs: Sequence[Rung]) -> None:
        """Count what the rungs after the last one used would have sent."""
        last, first = max(n.rung for n in messages), messages[0]
        people = order.people(first.audience)[first.person : first.person + 1]
        for number, rung in enumerate(rungs[last:], last + 1):
            for channel in rung.channels:
                spec = self._pack.workflow.channel(channel)
                for address in (a for p in people for a in spec.addresses(p)):
                    place = (notice.name, number, channel)
                    self._spared[place] += 1
                    if self._prices.by_channel:
                        parts = self._parts_of(notice, replace(first, channel=channel, address=address))
                        self.amount[place] += self._prices.of(channel, address, parts)

    def _parts_of(self, notice: PlannedNotice, n: Message) -> int:
        """The number of parts, taken from the first message of its notice, channel and language."""
        key = n.notice, n.channel, n.locale
        if key not in self._parts:
            self._parts[key] = segments_of(self._pack, notice, n, self._brand)
        return self._parts[key]

    @property
    def rungs(self) -> list[RungCounted]:
        """The counts by notice, rung and channel."""
        places = sorted(self._left.keys() | self._spared.keys())
        return [RungCounted(*p, self._left[p], self._spared[p], self._prices.cost(self.amount[p])) for p in places]


def _ladders(pack: Pack, brand: str) -> Mapping[str, tuple[Rung, ...]]:
    notices = pack.workflow.for_brand(brand).notices.values()
    return {notice.name: notice.rungs for notice in notices if notice.rungs}
