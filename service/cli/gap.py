"""`stagebell gap`: events that a restored database lacks."""

import sys
from datetime import datetime

import msgspec
import typer

from service import settings as settings_module
from service.cli.auditing import keep
from service.cli.running import open_ledger
from service.cli.shown import plain
from service.ledger.orders.gaps import without_beginning
from service.workflows import packs


async def find_gap(since: datetime, *, as_json: bool) -> int:
    """Print the orders whose first events are missing; the exit code."""
    settings = settings_module.load()
    starts = {pack.workflow.name: pack.workflow.starts for pack in packs.build_all(settings.workflows)}
    async with open_ledger(settings) as ledger:
        async with ledger.reading() as tx:
            found = await without_beginning(tx, since, starts)
        async with ledger.transaction() as tx:
            await keep(tx, "gap.listed", since=since.isoformat())
    if as_json:
        sys.stdout.write(msgspec.json.encode({"since": since, "orders": found}).decode() + "\n")
        return 0
    for order in found:
        first = f"first known event at {order.at:%Y-%m-%dT%H:%M:%SZ}"
        typer.echo(f"{order.workflow} {plain(order.order_id)}: first event missing, {first}, now {order.status}")
    if found:
        typer.echo(
            f"{len(found)} orders lack their first events: ask their publishers to send again everything since"
            f" {since:%Y-%m-%dT%H:%M:%SZ}, with the same source and id",
            err=True,
        )
    else:
        typer.echo(f"no order that came since {since:%Y-%m-%dT%H:%M:%SZ} lacks its first event", err=True)
    return 0
