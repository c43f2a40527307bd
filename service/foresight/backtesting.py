"""Back-tests: replays recorded orders under their packs and under changed ones, and compares.

Nothing is sent or written: orders are decided on copies in memory, and the ledger is read-only.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct, structs

from service.domain.causes import EventReceived
from service.domain.errors import Rejection
from service.domain.notices import Message
from service.foresight.comparing import MessagesCompared, OrderDifference, compare, text_of
from service.foresight.replaying import NotRecorded, RecordedLife, replay_recorded
from service.foresight.sparing import RungCounted
from service.foresight.tally import Tally
from service.foresight.would_be import ChangedLife
from service.ledger.database.engine import Ledger
from service.ledger.database.transaction import Transaction
from service.ledger.orders import packs as pack_store
from service.ledger.orders.past import Past, orders_since, past_of
from service.prices import Cost, Prices
from service.workflows.pack_bundles import unbundle
from service.workflows.packs import Pack, PackError, Packs, build_all, load_all

log = structlog.get_logger(__name__)
AT_ONCE: Final = 200


class PromiseCompared(Struct):
    """How often a clock breached and would breach; `kept` likewise."""

    clock: str
    was: int
    would_be: int
    kept_was: int
    kept_would_be: int


class CallsCompared(Struct):
    """How often a team was called for a reason, and would be called."""

    team: str
    reason: str
    was: int
    would_be: int


class EscalationsCompared(Struct):
    """All escalations, and those by team and reason."""

    was: int
    would_be: int
    by: list[CallsCompared]


class CostCompared(Struct):
    """The cost of the messages, as it was and would be."""

    was: Cost
    would_be: Cost


class OrderChanged(Struct):
    """An order with a different outcome, and its differences."""

    workflow: str
    order_id: str
    differences: list[OrderDifference]


class BackTest(Struct):
    """The result of a back-test. `left_out`: orders that cannot be replayed, by reason.

    `ladders`: by rung of the changed packs, the messages that would be sent and spared.
    """

    orders: int
    events: int
    messages: MessagesCompared
    promises: list[PromiseCompared]
    escalations: EscalationsCompared
    cost: CostCompared
    ladders: list[RungCounted]
    orders_changed: list[OrderChanged]
    left_out: dict[str, int]
    seconds: float
    events_per_second: int

    def change(self, name: str) -> tuple[Decimal, Decimal]:
        """The numbers that `--fail-on` compares: before and after."""
        if name == "messages":
            common = self.messages.same + self.messages.changed
            return Decimal(common + self.messages.removed), Decimal(common + self.messages.added)
        if name == "breaches":
            return Decimal(sum(p.was for p in self.promises)), Decimal(sum(p.would_be for p in self.promises))
        if name == "escalations":
            return Decimal(self.escalations.was), Decimal(self.escalations.would_be)
        return Decimal(self.cost.was.amount), Decimal(self.cost.would_be.amount)


def packs_to_try(folder: Path, installed: Packs) -> dict[str, Pack]:
    """The packs of a folder, or the single pack that it is, with merged declarations of teams. Raises PackError."""
    return {pack.workflow.name: beside_others(pack, installed.find(pack.workflow.name)) for pack in load_all(folder)}


def beside_others(pack: Pack, current: Pack | None) -> Pack:
    """The pack with its teams as merged with the other packs' declarations."""
    if current is None or current.workflow.version == pack.workflow.version:
        return current or pack
    (alone,) = build_all(current.templates.folder)
    teams = {
        name: current.workflow.teams[name] if team == alone.workflow.teams.get(name) else team
        for name, team in pack.workflow.teams.items()
    }
    return Pack(structs.replace(pack.workflow, teams=teams), pack.templates)


class Example(Struct, frozen=True):
    """A message of a real order that would differ, in both versions."""

    order_id: str
    was_pack: Pack
    would_pack: Pack
    was: RecordedLife
    would: ChangedLife
    old: Message
    new: Message

    def in_all_languages(self, brand: str) -> list[tuple[str, str, str]]:
        """(locale, old text, new text) for this reader in each language of the packs."""
        locales = dict.fromkeys((*self.would_pack.workflow.locales, *self.was_pack.workflow.locales))
        return [
            (
                locale,
                text_of(self.was_pack, self.was, structs.replace(self.old, locale=locale), brand),
                text_of(self.would_pack, self.would, structs.replace(self.new, locale=locale), brand),
            )
            for locale in locales
        ]


