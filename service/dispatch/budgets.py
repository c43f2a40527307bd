"""Budgets of the price list: people are told at four fifths; once spent, notices that are not mandatory are held.

What was planned in hours that are over is added up once in a process; the last two hours are asked for again.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct

from service.channels import registry
from service.domain.scopes import EVERYTHING
from service.ledger.database.transaction import Transaction
from service.ledger.messages import costs
from service.ledger.messages.holds import Hold
from service.orders import Orders
from service.prices import Prices, PricesError, current, in_words

log = structlog.get_logger(__name__)
EVERY: Final = timedelta(seconds=30)
HOUR: Final = timedelta(hours=1)
# After this time it is known of every message whether it was sent.
SETTLED_AFTER: Final = timedelta(hours=2)
NEAR: Final = Decimal("0.8")
_NOBODY: Final = UUID(int=0)


class Budget(Struct, frozen=True):
    """How much of a budget is spent. `period`: day or month (UTC), since `begun`."""

    period: str
    begun: datetime
    amount: Decimal
    spent: Decimal
    currency: str

    @property
    def channel(self) -> str:
        """A budget covers every channel."""
        return ""

    @property
    def subject(self) -> str:
        """What its incident is about."""
        return f"budget:{self.period}"

    @property
    def in_words(self) -> str:
        """For people: what is near, what follows, and where it is set."""
        return (
            f"four fifths of the {in_words(self.amount)} {self.currency} for this {self.period} are spent; once all is,"
            " what is not mandatory will be held on channels that cost something (budgets in the file of PRICES)"
        )


class Budgets:
    """The spending, known to every dispatch process within half a minute."""

    def __init__(self, orders: Orders, path: Path | None) -> None:
        self._orders = orders
        self._path = path
        self._prices = Prices()
        self._hours: dict[datetime, Decimal] = {}
        self._look_at = orders.time.now()
        self._known: list[Budget] = []
        self._holds: list[Hold] = []

    @property
    def known(self) -> list[Budget]:
        """Each budget as it was looked at last."""
        return self._known

    @property
    def near(self) -> list[Budget]:
        """Those of which four fifths are spent."""
        return [b for b in self._known if b.spent >= b.amount * NEAR]

    async def active_holds(self, tx: Transaction) -> list[Hold]:
        """The holds that follow from spent budgets."""
        now = self._orders.time.now()
        if self._path is None or now < self._look_at:
            return self._holds
        self._look_at = now + EVERY
        try:
            prices = current(self._path, registry.channels())
        except PricesError as error:
            log.warning("prices.unusable", problem=str(error), hint="those that were read last count on")
            prices = self._prices
        if prices != self._prices:
            self._prices, self._hours = prices, {}
        self._known = [await self._budget(tx, period, now) for period in prices.budgets]
        over = next((b for b in self._known if b.spent >= b.amount), None)
        self._holds = list(self._held_by(over)) if over else []
        return self._holds

    async def _budget(self, tx: Transaction, period: str, now: datetime) -> Budget:
        begun = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if period == "month":
            begun = begun.replace(day=1)
        total, hour = Decimal(0), begun
        while hour <= now:
            total += await self._hour(tx, hour, now)
            hour += HOUR
        return Budget(period, begun, self._prices.budgets[period], total, self._prices.currency)

    async def _hour(self, tx: Transaction, hour: datetime, now: datetime) -> Decimal:
        if (known := self._hours.get(hour)) is not None:
            return known
        found = await costs.spent(tx, hour, hour + HOUR, self._prices.currency, scope=EVERYTHING)
        total = sum((s.cost(self._prices) for s in found), Decimal(0))
        if hour + HOUR + SETTLED_AFTER < now:
            self._hours[hour] = total
        return total

    def _held_by(self, budget: Budget) -> Iterator[Hold]:
        """A hold for each notice that is not mandatory, on each channel with a price."""
        by = f"the budget of {in_words(budget.amount)} {budget.currency} a {budget.period}"
        why = "it is spent; what is mandatory is sent"
        for pack in self._orders.packs:
            workflow = pack.workflow
            for notice in workflow.notices.values():
                if notice.mandatory or notice.secret:
                    continue
                for channel in self._paid():
                    yield Hold(_NOBODY, channel, workflow.name, notice.name, budget.begun, by, why)

    def _paid(self) -> Iterator[str]:
        prices: Mapping[str, Mapping[str, Decimal]] = self._prices.by_channel
        yield from (channel for channel, by_country in prices.items() if any(by_country.values()))
