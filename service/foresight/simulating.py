"""Simulates orders of a pack in virtual time: the messages, breaches and escalations to expect before it is used.

Pure: no database, no provider, nothing is sent. The same seed gives the same result. Assumptions about the real world
are in `Assumptions`, and can be changed by the caller.
"""

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from service.canonical import canonical_event
from service.domain.causes import EventReceived, HandleEscalation
from service.domain.draft import Decision
from service.domain.errors import Rejection
from service.domain.events import DATA_TYPES, Event, EventData
from service.domain.notices import Accepted, Message, Permanent, Receipt
from service.domain.order import SEQUENCE_BITS
from service.domain.together import decide_with_whole
from service.domain.workflow import Workflow
from service.foresight.life import PlayedLife, ProviderAnswer
from service.foresight.sparing import RungCounted
from service.foresight.tally import EscalationsCounted, Messages, PromiseCounted, Spread, Tally
from service.prices import Prices
from service.simulator.simulator import Invented, Simulator
from service.workflows.packs import Pack

# A Monday.
BEGIN: Final = datetime(2026, 1, 5, tzinfo=UTC)
# How long an order is simulated after its last event, for follow-ups and clocks that nothing ends.
AFTERWARDS: Final = timedelta(days=2)
# For this many orders all addresses are normalised; if that changes none, the simulator's need no normalisation.
LOOKED_AT: Final = 20
_NOBODY: Final = "the simulation"
_TAKEN: Final = Accepted(_NOBODY)
_DELIVERED: Final = Receipt("delivered", "")
_LOST: Final = Receipt("undelivered", "")
# The number of rejection reasons that are reported.
MOST_REASONS: Final = 20
# Bits of an id for numbering an order's parts.
_PARTS_BITS: Final = 8


class Assumptions(Struct, frozen=True):
    """Assumed shares (0 to 1) and times (seconds).

    `failing`: share of messages refused for good; `undelivered`: share of accepted messages that are not delivered, on
    channels with receipts; `delivered_after_s`: until a receipt; `acknowledged_after_s`: until a team acknowledges.
    """

    failing: float = 0.01
    undelivered: float = 0.01
    delivered_after_s: float = 5.0
    acknowledged_after_s: float = 600.0
    receipts: bool = True


class RefusedCounted(Struct):
    """Events rejected by the pack, by reason."""

    reason: str
    count: int


class Simulated(Struct):
    """The result of a simulation.

    `refused`: events of the pack's own `demo` that it rejected, most frequent first, probably by a mistake in it.
    `events`: everything that happened: publishers' events, provider results and receipts, due clocks, acknowledgements.
    `ladders`: by rung, messages sent and spared. `events_per_second`: per second of one core's time.
    """

    orders: int
    events: int
    messages: Messages
    promises: list[PromiseCounted]
    escalations: list[EscalationsCounted]
    per_customer: Spread
    ladders: list[RungCounted]
    refused: list[RefusedCounted]
    seconds: float
    events_per_second: int


class NoDemo(Exception):
    """The pack has no `demo` section to simulate orders from."""


class _Provider:
    """Accepts messages, except for the assumed shares."""

    def __init__(self, pack: Pack, assumed: Assumptions, chance: random.Random) -> None:
        self._assumed = assumed
        self._chance = chance
        self._dialled = {name for name, spec in pack.workflow.channels.items() if spec.is_dialled}
        self._delivered_after = timedelta(seconds=assumed.delivered_after_s)

    def answers(self, n: Message, now: datetime) -> Sequence[ProviderAnswer]:
        assumed = self._assumed
        if assumed.failing and self._chance.random() < assumed.failing:
            return (ProviderAnswer(now, Permanent(_NOBODY, "", "refused, as assumed")),)
        taken = ProviderAnswer(now, _TAKEN)
        if not assumed.receipts or n.channel not in self._dialled:
            return (taken,)
        lost = assumed.undelivered and self._chance.random() < assumed.undelivered
        return taken, ProviderAnswer(now + self._delivered_after, _LOST if lost else _DELIVERED)


def simulate(
    pack: Pack,
    orders: int,
    *,
    days: float = 1.0,
    seed: int = 7,
    prices: Prices | None = None,
    brand: str = "",
    assumed: Assumptions | None = None,
    begin: datetime = BEGIN,
) -> Simulated:
    """Simulate this many orders, which begin evenly over `days` from `begin`; raises NoDemo."""
    if not pack.workflow.demo.get("scenarios"):
        raise NoDemo(f"{pack.workflow.name} has no `demo` section with scenarios, from which orders could be simulated")
    began = time.process_time()
    tally = Tally(pack, prices or Prices(), brand)
    lives = _Lives(pack, seed, assumed or Assumptions())
    apart = timedelta(days=days) / orders
    for number in range(orders):
        tally.add(*lives.play(number, begin + number * apart))
    seconds = time.process_time() - began
    return Simulated(
        orders,
        lives.events,
        tally.messages,
        tally.promises,
        tally.escalations,
        tally.per_customer,
        tally.sparing.rungs,
        [RefusedCounted(*each) for each in lives.refused.most_common(MOST_REASONS)],
        round(seconds, 3),
        int(lives.events / seconds),
    )


