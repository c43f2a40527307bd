"""`stagebell backtest`."""

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from service import settings as settings_module
from service.cli.foreseeing import WIDE, prices_of, print_ladders
from service.cli.reading import reading_ledger
from service.cli.shown import add_row, plain
from service.foresight.backtesting import BackTest, BackTester, packs_to_try
from service.foresight.comparing import OrderDifference
from service.foresight.fail_on import Condition
from service.workflows.packs import load

MET: Final = 3
# How many orders' differences are printed; `--json` has all.
SHOWN: Final = 20


async def run_back_test(folder: Path, since: timedelta, conditions: Sequence[Condition], *, as_json: bool) -> int:
    """Back-test, and print what would have been different; the exit code: 3 when a condition is met."""
    settings = settings_module.load()
    installed = load(settings.workflows)
    tester = BackTester(installed, packs_to_try(folder, installed), prices_of(settings), settings.brand)
    async with reading_ledger(settings) as ledger:
        now = await ledger.now()
        done = await tester.run(ledger, now - since, now)
    met = [c for c in conditions if c.is_met(*done.change(c.name))]
    if as_json:
        typer.echo(msgspec.json.encode(done).decode())
    else:
        print_back_test(Console(highlight=False, width=None if sys.stdout.isatty() else WIDE), done)
    for c in met:
        was, would_be = done.change(c.name)
        percent = "%" if c.in_percent else ""
        typer.echo(f"failed on {c.name}{c.sign}{c.number}{percent}: {was} was, {would_be} would be", err=True)
    return MET if met else 0


def print_back_test(console: Console, done: BackTest) -> None:
    """Print the totals, then the orders."""
    left_out = ", ".join(f"{n} {why}" for why, n in done.left_out.items())
    console.print(
        f"{done.orders} orders, {done.events} events" + (f"; left out: {left_out}" if left_out else ""), markup=False
    )
    m = done.messages
    console.print(
        f"messages: {m.added} added, {m.removed} removed, {m.changed} changed, {m.same} the same;"
        f" cost {done.cost.was.amount} {done.cost.was.currency}, would be {done.cost.would_be.amount}",
        markup=False,
    )
    table = Table("promise", "broken", "would be", title="Promises", title_justify="left", box=None)
    for p in done.promises:
        if p.was or p.would_be:
            add_row(table, p.clock, str(p.was), str(p.would_be))
    console.print(table)
    calls = Table("team", "reason", "called", "would be", title="Escalations", title_justify="left", box=None)
    for c in done.escalations.by:
        add_row(calls, c.team, c.reason, str(c.was), str(c.would_be))
    console.print(calls)
    print_ladders(console, done.ladders)
    console.print(f"{len(done.orders_changed)} orders would have gone differently", markup=False)
    for order in done.orders_changed[:SHOWN]:
        typer.echo(f"{plain(order.order_id)}:")
        for d in order.differences:
            _print_difference(d)
    if len(done.orders_changed) > SHOWN:
        typer.echo(f"… and {len(done.orders_changed) - SHOWN} more: --json has all")


def _print_difference(d: OrderDifference) -> None:
    about = " ".join(part for part in (d.name, d.channel, d.audience, d.locale, d.team) if part)
    at = f"{d.at:%Y-%m-%d %H:%M:%S}" if d.at else ""
    typer.echo(f"  {at} {d.kind.replace('_', ' ')}: {plain(about)}")
    for name, text in (("was", d.was), ("would be", d.would_be)):
        for line in text.splitlines():
            typer.echo(f"      {name}: {plain(line)}")
