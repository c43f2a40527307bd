"""Commands that show what a pack would do before it is live."""

import sys
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def simulate(
    pack: Annotated[Path, typer.Argument(help="The folder of one pack.")],
    orders: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many orders to simulate.")] = 1000,
    days: Annotated[
        float, typer.Option(min=0.001, max=3660, help="The number of days over which the orders start.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same orders.")] = 7,
    failing: Annotated[float, typer.Option(min=0, max=1, help="Share of messages that a provider rejects.")] = 0.01,
    undelivered: Annotated[
        float, typer.Option(min=0, max=1, help="Share of accepted messages that are never delivered.")
    ] = 0.01,
    learn: Annotated[
        str,
        typer.Option(help="Model the orders on those recorded in this period, such as 30d, instead of on the demo."),
    ] = "",
    json: Json = False,
) -> None:
    """Simulate orders in memory: messages, cost, SLA clocks, and which teams are called when. Nothing is sent."""
    from service.cli.foreseeing import run_simulation
    from service.foresight.simulating import Assumptions
    from service.workflows.durations import parse_duration

    assumed = Assumptions(failing=failing, undelivered=undelivered)
    try:
        span = parse_duration(learn) if learn else None
    except ValueError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
    sys.exit(run_simulation(pack, orders, days, seed, assumed, span, as_json=json))


def diff(
    old: Annotated[Path, typer.Argument(help="The folder of the current pack.")],
    new: Annotated[Path, typer.Argument(help="The folder of the changed pack.")],
    json: Json = False,
) -> None:
    """Explain what changes, and for whom, when NEW replaces OLD. Only the two packs are read."""
    from service.cli.foreseeing import print_differences

    sys.exit(print_differences(old, new, as_json=json))


def backtest(
    pack: Annotated[Path, typer.Option(help="The folder of the changed pack or packs.")],
    since: Annotated[str, typer.Option(help="Replay orders that changed within this period, such as 30d.")] = "30d",
    fail_on: Annotated[
        list[str] | None,
        typer.Option(help="Exit with status 3 if this holds: NAME OP NUMBER[%], such as 'breaches>+5%'; repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Replay recorded orders under the current and the changed packs, and compare. Nothing is sent or written."""
    from service.cli.backtesting import run_back_test
    from service.cli.main import run_async
    from service.foresight.fail_on import condition
    from service.workflows.durations import parse_duration

    try:
        conditions = [condition(text) for text in fail_on or ()]
        span = parse_duration(since)
    except ValueError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
    sys.exit(run_async(run_back_test(pack, span, conditions, as_json=json)))


def add_to(app: typer.Typer) -> None:
    """Add them to the commands of `stagebell`."""
    app.command()(simulate)
    app.command()(diff)
    app.command()(backtest)