class _InventedLife(PlayedLife):
    """A life in which somebody acknowledges each escalation after a while."""

    def __init__(self, workflow: Workflow, new_id: UUID, provider: _Provider, taken_after: timedelta) -> None:
        super().__init__(workflow, new_id, provider)
        self._taken_after = taken_after

    def keep(self, decision: Decision) -> Decision:
        super().keep(decision)
        for change in decision.escalations:
            if change.kind == "opened":
                self.later(change.at + self._taken_after, partial(self._take_call, change.escalation.id))
        return decision

    def _take_call(self, escalation: UUID, at: datetime) -> None:
        if self.order and any(e.id == escalation and e.state == "open" for e in self.order.escalations.values()):
            self.decide(HandleEscalation(at, escalation, "acknowledge", _NOBODY))


def _play_until(lives: Sequence[PlayedLife], moment: datetime) -> None:
    """Run everything that is due in these lives until then, in sequence, as their messages may be bundled."""
    if len(lives) == 1:
        lives[0].play_until(moment)
        return
    while True:
        ahead = [(each.next_at, i) for i, each in enumerate(lives) if each.next_at is not None]
        due, first = min(ahead, default=(None, 0))
        if due is None or due > moment:
            return
        lives[first].play_until(due)


class _Lives:
    """Simulates one order after the other."""

    def __init__(self, pack: Pack, seed: int, assumed: Assumptions) -> None:
        self._workflow = pack.workflow
        self._taken_after = timedelta(seconds=assumed.acknowledged_after_s)
        self._simulator = Simulator(pack.workflow, seed)
        self._provider = _Provider(pack, assumed, random.Random(seed))  # noqa: S311 - invents, keeps no secret
        self._is_canonical = True
        self.events = 0
        self.refused: Counter[str] = Counter()

    def play(self, number: int, start: datetime) -> list[PlayedLife]:
        """One order with its parts, until `AFTERWARDS` after its last event; the whole comes first."""
        lives: dict[str, _InventedLife] = {}
        at = start
        taken: set[str] = set()
        for invented in sorted(self._simulator.order(number, start), key=lambda e: e.published):
            at = invented.published
            if (life := lives.get(invented.order_id)) is None:
                life = lives[invented.order_id] = self._life(number, len(lives))
                for each in lives.values():
                    each.beside = [*lives.values()]
            _play_until([*lives.values()], at)
            if invented.id in taken or invented.data["workflow"] != self._workflow.name:
                continue
            taken.add(invented.id)
            try:
                self._decide(life, EventReceived(at, self._event(life, number, invented)), lives)
            except Rejection as rejection:
                self.refused[rejection.reason] += 1
            _play_until([*lives.values()], at)
        _play_until([*lives.values()], at + AFTERWARDS)
        self.events += sum(each.happened for each in lives.values())
        return [*lives.values()]

    def _life(self, number: int, part: int) -> _InventedLife:
        new_id = UUID(int=(((number + 1) << _PARTS_BITS) + part) << SEQUENCE_BITS)
        return _InventedLife(self._workflow, new_id, self._provider, self._taken_after)

    def _decide(self, life: _InventedLife, cause: EventReceived, lives: Mapping[str, _InventedLife]) -> None:
        """Like intake: a part's change is a cause for its whole. Raises Rejection."""
        before, decision = life.order, life.decision(cause)
        parent = decision.order.parent
        whole = lives.get(parent.reference) if parent else None
        if parent is None or whole is None or whole.order is None:
            life.keep(decision)
            return
        new_id = decision.order.id
        both = decide_with_whole(before, cause, self._workflow, new_id, decision, whole.order, self._workflow)
        life.keep(both.decision)
        if both.whole:
            whole.keep(both.whole.decision)

    def _event(self, life: PlayedLife, number: int, invented: Invented) -> Event:
        """The event as intake decodes it."""
        kind = invented.type
        data: EventData = msgspec.convert(invented.data, DATA_TYPES[kind])
        event = Event(invented.id, "/simulator", kind, invented.order_id, invented.time, data)
        if self._is_canonical and number >= LOOKED_AT:
            return event
        canonical = canonical_event(event, self._workflow.region, life.order)
        self._is_canonical &= canonical == event
        return canonical
