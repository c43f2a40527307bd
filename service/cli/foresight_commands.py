"""The commands that look ahead: what a pack would do, before it is live."""

import sys
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


def simulate(
    pack: Annotated[Path, typer.Argument(help="The folder of one pack.")],
    orders: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many orders to invent.")] = 1000,
    days: Annotated[float, typer.Option(min=0.001, max=3660, help="Over how many days they begin.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed invents the same orders.")] = 7,
    failing: Annotated[float, typer.Option(min=0, max=1, help="Share of messages that a provider refuses.")] = 0.01,
    undelivered: Annotated[float, typer.Option(min=0, max=1, help="Share of those taken that never arrive.")] = 0.01,
    learn: Annotated[
        str, typer.Option(help="Invent by recorded orders of the last so long, such as 30d, in place of the demo.")
    ] = "",
    json: Json = False,
) -> None:
    """Invent orders and play them in memory: messages, cost, promises, who is called when. Nothing is sent."""
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
    old: Annotated[Path, typer.Argument(help="The folder of the pack as it is.")],
    new: Annotated[Path, typer.Argument(help="The folder of the pack as it would be.")],
    json: Json = False,
) -> None:
    """What changes for whom when NEW takes the place of OLD, in words, from the packs alone."""
    from service.cli.foreseeing import print_differences

    sys.exit(print_differences(old, new, as_json=json))


def backtest(
    pack: Annotated[Path, typer.Option(help="The folder of the pack, or of the packs, to be tried.")],
    since: Annotated[str, typer.Option(help="Orders to which something happened since so long ago.")] = "30d",
    fail_on: Annotated[
        list[str] | None,
        typer.Option(help="Exit with 3 when this changes so much: NAME OP NUMBER[%], such as 'breaches>+5%'."),
    ] = None,
    json: Json = False,
) -> None:
    """Recorded orders under the packs as they were and as they would be. Nothing is sent, nothing written."""
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
    """Make them commands of `stagebell`."""
    app.command()(simulate)
    app.command()(diff)
    app.command()(backtest)
