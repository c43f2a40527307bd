"""`stagebell explain`."""

import sys
from collections.abc import Sequence
from datetime import datetime

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service import settings as settings_module
from service.cli.auditing import keep
from service.cli.running import open_ledger
from service.cli.shown import add_row, plain
from service.domain.clocks.kinds import KINDS
from service.domain.promises import ClockSpec
from service.domain.rungs import notice_of
from service.domain.scopes import EVERYTHING
from service.domain.workflow import Workflow
from service.ledger.escalations.provider_health import Refusal, refusing
from service.ledger.orders.locking import find
from service.ledger.orders.read_models import OrderShown
from service.ledger.orders.views import order_view
from service.timekeeping import SteadyTime
from service.workflows import packs
from service.workflows.durations import length_in_words

WIDE = 220
_HIDDEN = ("at", "kind", "message", "provider")


async def explain_order(workflow_name: str, order_id: str) -> int:
    """Print what is known of one order and why; the exit code."""
    settings = settings_module.load()
    installed = packs.Packs(packs.build_all(settings.workflows))
    pack = installed.find(workflow_name)
    if pack is None:
        typer.echo(f"no workflow {workflow_name!r} is installed in {settings.workflows}", err=True)
        return 1
    async with open_ledger(settings) as ledger:
        async with ledger.reading() as tx:
            order = await find(tx, workflow_name, order_id, scope=EVERYTHING)
            now, known = SteadyTime().now(), installed.workflows
            view = await order_view(tx, pack.workflow, order, now, known, scope=EVERYTHING) if order else None
            refusals = await refusing(tx)
        if view is not None:
            async with ledger.transaction() as tx:
                await keep(tx, "order.explained", workflow_name, order_id)
    if view is None:
        typer.echo(f"no {workflow_name} order {order_id!r} is known", err=True)
        return 1
    # Tables have their full width in files and pipes.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    console.print(
        Text(plain(order_id), style="bold"),
        f"{workflow_name}: {view.status}, customers see {view.stage_title!r}"
        f" (since {_when(view.status_since)}, pack {view.pack})",
        markup=False,
    )
    _print_parts(console, view)
    _print_timeline(console, view)
    _print_messages(console, view, refusals)
    _print_clocks(console, view, pack.workflow)
    _print_escalations(console, view)
    return 0


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""


def _print_parts(console: Console, view: OrderShown) -> None:
    if view.parent:
        console.print(Text(plain(f"part of {view.parent.workflow} {view.parent.order_id}")))
    if not view.parts:
        return
    table = Table("part", "workflow", "status", "since", "expected", title="Parts", title_justify="left", box=None)
    for p in view.parts:
        add_row(table, p.order_id, p.workflow, p.status, _when(p.since), _when(p.eta))
    console.print(table)


def _print_timeline(console: Console, view: OrderShown) -> None:
    table = Table("when (UTC)", "what", "details", title="Timeline", title_justify="left", box=None)
    for line in view.timeline:
        details = ", ".join(f"{k} {v}" for k, v in line.items() if k not in _HIDDEN)
        add_row(table, _when(line["at"]), line["kind"].replace("_", " "), details)
    console.print(table)


def _print_messages(console: Console, view: OrderShown, refusals: Sequence[Refusal]) -> None:
    table = Table("notice", "to", "state", "why", title="Messages", title_justify="left", box=None)
    for m in view.messages:
        why = m.error or ("the provider took it" if m.state == "sent" else "")
        if m.state in ("pending", "retrying"):
            refused = "; ".join(r.in_words for r in refusals if r.channel == m.channel and r.holds_back)
            why = f"waits: {refused}" if refused else why
        rung = f", rung {m.rung}" if m.rung else ""
        add_row(table, m.notice, f"{m.audience} by {m.channel}{rung}", m.state, why)
    console.print(table)


def _print_clocks(console: Console, view: OrderShown, workflow: Workflow) -> None:
    table = Table("clock", "why", "started", "warns", "due", "state", "stopped", title="Clocks", title_justify="left",
                  box=None)  # fmt: skip
    for c in view.clocks:
        spec = workflow.clocks.get(c.name)
        stopped = f"{_when(c.stopped)} {c.why}" if c.stopped else ""
        state = c.state + (f", noticed {c.noticed_late_s:.1f} s late" if c.noticed_late_s else "")
        add_row(
            table, c.name, rule_in_words(spec) if spec else _rung_in_words(c.name), _when(c.started), _when(c.warns),
            _when(c.due), state, stopped,
        )  # fmt: skip
    console.print(table)


def _rung_in_words(clock: str) -> str:
    notice = notice_of(clock)
    return f"the next rung of {notice}" if notice else ""


def rule_in_words(spec: ClockSpec) -> str:
    """A clock's rule in a sentence."""
    within = length_in_words(spec) + (" of working time" if spec.calendar or spec.calendar_by else "")
    statuses = ", ".join(sorted(spec.statuses)) or "any open status"
    words = KINDS[spec.kind].in_words(spec, within, statuses)
    pauses = f"; pauses in {', '.join(sorted(spec.paused_in))}" if spec.paused_in else ""
    return words + pauses


def _print_escalations(console: Console, view: OrderShown) -> None:
    table = Table("reason", "team", "severity", "state", "opened", "causes", "detail", title="Escalations",
                  title_justify="left", box=None)  # fmt: skip
    for e in view.escalations:
        add_row(
            table, e.reason, e.team, e.severity, f"{e.state}, level {e.level}", _when(e.opened),
            str(e.causes), e.detail,
        )  # fmt: skip
    console.print(table)
