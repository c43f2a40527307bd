"""`GET /v1/metrics/costs`: what messages cost, by workflow, notice, channel and country; and the state of budgets."""

from datetime import datetime
from decimal import Decimal

from aiohttp import web
from msgspec import Struct

from service.channels import registry
from service.domain.errors import Rejection
from service.ledger.messages import costs
from service.ledger.messages.costs import Spent
from service.prices import PERIODS, Cost, Prices, PricesError, current
from service.web.auth import scope_of
from service.web.context import CONTEXT
from service.web.params import answer
from service.web.queries import query_of
from service.web.query_types import CostsQuery


class CostOf(Struct):
    """Messages of one kind. `told`: the part of the cost that providers reported; the rest is by the price list."""

    workflow: str
    notice: str
    channel: str
    country: str
    messages: int
    segments: int
    cost: Cost
    told: Cost


class BudgetShown(Struct):
    """The state of a budget; once it is spent, notices that are not mandatory are held."""

    period: str
    amount: Cost
    spent: Cost
    since: datetime


class CostsShown(Struct):
    """The cost of messages that were planned in this period and sent."""

    since: datetime
    until: datetime
    total: Cost
    by: list[CostOf]
    budgets: list[BudgetShown]


async def get_costs(request: web.Request) -> web.StreamResponse:
    """Costs of this month (UTC), or between `from` and `to`."""
    context, query = request.app[CONTEXT], query_of(request, CostsQuery)
    now = context.orders.time.now()
    try:
        prices = current(context.settings.prices, registry.channels())
    except PricesError as error:
        raise Rejection(f"STAGEBELL_PRICES: {error}") from None
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    since, until = query.since or month, query.until or now
    begun = {"day": now.replace(hour=0, minute=0, second=0, microsecond=0), "month": month}
    scope = scope_of(request)
    async with context.orders.ledger.reading() as tx:
        found = await costs.spent(tx, since, until, prices.currency, query.workflow, scope=scope)
        budgets = [
            BudgetShown(
                period,
                prices.cost(prices.budgets[period]),
                prices.cost(_total(await costs.spent(tx, begun[period], now, prices.currency, scope=scope), prices)),
                begun[period],
            )
            for period in PERIODS
            # A budget covers all messages.
            if period in prices.budgets and scope.is_everything
        ]
    by = [_shown(s, prices) for s in found]
    return answer(CostsShown(since, until, prices.cost(_total(found, prices)), by, budgets))


def _shown(s: Spent, prices: Prices) -> CostOf:
    cost, told = prices.cost(s.cost(prices)), prices.cost(s.told)
    return CostOf(s.workflow, s.notice, s.channel, s.country, s.messages, s.parts, cost, told)


def _total(found: list[Spent], prices: Prices) -> Decimal:
    return sum((s.cost(prices) for s in found), Decimal(0))
