"""A back-test of a changed pack on recent orders, while somebody waits for the answer."""

from datetime import timedelta
from typing import Final

from service.channels import registry
from service.foresight.backtesting import BackTest, BackTester
from service.ledger.database.engine import Ledger
from service.prices import current
from service.web.context import Context
from service.workflows.packs import Pack

USUAL: Final = timedelta(days=7)
# Replayed while somebody waits for the page; `stagebell backtest` replays all orders.
ORDERS: Final = 200


async def backtested(context: Context, pack: Pack, span: timedelta) -> tuple[BackTest, BackTester]:
    """Replay the newest orders with the changed pack, over a read-only connection."""
    orders = context.orders
    now = orders.time.now()
    prices = current(context.settings.prices, registry.channels())
    tester = BackTester(orders.packs, {pack.workflow.name: pack}, prices, context.settings.brand)
    reader = Ledger(context.settings.database_url, orders.keyring, read_only=True)
    try:
        await reader.detect_pooler()
        return await tester.run(reader, now - span, now, at_most=ORDERS), tester
    finally:
        await reader.close()
