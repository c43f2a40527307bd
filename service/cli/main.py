"""All commands, and the form of their errors."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from service import __version__
from service.broker.port import BrokerLost
from service.cli import foresight_commands
from service.ledger.database.faults import DatabaseError, is_transient
from service.ledger.database.upgrading import SchemaError
from service.settings import SettingsError
from service.workflows.packs import PackError

T = TypeVar("T")
app = typer.Typer(
    name="stagebell",
    help="Keeps people informed about their orders, and alerts the right team before a promise is broken.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run a command; an expected error is a sentence and exit code 1, never a traceback."""
    try:
        app()
    except (SettingsError, SchemaError, PackError, BrokerLost) as error:
        _leave(str(error))
    except DatabaseError as error:
        if not is_transient(error):
            raise
        _leave("the connection to the database was lost before it confirmed: look, then run the command again")


def _leave(why: str) -> None:
    typer.secho(why, fg="red", err=True)
    sys.exit(1)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def run(
    roles: Annotated[str, typer.Option(help="The roles of this process, comma-separated.")] = (
        "intake,dispatch,clock,relay,web"
    ),
) -> None:
    """Run the service."""
    from service.cli.running import run_service

    sys.exit(run_async(run_service([r.strip() for r in roles.split(",") if r.strip()])))


@app.command()
def demo(
    orders: Annotated[int, typer.Option(min=1, help="How many orders to simulate.")] = 40,
    speed: Annotated[float, typer.Option(min=0, help="How much faster than real time; 0: as the pack says.")] = 0.0,
    exit_: Annotated[bool, typer.Option("--exit", help="Print a summary and exit when all orders are done.")] = False,
    workflow: Annotated[str, typer.Option(help="Which workflow to simulate; by default the first one installed.")] = "",
    allow_public: Annotated[
        bool,
        typer.Option("--allow-public", help="Accept other machines, too: every caller is an admin."),
    ] = False,
) -> None:
    """Run the whole service in one process, with simulated orders; nothing is really sent."""
    from service.cli.demo import run_demo

    sys.exit(run_async(run_demo(orders, speed, workflow, leave=exit_, allow_public=allow_public)))


@app.command()
def check(
    directory: Annotated[Path | None, typer.Argument(help="A folder of packs, or one pack.")] = None,
    schema: Annotated[bool, typer.Option(help="Print the JSON Schema of workflow.yaml for editors.")] = False,
    providers: Annotated[bool, typer.Option(help="Also ask Twilio if the WhatsApp templates are approved.")] = False,
) -> None:
    """Validate workflows and templates, and report all problems at once, with file and line."""
    from service.cli.checking import check_packs, print_schema

    if schema:
        print_schema()
        return
    code = check_packs(directory)
    if providers and code == 0:
        from service.cli.checking_providers import check_templates

        code = check_templates(directory)
    sys.exit(code)


@app.command()
def publish(file: Annotated[str, typer.Argument(help="JSON lines; - for standard input.")]) -> None:
    """Publish events to the broker."""
    from service.cli.publishing import publish_file

    sys.exit(run_async(publish_file(file)))


@app.command()
def migrate() -> None:
    """Upgrade the database to the current schema."""
    from service.cli.running import migrate_database

    run_async(migrate_database())


@app.command()
def explain(workflow: str, order_id: str) -> None:
    """Show an order's messages, clocks and escalations, and why each message was or was not sent."""
    from service.cli.explaining import explain_order

    sys.exit(run_async(explain_order(workflow, order_id)))


foresight_commands.add_to(app)


