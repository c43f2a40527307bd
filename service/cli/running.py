"""`stagebell run`, `migrate` and `keys create`."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import structlog
import typer

from service import failpoints
from service import settings as settings_module
from service.cli.auditing import keep
from service.domain.audiences import check_fits
from service.domain.errors import Rejection
from service.domain.json_object import JsonObject
from service.domain.scopes import read_scope, written
from service.ledger.access import api_keys as keys
from service.ledger.access import sessions
from service.ledger.database.availability import when_available
from service.ledger.database.engine import Ledger
from service.ledger.database.schema import migrate
from service.ledger.database.upgrading import SchemaError
from service.opening import ledger_of
from service.setting_values import one_line
from service.settings import Settings
from service.telemetry import logs, tracing
from service.workflows import packs
from service.workflows.packs import PackError

log = structlog.get_logger(__name__)


async def run_service(roles: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT; the exit code."""
    from service.app import App  # loaded only where it is used: other commands need no server and no providers

    settings = settings_module.load()
    logs.configure(settings.log_format)
    try:
        tracing.configure()
        failpoints.configured()
    except ValueError as error:
        raise settings_module.SettingsError(str(error)) from error
    app = App(settings, roles)
    stop_on_signals(app.leave)
    try:
        await app.start()
        await app.run()
        return 0
    except (settings_module.SettingsError, SchemaError, PackError):
        raise
    except Exception:
        log.exception("process.failed")
        return 1
    finally:
        await app.close()


def stop_on_signals(leave: Callable[[], None]) -> None:
    """Call `leave` on every SIGTERM and SIGINT; what a second signal does is up to it."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)


@asynccontextmanager
async def open_ledger(settings: Settings | None = None) -> AsyncIterator[Ledger]:
    """Open the ledger; raises SchemaError where its schema is not current."""
    settings = settings or settings_module.load()
    ledger = ledger_of(settings)
    try:
        await when_available(ledger, lambda: migrate(ledger))
        yield ledger
    finally:
        await ledger.close()


async def migrate_database() -> None:
    """Migrate the schema, and print that."""
    settings = settings_module.load()
    ledger = ledger_of(settings)
    try:
        before, after = await when_available(ledger, lambda: migrate(ledger))
    finally:
        await ledger.close()
    typer.echo(f"schema {after}" + ("" if before == after else f" (was {before or 'empty'})"))


async def create_key(role: str, name: str, scopes: Sequence[str] = ()) -> int:
    """Create a key and print it, alone on the last line."""
    settings = settings_module.load()
    try:
        name = one_line(name.strip())
    except ValueError as error:
        typer.echo(f"NAME: {error}; it says whose key it is", err=True)
        return 1
    try:
        scope = read_scope(scopes)
        if role not in keys.ROLES or scopes:
            check_fits(role, scope, (p.workflow for p in packs.build_all(settings.workflows)), keys.ROLES)
        written_scope = written(scope)
        limits: JsonObject = {"scopes": written_scope} if written_scope else {}
        async with open_ledger(settings) as ledger, ledger.transaction() as tx:
            key = await keys.create(tx, role, name, datetime.now(UTC), scope)
            await keep(tx, "key.created", subject=f"key:{name}", role=role, **limits)
    except Rejection as rejection:
        typer.echo(f"--{rejection.reason}", err=True)
        return 1
    limited = f", limited to {', '.join(written_scope)}" if written_scope else ""
    typer.echo(f"Key {name!r} with the role {role}{limited}. It is shown only now:")
    typer.echo(key)
    return 0


async def list_keys() -> None:
    """Print a line per key."""
    async with open_ledger() as ledger, ledger.reading() as tx:
        for key in await keys.listed(tx):
            scopes = "".join(f"  {text}" for text in written(key.scope))
            ended = f"  revoked {key.revoked:%Y-%m-%d}" if key.revoked else ""
            typer.echo(f"{key.name}  {key.role}  {key.made:%Y-%m-%d}{scopes}{ended}")


async def revoke_keys(name: str) -> int:
    """Revoke the keys with this name; the exit code: 1 when there is none."""
    now = datetime.now(UTC)
    async with open_ledger() as ledger, ledger.transaction() as tx:
        ended = await keys.revoke(tx, name, now)
        out = await sessions.end_named(tx, name, now)
        if ended or out:
            account = name if name.startswith(keys.ACCOUNT) else f"key:{name}"
            await keep(tx, "key.revoked", subject=account, keys=ended, sessions=out)
    if not ended and not out:
        typer.echo(f"there is no key {name!r} that is not revoked, and nobody is signed in by that name", err=True)
        return 1
    typer.echo(f"{ended} revoked, {out} signed out")
    return 0


async def print_webhook_secret(url: str) -> int:
    """Print the secret with which the receiver verifies signatures; the exit code."""
    from service.webhooks import secret_for

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        typer.echo("URL: write the receiver's address as it is called, such as https://shop.example/hook", err=True)
        return 1
    async with open_ledger() as ledger:
        async with ledger.transaction() as tx:
            await keep(tx, "webhook_secret.shown")
        typer.echo(secret_for(ledger.keyring, url))
    return 0