class BackTester:
    """Replays orders and sums up the differences."""

    def __init__(self, installed: Packs, new: Mapping[str, Pack], prices: Prices, brand: str) -> None:
        """`installed`: the packs of the service; `new`: the changed ones, by workflow."""
        self._installed = installed
        self._new = new
        self._prices = prices
        self._brand = brand
        self._known: dict[tuple[str, str], Pack | None] = {}
        self._was: dict[tuple[str, str], Tally] = {}
        self._would = {name: Tally(pack, prices, brand) for name, pack in new.items()}
        self._messages = MessagesCompared()
        self._changed: list[OrderChanged] = []
        self._left_out: Counter[str] = Counter()
        self.examples: dict[tuple[str, str], Example] = {}
        self._orders = self._events = self._happened = 0
        self._seconds = 0.0

    async def run(self, ledger: Ledger, since: datetime, until: datetime, at_most: int | None = None) -> BackTest:
        """Replay orders with an event since `since`, or the newest `at_most` of them, up to `until` (UTC)."""
        async with ledger.reading() as tx:
            ids = await orders_since(tx, since, [*self._new], at_most)
            for first in range(0, len(ids), AT_ONCE):
                pasts = await past_of(tx, ids[first : first + AT_ONCE])
                await self._recall(tx, pasts)
                for past in pasts:
                    self.add(past, until)
                    await asyncio.sleep(0)  # let other tasks of this process run
        return self.result()

    async def _recall(self, tx: Transaction, pasts: Sequence[Past]) -> None:
        """Load the packs that these orders used."""
        wanted = {
            (p.workflow, v) for p in pasts for v in (p.version, *(m.was for m in p.moved), *(m.to for m in p.moved))
        }
        for workflow, version in wanted - self._known.keys():
            current = self._installed.find(workflow)
            if current is not None and current.workflow.version == version:
                self._known[workflow, version] = current
                continue
            bundled = await pack_store.find(tx, workflow, version)
            try:
                self._known[workflow, version] = unbundle(bundled, version) if bundled else None
            except PackError:
                log.warning("backtest.pack_unusable", workflow=workflow, version=version)
                self._known[workflow, version] = None

    def add(self, past: Past, until: datetime) -> None:
        """Replay one order under both versions."""
        began = time.process_time()
        try:
            if past.left_out:
                raise NotRecorded(past.left_out)
            was = replay_recorded(past, lambda version: self._pack(past.workflow, version).workflow)
        except (NotRecorded, Rejection) as why:
            self._left_out[str(why) if isinstance(why, NotRecorded) and str(why) else "incomplete"] += 1
            return
        would_pack = self._new[past.workflow]
        try:
            would = ChangedLife(would_pack.workflow, was)
            would.play(until)
        except Exception:
            # An order that cannot be replayed is left out; the others are compared.
            log.exception("backtest.order_failed", order_id=past.reference)
            self._left_out["failed"] += 1
            return
        self._compare(past, was, would)
        self._orders += 1
        self._events += sum(isinstance(c.cause, EventReceived) for c in past.causes)
        self._happened += was.happened + would.happened
        self._seconds += time.process_time() - began

    def _pack(self, workflow: str, version: str) -> Pack:
        if (pack := self._known.get((workflow, version))) is None:
            raise NotRecorded("incomplete")
        return pack

    def _compare(self, past: Past, was: RecordedLife, would: ChangedLife) -> None:
        was_pack, would_pack = self._pack(past.workflow, past.version), self._new[past.workflow]
        compared = compare(was, would, was_pack, would_pack, self._brand)
        key = past.workflow, past.version
        if key not in self._was:
            self._was[key] = Tally(was_pack, self._prices, self._brand)
        self._was[key].add(was)
        self._would[past.workflow].add(would)
        for field in MessagesCompared.__struct_fields__:
            setattr(self._messages, field, getattr(self._messages, field) + getattr(compared.messages, field))
        for old, new in compared.pairs:
            self.examples.setdefault(
                (new.notice, new.channel), Example(past.reference, was_pack, would_pack, was, would, old, new)
            )
        if compared.differences:
            self._changed.append(OrderChanged(past.workflow, past.reference, compared.differences))

    def result(self) -> BackTest:
        """The result over all orders."""
        was, would = [*self._was.values()], [*self._would.values()]
        before, after = _calls(was), _calls(would)
        return BackTest(
            orders=self._orders,
            events=self._events,
            messages=self._messages,
            promises=_promises(was, would),
            escalations=EscalationsCompared(
                before.total(),
                after.total(),
                [CallsCompared(*key, before[key], after[key]) for key in sorted(before.keys() | after.keys())],
            ),
            cost=CostCompared(_cost(was, self._prices), _cost(would, self._prices)),
            ladders=[rung for tally in would for rung in tally.sparing.rungs],
            orders_changed=self._changed,
            left_out=dict(sorted(self._left_out.items())),
            seconds=round(self._seconds, 3),
            events_per_second=int(self._happened / self._seconds) if self._seconds else 0,
        )


def _promises(was: Sequence[Tally], would: Sequence[Tally]) -> list[PromiseCompared]:
    broken, would_break = _sum(was, "broken"), _sum(would, "broken")
    kept, would_keep = _sum(was, "kept"), _sum(would, "kept")
    names = dict.fromkeys(p.clock for tally in (*would, *was) for p in tally.promises)
    return [PromiseCompared(n, broken[n], would_break[n], kept[n], would_keep[n]) for n in names]


def _sum(tallies: Sequence[Tally], part: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for tally in tallies:
        total.update(getattr(tally, part))
    return total


def _calls(tallies: Sequence[Tally]) -> Counter[tuple[str, str]]:
    total: Counter[tuple[str, str]] = Counter()
    for tally in tallies:
        for (team, reason, _hour), count in tally.calls.items():
            total[team, reason] += count
    return total


def _cost(tallies: Sequence[Tally], prices: Prices) -> Cost:
    return prices.cost(sum((t.amount for t in tallies), Decimal(0)))
