"""`stagebell demo`: the whole service in one process, with simulated orders and every message shown."""

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Coroutine
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import structlog
import typer
from pydantic import SecretStr
from rich.console import Console
from rich.live import Live
from rich.table import Table

from service import settings as settings_module
from service import shipped
from service.app import App
from service.broker.memory import MemoryBroker
from service.broker.port import DEAD
from service.cli.running import stop_on_signals
from service.domain.scopes import EVERYTHING
from service.ledger.orders.read_models import MessageOfOrder
from service.ledger.orders.totals import totals
from service.ledger.orders.views import recent_messages
from service.settings import Settings, SettingsError
from service.simulator.player import Player
from service.simulator.simulator import Played, Simulator
from service.telemetry import logs
from service.timekeeping import ManualTime

DATABASE = Path("stagebell-demo.db")
SHOWN_ROWS = 18
LOOK_EVERY_S = 0.25
DEFAULT_SPEED = 60.0
TEXT_WIDTH = 88
COLOURS = {"sms": "green", "whatsapp": "bright_green", "push": "magenta", "email": "cyan"}


async def run_demo(count: int, speed: float, workflow: str, *, leave: bool, allow_public: bool = False) -> int:
    """Play `count` orders; the exit code. Raises SettingsError if the demo would be open to other machines."""
    settings = _demo_settings(allow_public=allow_public)
    logs.configure(settings.log_format, level=logging.ERROR)
    structlog.contextvars.clear_contextvars()
    clock, broker = ManualTime(datetime.now(UTC)), MemoryBroker()
    app = App(settings, time=clock, broker=broker, open_to="admin", captured=True)
    pack = app.packs.find(workflow or next((p.workflow.name for p in app.packs if p.workflow.demo), ""))
    if pack is None or not pack.workflow.demo:
        raise SettingsError(f"--workflow: no pack {workflow!r} with a demo section in {settings.workflows}")
    stop_on_signals(app.stopping.set)
    console = Console()
    try:
        await app.start()
        speed = speed or float(pack.workflow.demo.get("speed", DEFAULT_SPEED))
        played = Simulator(pack.workflow).play(count, app.time.now())
        player = Player(app.orders, broker, clock, speed)
        where = f"http://{settings.http_host}:{app.port}"
        console.print(
            f"[bold]{settings.brand}[/] plays {count} orders of {pack.workflow.title}, {speed:g} times as fast."
        )
        if settings.workflows == shipped.PACKS:
            console.print("There is no folder of packs here; these are the ones that come with Stagebell.")
        console.print(f"Messages: {where}/desk/messages   Metrics: {where}/metrics   Ctrl-C ends it.\n")
        await _watch(app, player.play(played, app.stopping), console, leave=leave)
        await _print_summary(app, console, played)
    finally:
        await app.close()
        _forget()
    return 0


def _forget() -> None:
    for leftover in Path().glob(f"{DATABASE}*"):
        leftover.unlink(missing_ok=True)


def _demo_settings(*, allow_public: bool) -> Settings:
    """Settings without outside effects: a database of its own, no broker, captured channels."""
    none = SecretStr("")
    settings = settings_module.load(
        database_url=f"sqlite+aiosqlite:///{DATABASE}",
        broker_url="memory://",
        secret_key=SecretStr(secrets.token_urlsafe(32)),
        secret_key_previous=none,
        require_channels=(),
    )
    if not (allow_public or _is_loopback(settings.http_host)):
        raise SettingsError(
            f"STAGEBELL_HTTP_HOST: in the demo everybody is an admin, and {settings.http_host} can be reached"
            " from other machines. Leave it out (127.0.0.1), or say --allow-public"
        )
    _forget()
    if not _is_free(settings.http_host, settings.http_port):
        settings.http_port = 0
    return settings


def _is_loopback(host: str) -> bool:
    """Whether the address can be reached from this machine only."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return False


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((host, port))
            return True
    return False


async def _watch(app: App, play: Coroutine[Any, Any, None], console: Console, *, leave: bool) -> None:
    """Print messages as they are sent, until everything is played and sent, or until stopped."""
    playing = asyncio.create_task(play)
    failing = asyncio.create_task(app.run())
    seen: dict[str, MessageOfOrder] = {}
    with Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else _plain() as live:
        while not app.stopping.is_set() and not failing.done():
            fresh = await _fresh(app, seen)
            if live is not None:
                live.update(_table(list(seen.values())[-SHOWN_ROWS:], len(seen)))
            else:
                for m in fresh:
                    console.print(_line(m), markup=False, highlight=False, soft_wrap=True)
            if playing.done() and not fresh:
                if leave:
                    break
                if live is None:
                    await app.stopping.wait()
            await asyncio.sleep(LOOK_EVERY_S)
    failing.cancel()
    if not playing.done():
        playing.cancel()
    results = await asyncio.gather(playing, failing, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


@contextlib.contextmanager
def _plain() -> Any:
    yield None


async def _fresh(app: App, seen: dict[str, MessageOfOrder]) -> list[MessageOfOrder]:
    async with app.ledger.reading() as tx:
        messages = await recent_messages(tx, 200, scope=EVERYTHING)
    fresh = [m for m in reversed(messages) if m.id not in seen and m.state != "sending"]
    seen.update({m.id: m for m in fresh})
    return fresh


def _table(rows: list[MessageOfOrder], total: int) -> Table:
    table = Table(title=f"{total} messages", title_justify="left", expand=True, box=None, pad_edge=False)
    for heading in ("time", "order", "to", "channel", "message"):
        table.add_column(heading, no_wrap=heading != "message")
    for m in rows:
        colour = COLOURS.get(m.channel, "white")
        table.add_row(f"{m.created:%H:%M:%S}", m.order_id, m.name, f"[{colour}]{m.channel}[/]", _words(m))
    return table


def _line(m: MessageOfOrder) -> str:
    return f"{m.created:%H:%M:%S}  {m.order_id:<10} {m.channel:<9} {m.name:<8} {_words(m)}"


def _words(m: MessageOfOrder) -> str:
    text = " ".join(part for part in (m.title, m.text) if part) if not m.html else m.title
    text = " ".join(text.split()).partition(" http")[0]
    return text if len(text) <= TEXT_WIDTH else text[: TEXT_WIDTH - 1] + "…"


async def _print_summary(app: App, console: Console, played: list[Played]) -> None:
    async with app.ledger.reading() as tx:
        found = await totals(tx)
    by_message = sorted((f"{channel} {state}", n) for (channel, state), n in found.messages.items())
    typer.echo("")
    typer.echo(f"{len(played)} events, {sum(found.orders.values())} orders, {sum(found.messages.values())} messages")
    typer.echo("orders:      " + ", ".join(f"{n} {status}" for status, n in found.orders.items()))
    typer.echo("messages:    " + ", ".join(f"{n} {what}" for what, n in by_message))
    typer.echo(
        "escalations: "
        + (", ".join(f"{n} {team}/{reason}" for (team, reason), n in found.escalations.items()) or "none")
    )
    typer.echo(f"promises broken: {found.breached}; dead letters: {await app.broker.depth(DEAD)}")
