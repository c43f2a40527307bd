"""A full day at the desk: orders in every stage, hundreds of open escalations and conversations, a channel that refuses us.

`python -m tests.support.full_day --port 8497` fills a service with it and serves the desk, for screenshots.
"""

import argparse
import asyncio
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from service.app import App
from service.domain.causes import EscalationAct, HandleEscalation
from service.domain.order import OrderRef
from service.domain.scopes import EVERYTHING
from service.intake.decoding import Incoming
from service.ledger.escalations.views import EscalationFilter, listed
from service.timekeeping import SteadyTime
from tests.support.events import encoded, event
from tests.support.full_talk import fill_rest
from tests.support.providers import Mailbox, Providers, Sent
from tests.support.world import ROOT, settings_for

CUSTOMERS: Final = ("Asha", "Meera", "Kiran", "Devika", "Omar", "Lakshmi", "Rohan", "Zoya", "Farid", "Nila")
VENDORS: Final = ("Ravi", "Sunil", "Imran", "Joseph", "Anita", "Bala")
PEOPLE: Final = ("Kim", "Lee")
ISSUES: Final = (
    "customer_unsafe", "double_deduction", "payment_not_received", "vendor_unreachable", "wrong_inspection",
    "vendor_misbehaviour", "app_error",
)  # fmt: skip
OPEN: Final = ("created", "assigned", "vendor_accepted", "vendor_en_route", "at_location", "payment_initiated")
ENDED: Final = ("assigned", "vendor_en_route", "at_location", "inspection_completed", "completed")
COMMENTS: Final = ("Called twice, no answer", "Refund is under way", "Customer calls back at six", "")
AT_ONCE: Final = 100


def packs() -> Path:
    """The packs, changed so that many late partners are many lines on the board instead of one incident."""
    folder = Path(tempfile.mkdtemp(prefix="stagebell-day-")) / "packs"
    shutil.copytree(ROOT / "templates", folder)
    pack = folder / "device_pickup" / "workflow.yaml"
    text = pack.read_text("utf-8").replace(
        "    title: Vendor Ops\n", "    title: Vendor Ops\n    incident: {over: 500}\n"
    )
    pack.write_text(text, "utf-8")
    return folder


def events(now: datetime, ended: int, open_ones: int, *, first: int = 0) -> Iterator[dict[str, Any]]:
    """An order system's events until `now`: orders of the last two weeks, and today's orders with problems."""
    dice = random.Random(1)
    for n in range(first, first + ended + open_ones):
        is_open = n >= first + ended
        hours = dice.uniform(0.2, 5) if is_open else dice.uniform(6, 13 * 24)
        began, order_id = now - timedelta(hours=hours), f"ORD-{1000 + n}"
        who = {
            "name": f"{dice.choice(CUSTOMERS)} {chr(65 + n % 26)}.",
            "phone": f"+9198{n:08d}",
            "whatsapp": f"+9198{n:08d}",
            "locale": "hi" if n % 5 == 0 else "en-IN",
            "timezone": "Asia/Kolkata",
        }
        v = dice.randrange(len(VENDORS))
        vendor = {"role": "vendor", "id": f"v-{v}", "name": VENDORS[v], "phone": f"+919900000{v:03d}"}
        last = dice.choice(OPEN)
        path = OPEN[: OPEN.index(last) + 1] if is_open else ENDED
        step = timedelta(hours=min(hours, 3) / (len(path) + 1))
        for i, status in enumerate(path):
            at = began + step * i
            more: dict[str, Any] = {"recipients": {"customer": who}} if i == 0 else {}
            if status in ("assigned", "vendor_en_route"):
                more |= {"assignee": vendor, "eta": (at + timedelta(minutes=dice.randint(20, 90))).isoformat()}
            if status in ("inspection_completed", "payment_initiated"):
                more |= {"price": {"amount": f"{dice.randint(40, 300)}00.00", "currency": "INR"}}
            yield event(order_id, status, at, **more)
        if n % 7 == 0:
            note = {"text": "Gate code is at the guard's desk", "public": n % 2 == 0}
            yield event(order_id, at=began + step, kind="order.note_added", note=note)
        if is_open and n % 3 == 0:
            issue = {"reason": dice.choice(ISSUES), "detail": "The customer called about it"}
            at = max(began + step, now - timedelta(minutes=n % 200))
            yield event(order_id, at=at, kind="order.issue_reported", issue=issue)


