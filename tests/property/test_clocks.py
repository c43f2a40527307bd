"""Clocks never lie: random events, lags, jumps, duplicates and pauses, against the naive model. 20,000 steps in
the long form."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from service.domain.causes import ClockDue, EventReceived
from service.domain.decide import decide
from service.domain.errors import Rejection
from service.domain.event_decoding import decode
from service.domain.order import Order, order_uuid
from tests.support.clock_model import PACK, STATUSES, WORKFLOW, Model
from tests.support.events import NOON, encoded, event
from tests.support.examples import examples
from tests.support.packs import pack_of

WATCHED = pack_of(PACK).workflow
EXAMPLES = examples(400)
STEPS = 50


class Clocks(RuleBasedStateMachine):
    """One order; `now` moves ahead and, rarely, back."""

    @initialize()
    def begin(self) -> None:
        self.now = NOON
        self.order: Order | None = None
        self.model = Model()
        self.breaches: list[tuple[str, datetime]] = []
        self.seen: list[bytes] = []

    def _decide(self, cause: object) -> str:
        try:
            decision = decide(self.order, cause, WATCHED, order_uuid(UUID(int=1 << 90)))  # type: ignore[arg-type]
        except Rejection:
            return "rejected"
        if not decision.changes_nothing:
            self.order = decision.order
        for entry in decision.entries:
            if entry.kind == "clock_breached":
                self.breaches.append((str(entry.detail["clock"]), entry.at))
        return decision.outcome

    @rule(seconds=st.integers(-90, 1500))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(
        status=st.sampled_from(STATUSES[:3] * 3 + STATUSES),
        lag=st.integers(-200, 900) | st.integers(-400, 0),
        eta=st.none() | st.integers(-600, 2400),
    )
    def an_event_comes(self, status: str, lag: int, eta: int | None) -> None:
        time = self.now - timedelta(seconds=lag)
        date = self.now + timedelta(seconds=eta) if eta is not None else None
        said: dict[str, Any] = {"eta": date.isoformat()} if date else {}
        body = encoded(event("M-1", status, time, workflow=WORKFLOW, **said))
        self.seen.append(body)
        assert self._decide(EventReceived(self.now, decode(body))) == self.model.event(status, time, date, self.now)

    @rule()
    def the_clock_looks(self) -> None:
        if self.order is not None:
            self._decide(ClockDue(self.now))
            self.model.pass_time(self.now)

    @rule()
    def the_process_restarts(self) -> None:
        """All that survives is the record."""
        import msgspec

        if self.order is not None:
            self.order = msgspec.json.decode(msgspec.json.encode(self.order), type=Order)

    @invariant()
    def same_breaches_at_the_same_moments_each_once(self) -> None:
        if not hasattr(self, "model"):
            return
        assert sorted(self.breaches) == sorted(self.model.breaches)


TestClocks = Clocks.TestCase
TestClocks.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
)
