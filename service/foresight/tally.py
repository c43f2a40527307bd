"""Counts the results of lives: messages with their cost, promises, and escalations by hour."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from msgspec import Struct

from service.domain.calendars import zone_of
from service.domain.clocks.kinds import KINDS
from service.domain.notices import Message
from service.foresight.life import Life
from service.foresight.sparing import Sparing
from service.foresight.wording import segments_of
from service.prices import Cost, Prices
from service.workflows.packs import Pack

# For each notice, channel and language so many texts are rendered; the others count with the average of segments.
SAMPLED: Final = 20


class MessagesCounted(Struct):
    """Messages of one notice, channel and locale; `segments`: billed parts."""

    notice: str
    channel: str
    locale: str
    count: int
    segments: int
    cost: Cost


class Messages(Struct):
    """All messages that were sent."""

    total: int
    by: list[MessagesCounted]


class PromiseCounted(Struct):
    """How often a promise was kept and breached."""

    clock: str
    kept: int
    breached: int


class EscalationsCounted(Struct):
    """Escalations opened in one hour of the day, in the team's time zone."""

    team: str
    reason: str
    hour: int
    count: int


class Spread(Struct):
    """The number of messages that one person gets about one order: median, 99th percentile and maximum."""

    p50: int
    p99: int
    max: int


class _Group:
    def __init__(self) -> None:
        self.count = 0
        self.sampled = 0
        self.segments = 0
        self.price = Decimal(0)  # of one segment of each


class Tally:
    """Sums up lives under one pack.

    `sparing`: what its ladders spare. `kept` and `broken`: promises by name; `calls`: escalations by team, reason and
    hour of the team's day.
    """

    def __init__(self, pack: Pack, prices: Prices, brand: str) -> None:
        self._pack = pack
        self._prices = prices
        self._brand = brand
        self._groups: dict[tuple[str, str, str], _Group] = defaultdict(_Group)
        self.kept: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.calls: Counter[tuple[str, str, int]] = Counter()
        self._per_person: Counter[int] = Counter()
        self.sparing = Sparing(pack, prices, brand)

    def add(self, *lives: Life) -> None:
        """Add one order's life, with those of its parts, as a person gets the messages of all of them."""
        received: Counter[tuple[str, int]] = Counter()
        for life in lives:
            self._add(life, received)
        self._per_person.update(received.values())

    def _add(self, life: Life, received: Counter[tuple[str, int]]) -> None:
        for n in life.messages.values():
            if n.sent_at is not None:
                received[n.audience, n.person] += 1
                self._add_message(life, n)
        self.sparing.add(life)
        specs = self._pack.workflow.clocks
        for clock in life.clocks.values():
            if (spec := specs.get(clock.spec)) is None or not KINDS[spec.kind].is_promise:
                continue
            if clock.id in life.breached:
                self.broken[clock.spec] += 1
            elif clock.state == "met":
                self.kept[clock.spec] += 1
        for change in life.calls:
            if change.kind == "opened":
                e = change.escalation
                zone = zone_of(self._pack.workflow.teams[e.team].timezone, "UTC")
                self.calls[e.team, e.reason, change.at.astimezone(zone).hour] += 1

    def _add_message(self, life: Life, n: Message) -> None:
        group = self._groups[n.notice, n.channel, n.locale]
        group.count += 1
        if self._prices.by_channel:
            group.price += self._prices.of(n.channel, n.address)
        if group.sampled < SAMPLED:
            group.sampled += 1
            group.segments += segments_of(self._pack, life.notices[n.notice_id], n, self._brand)

    @property
    def messages(self) -> Messages:
        """Messages sent, by notice, channel and locale."""
        by = []
        for (notice, channel, locale), g in sorted(self._groups.items()):
            segments = round(g.count * g.segments / g.sampled)
            cost = self._prices.cost(g.price * g.segments / g.sampled)
            by.append(MessagesCounted(notice, channel, locale, g.count, segments, cost))
        return Messages(sum(m.count for m in by), by)

    @property
    def amount(self) -> Decimal:
        """The cost of all messages, in the currency of the prices."""
        return sum((g.price * g.segments / g.sampled for g in self._groups.values()), Decimal(0))

    @property
    def promises(self) -> list[PromiseCounted]:
        """Every promise of the pack."""
        specs = self._pack.workflow.clocks.values()
        names = [spec.name for spec in specs if KINDS[spec.kind].is_promise]
        return [PromiseCounted(name, self.kept[name], self.broken[name]) for name in names]

    @property
    def escalations(self) -> list[EscalationsCounted]:
        """Escalations by team, reason and hour of day."""
        return [EscalationsCounted(*key, count) for key, count in sorted(self.calls.items())]

    @property
    def per_customer(self) -> Spread:
        """The number of messages per person and order."""
        return Spread(_at(self._per_person, 0.5), _at(self._per_person, 0.99), max(self._per_person, default=0))


def _at(counts: Counter[int], share: float) -> int:
    """The smallest value that is at least as large as this share of all."""
    wanted, seen = share * counts.total(), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            return value
    return 0


def by_hour(escalations: Iterable[EscalationsCounted]) -> dict[str, list[int]]:
    """By team, the number of escalations in each hour of the day."""
    hours: dict[str, list[int]] = {}
    for e in escalations:
        hours.setdefault(e.team, [0] * 24)[e.hour] += e.count
    return hours