def past_events(now: datetime, count: int) -> Iterator[dict[str, Any]]:
    """Closed orders of the last three months: each twentieth with all its events, the others with the last one only."""
    dice = random.Random(2)
    for n in range(count):
        began = now - timedelta(hours=dice.uniform(6, 90 * 24))
        v = dice.randrange(60)
        who = {"name": f"{dice.choice(CUSTOMERS)} {chr(65 + n % 26)}.", "phone": f"+9198{n:08d}", "locale": "en-IN"}
        vendor = {"role": "vendor", "id": f"v-{v}", "name": f"{VENDORS[v % len(VENDORS)]} {v}"}
        said: dict[str, Any] = {"recipients": {"customer": who}, "assignee": vendor}
        for i, status in enumerate(ENDED if n % 20 == 0 else ENDED[-1:]):
            yield event(f"ORD-{1000 + n}", status, began + timedelta(minutes=30 * i), **said)
            said = {}


async def _behave(sent: Sent) -> web.StreamResponse | None:
    """WhatsApp refuses our account; some numbers do not exist."""
    if sent.channel == "whatsapp":
        return web.json_response({"code": 63007, "message": "no such sender", "status": 400}, status=400)
    if sent.channel == "sms" and sent.to.endswith("3"):
        return web.json_response({"code": 21211, "message": "invalid 'To'", "status": 400}, status=400)
    return None


async def fill(app: App, ended: int, open_ones: int) -> None:
    """Process the day's events."""
    batch: list[Incoming] = []
    for e in sorted(events(app.time.now(), ended, open_ones), key=lambda e: e["time"]):
        batch.append(Incoming(encoded(e)))
        if len(batch) == AT_ONCE:
            await app.intake.take(batch, dead_letter=True)
            batch = []
    await app.intake.take(batch, dead_letter=True)
    await asyncio.sleep(5)
    await handle(app)


async def handle(app: App) -> None:
    """Let people handle some of them."""
    async with app.ledger.reading() as tx:
        found, _, _ = await listed(tx, EscalationFilter(limit=1000), app.time.now(), scope=EVERYTHING)
    for n, line in enumerate(found):
        if n % 4:
            continue
        by, acts = PEOPLE[n % len(PEOPLE)], _acts(n)
        for act, comment in acts:
            until = app.time.now() + timedelta(hours=1) if act == "snooze" else None
            cause = HandleEscalation(app.time.now(), _id(line.id), act, by, comment, until)
            await app.orders.act(OrderRef(line.workflow, line.order_id), cause, [], scope=EVERYTHING)


def _acts(n: int) -> Sequence[tuple[EscalationAct, str]]:
    comment = COMMENTS[n % len(COMMENTS)]
    said: list[tuple[EscalationAct, str]] = [("comment", comment)] if comment else []
    return [("snooze" if n % 20 == 0 else "acknowledge", ""), *said]


def _id(text: str) -> Any:
    from uuid import UUID

    return UUID(text)


@asynccontextmanager
async def full_day(ended: int = 300, open_ones: int = 340, port: int = 0) -> AsyncIterator[App]:
    """A service with a full day in it, where everybody is an admin."""
    folder = Path(tempfile.mkdtemp(prefix="stagebell-day-"))
    providers, mailbox = Providers(), Mailbox()
    await providers.start(folder)
    await mailbox.start()
    providers.behave = _behave
    url = f"sqlite+aiosqlite:///{folder}/ledger.db"
    settings = settings_for(
        providers, mailbox, database_url=url, broker_url="memory://", http_port=port, workflows=packs()
    )
    app = App(settings, time=SteadyTime(), open_to="admin")
    try:
        await app.start()
        await fill(app, ended, open_ones)
        await fill_rest(app, people=ended, rows=10 * ended, each=ended // 10, first=ended)
        yield app
    finally:
        await app.close()
        await providers.close()
        await mailbox.close()


async def main() -> None:
    """Serve it until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8497)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--open", type=int, default=340)
    asked = parser.parse_args()
    async with full_day(asked.orders, asked.open, asked.port) as app:
        print(f"http://127.0.0.1:{app.port}/desk", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