@app.command()
def gap(
    since: Annotated[str, typer.Option(help="When the restored backup was made: a date, or a date and time.")],
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """After a restore, list the orders whose first events are missing, so that publishers can send them again."""
    from service.cli.audit import moment
    from service.cli.gap import find_gap

    made = moment("--since", since)
    assert made is not None
    sys.exit(run_async(find_gap(made, as_json=json_)))


dead_app = typer.Typer(help="Events that were rejected (dead letters).", no_args_is_help=True)
app.add_typer(dead_app, name="dead")
Numbers = Annotated[list[int] | None, typer.Argument(help="One or more numbers from `dead list`.")]


@dead_app.command("list")
def dead_list(limit: Annotated[int, typer.Option(min=1)] = 50) -> None:
    """List the rejected events, and why each was rejected."""
    from service.cli import dead

    run_async(dead.show_list(limit))


@dead_app.command("show")
def dead_show(number: int) -> None:
    """Show one dead letter in full."""
    from service.cli import dead

    sys.exit(run_async(dead.show_one(number)))


@dead_app.command("replay")
def dead_replay(
    numbers: Numbers = None, all_: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False
) -> None:
    """Process dead letters again, once the cause is fixed."""
    from service.cli import dead

    sys.exit(run_async(dead.replay(numbers or [], everything=all_)))


@dead_app.command("drop")
def dead_drop(
    numbers: Numbers = None, all_: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False
) -> None:
    """Delete dead letters."""
    from service.cli import dead

    sys.exit(run_async(dead.drop(numbers or [], everything=all_)))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The workflow's name: lower case, digits and underscores.")],
    directory: Annotated[Path | None, typer.Option(help="Where the packs are.")] = None,
) -> None:
    """Create a small valid pack to start from."""
    from service.cli.new_pack import make_pack

    sys.exit(make_pack(name, directory))


@app.command("webhook-secret")
def webhook_secret(
    url: Annotated[str, typer.Argument(help="The receiver's address, exactly as it is called.")],
) -> None:
    """Print the secret with which webhooks to this address are signed (Standard Webhooks)."""
    from service.cli.running import print_webhook_secret

    sys.exit(run_async(print_webhook_secret(url)))


audit_app = typer.Typer(help="The audit log: who saw and did what.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")


@audit_app.command("verify")
def audit_verify(
    expect: Annotated[str, typer.Option(help="A line that you noted earlier, as NUMBER:DIGEST.")] = "",
) -> None:
    """Verify the whole hash chain, and name the lines that were changed or removed."""
    from service.cli import audit

    sys.exit(run_async(audit.verify(expect)))


@audit_app.command("export")
def audit_export(
    since: Annotated[str | None, typer.Option(help="From this date, or date and time, on.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this date, or date and time.")] = None,
    csv_: Annotated[bool, typer.Option("--csv", help="As CSV instead of JSON lines.")] = False,
) -> None:
    """Print all lines, oldest first."""
    from service.cli import audit

    spans = audit.moment("--since", since), audit.moment("--until", until)
    sys.exit(run_async(audit.export(*spans, as_csv=csv_)))


@app.command("index-attributes")
def index_attributes() -> None:
    """Index all orders again by the attributes that lists can be filtered by; the service may run meanwhile."""
    from service.cli.indexing import index_anew

    sys.exit(run_async(index_anew()))


keys_app = typer.Typer(help="API keys.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")


@keys_app.command("create")
def keys_create(
    name: str,
    role: Annotated[
        str, typer.Option(help="publisher, agent, supervisor, admin, or an audience of a pack, such as provider")
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What it is limited to: workflow:NAME, team:NAME, or one party's orders, such as provider:v-9. "
            "May be given several times."
        ),
    ] = None,
) -> None:
    """Create an API key. It is printed once, alone on the last line."""
    from service.cli.running import create_key

    sys.exit(run_async(create_key(role, name, scope or ())))


@keys_app.command("list")
def keys_list() -> None:
    """List all keys with their names, roles and scopes, and whether they were revoked."""
    from service.cli.running import list_keys

    run_async(list_keys())


@keys_app.command("revoke")
def keys_revoke(name: str) -> None:
    """Revoke the keys with this name, and end the desk sessions that were opened with them."""
    from service.cli.running import revoke_keys

    sys.exit(run_async(revoke_keys(name)))


@keys_app.command("rotate")
def keys_rotate(
    alone: Annotated[bool, typer.Option("--alone", help="Do not wait for older replicas: none is running.")] = False,
) -> None:
    """Re-encrypt everything with the current SECRET_KEY while the service runs; then remove SECRET_KEY_PREVIOUS."""
    from service.cli.rotating import rotate_keys

    sys.exit(run_async(rotate_keys(alone=alone)))
