"""What the service asks PostgreSQL while it works and is looked at: beside years of past orders, all by an index."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event as happening

from service.ledger.database.transaction import Transaction
from tests.integration.conftest import Caller
from tests.support import partitioning
from tests.support.events import CUSTOMER, VENDOR, event
from tests.support.past import FILLED, fill, fill_outbox
from tests.support.world import World

ROWS = 300_000
BIG = frozenset({*FILLED, "outbox"})
# Walked from their beginning, a few rows at a time.
IN_TURN = frozenset({
    "orders_pkey", "orders_by_creation", "orders_by_time", "orders_due", "orders_near_end", "messages_by_time", "messages_in_trouble", "outbox_pkey", "outbox_in_turn",
})  # fmt: skip
# These hold what people work on, for pages that show all of it.
AT_WORK = frozenset({"orders_breached", "orders_open", "escalations_open", "clocks_running", "messages_held"})
HOW_MANY = "SELECT count(*)"  # asked by a page that shows the count
WAITING = " AS next_wake"  # in what the tests' own waiting asks
LIFE = (
    "created", "pending_vendor_assignment", "assigned", "vendor_accepted", "vendor_en_route", "at_location",
    "inspection_started", "inspection_completed", "payment_initiated",
)  # fmt: skip
LOOKS = (
    "/v1/orders", "/v1/orders?workflow=device_pickup", "/v1/orders?q=S-", "/v1/orders?recipient=%2B919812345678",
    "/v1/orders?attributes.campaign=Spring", "/v1/orders?overdue=true", "/v1/orders?sort=submitted", "/v1/orders?sort=expected_end", "/v1/orders?assignee=nobody", "/v1/orders/device_pickup/S-1",
    "/v1/orders/device_pickup/S-1/link", "/v1/escalations", "/v1/escalations?state=resolved&team=tech",
    "/v1/messages", "/v1/messages?recipient=%2B919812345678", "/v1/messages?channel=sms&state=failed",
    "/v1/dead-letters", "/v1/subscriptions", "/v1/metrics/lifecycle?workflow=device_pickup",
    "/desk", "/desk/board", "/desk/orders", "/desk/orders/device_pickup/S-1", "/desk/messages", "/desk/health", "/desk/lifecycle",
)  # fmt: skip
Said = dict[str, Any]


async def live(world: World) -> None:
    """An order with a code, clocks that run out and mails that are refused."""
    otp = {"otp": {"value": "481920", "expires": "2026-03-02T08:00:00Z"}}
    for n, status in enumerate(LIFE):
        said: dict[str, Any] = {"recipients": {"customer": CUSTOMER}} if n == 0 else {}
        said |= {"assignee": VENDOR} if status == "assigned" else {}
        said |= {"secrets": otp} if status == "payment_initiated" else {}
        await world.accept(event("S-1", status, timedelta(seconds=6 * n), **said))
        await world.settled()
        world.clock.advance(seconds=6)
    world.mailbox.refuse_rcpt = lambda _to: "550 no"
    await world.accept(event("S-1", "payment_successful", timedelta(minutes=2)))
    await world.move(minutes=90)
    await world.accept(event("S-2", "pending_vendor_assignment", timedelta(minutes=92)))
    await world.move(hours=9)


def whole_reads(plan: dict[str, Any]) -> Iterator[str]:
    """The parts of a plan that read a big table, or one of its indexes, from end to end."""
    relation, index = plan.get("Relation Name", ""), plan.get("Index Name", "")
    if plan["Node Type"] == "Seq Scan" and relation in BIG:
        yield relation
    if index and "Index Cond" not in plan and index not in IN_TURN | AT_WORK and index.partition("_")[0] in BIG:
        yield index
    for part in plan.get("Plans", ()):
        yield from whole_reads(part)


async def wrong_plans(tx: Transaction, said: Said) -> list[str]:
    """Statements that read what grows from end to end, with the plan that PostgreSQL has for these values."""
    wrong = []
    for statement, values in said.items():
        row = values[0] if isinstance(values, list) else values
        explained = (await tx.connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", row)).scalar_one()
        plan = json.loads(explained) if isinstance(explained, str) else explained
        wrong += [f"{found}: {statement}" for found in whole_reads(plan[0]["Plan"])]
    return wrong


@pytest.fixture
async def parts(postgres_url: str, rabbit_url: str) -> dict[str, Any]:
    """PostgreSQL with its past in it before the service's loops come to hold locks, and RabbitMQ."""
    await fill(postgres_url, ROWS, logged=False)
    return {"database_url": postgres_url, "broker_url": rabbit_url}


@pytest.mark.uninterrupted
async def test_every_statement_finds_its_rows_by_an_index(world: World, caller: Caller) -> None:
    said: Said = {}

    @happening.listens_for(world.ledger.engine.sync_engine, "before_cursor_execute")
    def keep(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        ours = statement.startswith(HOW_MANY) or WAITING in statement
        if not ours and re.match(r"(SELECT .*\sFROM|UPDATE|DELETE|WITH)\s", statement, re.DOTALL):
            said.setdefault(statement, values)

    await live(world)
    assert partitioning.strange(said) == [], "name the order in it, or say in docs/scaling.md why it asks all"
    supervisor = await caller("supervisor")
    for path in LOOKS:
        assert (await supervisor.get(path))[0] == 200, path
    heard = dict(said)
    async with world.ledger.transaction() as tx:
        await fill_outbox(tx, ROWS)
        wrong = await wrong_plans(tx, heard)
        await tx.connection.rollback()
    assert len(heard) > 40
    assert wrong == [], "\n".join(wrong)
