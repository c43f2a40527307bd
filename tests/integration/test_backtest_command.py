"""`stagebell backtest`: what it prints, how it ends, and that the texts of both packs stand side by side."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from service.cli.main import app
from service.dispatch.settle import Outcome, Settler
from service.domain.notices import Accepted
from service.intake.decoding import Incoming
from service.intake.intake import Intake
from service.keyring import Keyring
from service.ledger.database.engine import Ledger
from service.ledger.database.schema import migrate
from service.ledger.database.wakeups import Wakeups
from service.ledger.messages.tables import messages
from service.orders import Orders
from service.timekeeping import ManualTime
from service.workflows import packs
from service.workflows.packs import PackError
from tests.support.events import NOON, VENDOR, encoded, event, minutes, person
from tests.support.world import ROOT

KEY = "a secret key for tests, as long as they are"
Command = Callable[..., Any]
Edit = Callable[[str, str, str], Path]


async def taken(url: str) -> None:
    """Two orders: one moves on, one waits in vain."""
    ledger = Ledger(url, Keyring(KEY))
    await migrate(ledger)
    clock = ManualTime(NOON)
    orders = Orders(ledger, packs.load(ROOT / "templates"), clock, Wakeups())
    await orders.keep_packs()
    for n, status, at in ((1, "created", 0), (2, "created", 0), (1, "assigned", 20), (1, "vendor_accepted", 25)):
        clock.move_to(NOON + minutes(at))
        said: dict[str, Any] = {"recipients": {"customer": person(n)}} if status == "created" else {"assignee": VENDOR}
        sent = Incoming(encoded(event(f"O-{n}", status, minutes(at), **said)))
        (verdict,) = await Intake(orders).take([sent], dead_letter=True)
        assert verdict.outcome == "accepted", verdict.reason
    async with ledger.reading() as tx:
        planned = (await tx.execute(select(messages.c.id, messages.c.order_id))).all()
    await Settler(orders).write([Outcome(row.id, row.order_id, Accepted("p")) for row in planned])
    await ledger.close()


@pytest.fixture
async def command(sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs it against a ledger with two orders."""
    await taken(sqlite_url)
    prices = tmp_path / "prices.yaml"
    prices.write_text("currency: USD\nsms: 0.05\n", "utf-8")
    monkeypatch.setenv("STAGEBELL_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("STAGEBELL_SECRET_KEY", KEY)
    monkeypatch.setenv("STAGEBELL_WORKFLOWS", str(ROOT / "templates"))
    monkeypatch.setenv("STAGEBELL_PRICES", str(prices))
    return lambda pack, *more: CliRunner().invoke(app, ["backtest", "--pack", str(pack), "--since", "4000d", *more])


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """A copy of the main pack with one text changed in one file; gives its folder."""

    def make(file: str, old: str, new: str) -> Path:
        shutil.copytree(ROOT / "templates" / "_layouts", tmp_path / "packs" / "_layouts")
        folder = shutil.copytree(ROOT / "templates" / "device_pickup", tmp_path / "packs" / "device_pickup")
        text = (folder / file).read_text("utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new), "utf-8")
        return folder

    return make


def test_the_same_pack_changes_nothing(command: Command) -> None:
    done = command(ROOT / "templates" / "device_pickup", "--json", "--fail-on", "messages!=0", "--fail-on", "cost>0")
    assert done.exit_code == 0, done.output
    said = msgspec.json.decode(done.stdout)
    assert {*said} >= {"orders", "events", "messages", "promises", "escalations", "cost", "orders_changed"}
    assert (said["orders"], said["events"], said["orders_changed"]) == (2, 4, [])
    assert {k: said["messages"][k] for k in ("added", "removed", "changed")} == {"added": 0, "removed": 0, "changed": 0}
    assert said["messages"]["same"] > 0
    assert said["cost"]["was"] == said["cost"]["would_be"]
    assert float(said["cost"]["was"]["amount"]) > 0


def test_a_changed_text_stands_beside_the_one_that_was(command: Command, edit: Edit) -> None:
    sms = ROOT / "templates" / "device_pickup" / "en" / "order_created.sms.j2"
    before = sms.read_text("utf-8")
    done = command(edit("en/order_created.sms.j2", before, "Good news. " + before), "--json")
    said = msgspec.json.decode(done.stdout)
    assert said["messages"]["changed"] == 2
    (change,) = said["orders_changed"][0]["differences"]
    assert (change["kind"], change["name"], change["channel"]) == ("message_changed", "order_created", "sms")
    assert change["would_be"] == "Good news. " + change["was"]


def test_a_shorter_promise_stops_the_build(command: Command, edit: Edit) -> None:
    old = "no_vendor: {kind: dwell, in: [created, pending_vendor_assignment], within: 30m"
    pack = edit("workflow.yaml", old, old.replace("30m", "15m"))
    met = command(pack, "--fail-on", "breaches>0")
    assert met.exit_code == 3, met.output
    assert "O-1:" in met.output
    assert command(pack, "--fail-on", "breaches>2").exit_code == 0
    assert command(pack, "--fail-on", "messages<-10%").exit_code == 0


def test_what_cannot_run_ends_with_1(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = ROOT / "templates" / "device_pickup"
    assert command(pack, "--fail-on", "breaches>lots").exit_code == 1
    assert command(pack, "--fail-on", "wonders>1").exit_code == 1
    assert isinstance(command(tmp_path / "nowhere").exception, PackError)
    (tmp_path / "empty.db").touch()
    monkeypatch.setenv("STAGEBELL_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/empty.db")
    assert "stagebell migrate" in str(command(pack).exception)


def test_orders_are_invented_as_recorded_ones_went(command: Command) -> None:
    assert command(ROOT / "templates" / "device_pickup").exit_code == 0
    pack = str(ROOT / "templates" / "device_pickup")
    done = CliRunner().invoke(app, ["simulate", pack, "--orders", "6", "--learn", "4000d", "--failing", "0", "--json"])
    assert done.exit_code == 0, done.output
    said = msgspec.json.decode(done.stdout)
    promises = {p["clock"]: p for p in said["promises"]}
    # Half of them wait in vain, as one of the two did.
    assert promises["no_vendor"]["breached"] >= 3
    assert {m["notice"] for m in said["messages"]["by"]} >= {"order_created"}
    empty = CliRunner().invoke(app, ["simulate", pack, "--learn", "1s"])
    assert (empty.exit_code, "is recorded from its beginning" in empty.output) == (1, True)
