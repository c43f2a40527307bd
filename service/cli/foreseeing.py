"""`stagebell simulate`, `stagebell diff`."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from service import settings as settings_module
from service.channels import registry
from service.cli.reading import reading_ledger
from service.cli.shown import add_row, plain
from service.foresight.differing import by_reader, differences
from service.foresight.learning import NothingLearnt, learn_scenarios
from service.foresight.simulating import Assumptions, NoDemo, RefusedCounted, Simulated, simulate
from service.foresight.sparing import RungCounted
from service.foresight.tally import MessagesCounted, by_hour
from service.prices import Prices, load
from service.workflows.packs import Pack, load_all

WIDE = 160
_BARS = " ▁▂▃▄▅▆▇█"


def pack_in(folder: Path) -> Pack:
    """The one pack of a folder; raises PackError."""
    found = load_all(folder)
    if len(found) != 1:
        names = ", ".join(str(folder / pack.workflow.name) for pack in found)
        raise typer.BadParameter(f"{folder} holds {len(found)} packs: name one of them ({names})")
    return found[0]


def prices_of(settings: settings_module.Settings) -> Prices:
    """The prices of the file in setting PRICES."""
    return load(settings.prices, registry.channels())


def run_simulation(
    folder: Path,
    orders: int,
    days: float,
    seed: int,
    assumed: Assumptions,
    learn: timedelta | None = None,
    *,
    as_json: bool,
) -> int:
    """Simulate, and print the results; the exit code."""
    settings = settings_module.load()
    pack = pack_in(folder)
    try:
        if learn is not None:
            pack = asyncio.run(_learnt(settings, pack, learn))
        done = simulate(
            pack, orders, days=days, seed=seed, prices=prices_of(settings), brand=settings.brand, assumed=assumed
        )
    except (NoDemo, NothingLearnt) as error:
        typer.echo(str(error), err=True)
        return 1
    if as_json:
        typer.echo(msgspec.json.encode(done).decode())
        return 0
    print_simulation(Console(highlight=False, width=None if sys.stdout.isatty() else WIDE), pack, done)
    return 0


async def _learnt(settings: settings_module.Settings, pack: Pack, span: timedelta) -> Pack:
    """The pack with scenarios learnt from recorded orders, read over a read-only connection."""
    async with reading_ledger(settings) as ledger:
        since = await ledger.now() - span
        async with ledger.reading() as tx:
            return Pack(await learn_scenarios(tx, pack.workflow, since), pack.templates)


def print_simulation(console: Console, pack: Pack, done: Simulated) -> None:
    """Print the results as tables, and the escalations by hour as a chart."""
    console.print(
        f"{pack.workflow.name} {pack.workflow.version}: {done.orders} orders, {done.events} events,"
        f" {done.messages.total} messages; each customer gets {done.per_customer.p50} of an order"
        f" (1 in 100 more than {done.per_customer.p99}, at most {done.per_customer.max})",
        markup=False,
    )
    _print_messages(console, done.messages.by)
    print_ladders(console, done.ladders)
    promises = Table("promise", "kept", "broken", "share broken", title="Promises", title_justify="left", box=None)
    for p in done.promises:
        ended = p.kept + p.breached
        add_row(promises, p.clock, str(p.kept), str(p.breached), f"{p.breached / ended:.1%}" if ended else "")
    console.print(promises)
    reasons = Table("team", "reason", "escalations", title="Escalations", title_justify="left", box=None)
    counts: dict[tuple[str, str], int] = {}
    for e in done.escalations:
        counts[e.team, e.reason] = counts.get((e.team, e.reason), 0) + e.count
    for (team, reason), count in counts.items():
        add_row(reasons, team, reason, str(count))
    console.print(reasons)
    print_hours(console, by_hour(done.escalations))
    _print_refused(console, done.refused)
    console.print(f"played in {done.seconds:.1f} s of one core: {done.events_per_second} events/s", markup=False)


def _print_messages(console: Console, by: list[MessagesCounted]) -> None:
    table = Table("notice", "channel", "locale", "count", "segments", "cost", title="Messages", box=None)
    table.title_justify = "left"
    for m in by:
        cost = f"{m.cost.amount} {m.cost.currency}"
        add_row(table, m.notice, m.channel, m.locale, str(m.count), str(m.segments), cost)
    console.print(table)


def _print_refused(console: Console, refused: Sequence[RefusedCounted]) -> None:
    if not refused:
        return
    table = Table("why", "events", title="Events that the pack refused", title_justify="left", box=None)
    for each in refused:
        add_row(table, each.reason, str(each.count))
    console.print(table)


def print_ladders(console: Console, ladders: Sequence[RungCounted]) -> None:
    """Print how many messages each rung sent, and how many were saved; nothing without ladders."""
    if not ladders:
        return
    table = Table("notice", "rung", "channel", "messages", "spared", "not spent", title="Ladders", box=None)
    table.title_justify = "left"
    for r in ladders:
        cost = f"{r.cost.amount} {r.cost.currency}"
        add_row(table, r.notice, str(r.rung), r.channel, str(r.count), str(r.spared), cost if r.spared else "")
    console.print(table)


def print_hours(console: Console, hours: dict[str, list[int]]) -> None:
    """Print escalations by hour: a line per team, a column per hour of its day, scaled to the busiest hour of all."""
    most = max((n for counts in hours.values() for n in counts), default=0)
    if not most:
        return
    table = Table("", *(f"{h:02d}" for h in range(24)), title="Calls by hour of the team's day", box=None, padding=0)
    table.title_justify = "left"
    for team, counts in sorted(hours.items()):
        add_row(table, f"{team}  ", *(_BARS[-(-n * (len(_BARS) - 1) // most)] * 2 + " " for n in counts))
        add_row(table, "", *(f"{n}" if n else "" for n in counts))
    console.print(table)


def print_differences(old: Path, new: Path, *, as_json: bool) -> int:
    """Print what differs in the new pack, and for whom; the exit code."""
    was, would = pack_in(old), pack_in(new)
    if was.workflow.name != would.workflow.name:
        problem = f"{was.workflow.name} and {would.workflow.name} are two workflows: name two versions of one"
        typer.echo(problem, err=True)
        return 1
    found = differences(was, would)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return 0
    if not found.differences:
        typer.echo(f"{found.workflow}: nothing changes for anybody")
    for whom, theirs in by_reader(found.differences).items():
        typer.echo(f"For {whom}:")
        for d in theirs:
            typer.echo(f"  {d.kind}: {plain(d.says)}")
            for line in d.text:
                typer.echo(f"    {plain(line)}")
    return 0
