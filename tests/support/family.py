"""An order and its parts in memory, decided together as in the service; each is a `Life`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.canonical import canonical_event
from service.domain.causes import EventReceived
from service.domain.decide import decide
from service.domain.errors import Rejection
from service.domain.event_decoding import decode
from service.domain.together import decide_with_whole
from service.workflows.packs import Pack
from tests.support.events import NOON, encoded
from tests.support.life import FIRST_ID, Life


class Family:
    """Orders of these packs by id."""

    def __init__(self, *packs: Pack, start: datetime = NOON) -> None:
        self.now = start
        self.lives: dict[str, Life] = {}
        self._packs = {pack.workflow.name: pack for pack in packs}

    def __getitem__(self, order_id: str) -> Life:
        return self.lives[order_id]

    def status(self, order_id: str) -> str:
        """The status of an order."""
        order = self.lives[order_id].order
        assert order is not None
        return order.status

    def take(self, said: Mapping[str, Any]) -> None:
        """Apply an event now, and inform the order's whole; raises Rejection."""
        name, pack = str(said["subject"]), self._packs[str(said["data"]["workflow"])]
        life = self.lives.get(name) or Life(pack, self.now)
        event = canonical_event(decode(encoded(dict(said))), pack.workflow.region, life.order)
        if event.time > self.now:
            self.travel_to(event.time)
        cause = EventReceived(self.now, event)
        decision = decide(life.order, cause, pack.workflow, FIRST_ID)
        parent = decision.order.parent
        if parent is None:
            life.keep(decision)
        else:
            whole = self.lives[parent.reference]
            assert whole.order is not None
            workflows = pack.workflow, self._packs[parent.workflow].workflow
            both = decide_with_whole(life.order, cause, workflows[0], FIRST_ID, decision, whole.order, workflows[1])
            life.keep(both.decision)
            if both.whole:
                whole.keep(both.whole.decision)
        self.lives[name] = life
        for each in self.lives.values():
            each.settle()

    def refusal(self, said: Mapping[str, Any]) -> str:
        """Why an event is rejected; empty if it is accepted."""
        try:
            self.take(said)
        except Rejection as rejection:
            return rejection.reason
        return ""

    def travel_to(self, moment: datetime) -> None:
        """Advance the time of all of them."""
        for life in self.lives.values():
            life.travel_to(moment)
        self.now = moment
