"""Sealed bytes stay where they were put: no column of any row opens in another."""

from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from sqlalchemy import Column, select, update
from structlog.testing import capture_logs

from service import conversations
from service.conversations import IncomingReply
from service.domain.calendars import Schedule
from service.domain.persons import Wishes
from service.domain.scopes import EVERYTHING
from service.keyring import SealBroken
from service.ledger import tables
from service.ledger.auditing.lines import AuditLine, write_audit
from service.ledger.columns import LABEL, metadata
from service.ledger.conversations.writing import show_answering
from service.ledger.database.engine import new_uuid
from service.ledger.database.transaction import Transaction
from service.ledger.escalations import incidents, schedules
from service.ledger.escalations.handling import own_incident
from service.ledger.escalations.incidents import ProviderIncident
from service.ledger.lists import writing as lists
from service.ledger.messages import holds
from service.ledger.orders import kept_counts
from service.ledger.orders.kept_counts import KeptCount
from service.ledger.orders.locking import find
from service.ledger.people import preferences
from service.ledger.words import drafts as word_drafts
from service.ledger.words.drafts import DraftContent, TextChange, TextDraft
from tests.integration.conftest import Caller
from tests.support.client import Client
from tests.support.events import event, minutes, part_of, person
from tests.support.providers import Sent
from tests.support.world import World

SEALED = [c for table in metadata.tables.values() for c in table.columns if LABEL in c.info]
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def too_busy(_sent: Sent) -> web.StreamResponse:
    """So that codes stay, unsent."""
    return web.json_response({"code": 20429}, status=429)


async def two_of_everything(world: World, agent: Client) -> None:
    """Rows in every table that has sealed columns, at least two each, some with a code."""
    for n in (1, 2):
        (waits,) = await world.take(part_of("S-0", f"W-{n}", recipients={"customer": person(n)}))
        assert waits.outcome == "waiting"
        await world.accept(
            event(f"S-{n}", "created", recipients={"customer": person(n)}),
            event(f"S-{n}", at=minutes(1), kind="order.issue_reported", issue={"reason": "double_deduction"}),
        )
        for word in ("where are you", "and now"):
            said = IncomingReply(f"S{n}{word}", "sms", str(person(n)["phone"]), word)
            kept = await conversations.take(world.app.orders, said)
            assert kept is not None
        async with world.ledger.transaction() as tx:
            await preferences.keep(tx, [str(person(n)["phone"])], Wishes(("sms",)), NOW)
            order = await find(tx, "device_pickup", f"S-{n}", scope=EVERYTHING)
            assert order is not None
            await show_answering(tx, order.id, "Kim", NOW)
            daily = Schedule("day", NOW.time(), "UTC")
            await schedules.subscribe(tx, "device_pickup", "open", daily, f"r{n}@x.example", "t", NOW)
            line = AuditLine("key:t", "agent", "order.seen", "device_pickup", f"S-{n}")
            await write_audit(tx, [line], NOW)
            await lists.remember_mapping(
                tx, ("marketing_services", "leads"), [f"column {n}"], {f"column {n}": "email"}, NOW
            )
    for n in (1, 2):
        path = f"/v1/orders/device_pickup/S-{n}/attachments?name=note.txt"
        status, _ = await agent.call("POST", path, data=b"words", headers={"Content-Type": "text/plain"})
        assert status == 201
    rows = [{"email": f"l{n}@example.com"} for n in (1, 2)]
    await world.accept(event("L-1", "approved", workflow="marketing_services", lists={"leads": {"rows": rows}}))
    await world.settled()
    for n in (1, 2):
        issue, once = {"reason": "app_error"}, {"Idempotency-Key": f"act-{n}"}
        status, _ = await agent.call("POST", f"/v1/orders/device_pickup/S-{n}/issues", issue, headers=once)
        assert status < 300
        async with world.ledger.transaction() as tx:
            await holds.put(tx, "webhook", "", "", "Kim", "a mistake", NOW)
            written = DraftContent({"en/x.sms.j2": TextChange("a", "b", "key:Kim")}, ("key:Kim",))
            await word_drafts.begin(tx, TextDraft(new_uuid(), "w", f"n{n}", "draft", 1, NOW, NOW, None, written))
            refused = ProviderIncident(f"provider {n}", "sms", "it refuses us")
            team = next(iter(world.app.packs.get("device_pickup").workflow.teams.values()))
            await incidents.open_for_provider(tx, refused, team, "high", NOW)
            ids = await tx.execute(select(metadata.tables["incidents"].c.id))
            for incident_id in ids.scalars().all():
                await own_incident(tx, incident_id, "Kim")
            count, claim = new_uuid(), new_uuid()
            await kept_counts.claim(tx, count, claim, NOW)
            await kept_counts.keep(tx, count, claim, KeptCount("v", b"{}", NOW, 1.0))
    world.providers.behave = too_busy
    for n in (1, 2):
        code = {"otp": {"value": f"48192{n}", "expires": "2099-01-01T00:00:00Z"}}
        await world.accept(event(f"S-{n}", "payment_initiated", minutes(2), secrets=code))


async def sealed_values(tx: Transaction, column: Column[Any]) -> list[tuple[tuple[Any, ...], bytes]]:
    """(key, bytes) of two rows that have something in this column."""
    keys = list(column.table.primary_key.columns)
    query = select(*keys, column).where(column.is_not(None)).order_by(*keys).limit(2)
    return [(tuple(row[:-1]), row[-1]) for row in await tx.execute(query)]


async def test_no_sealed_column_of_any_table_opens_in_another_row(world: World, caller: Caller) -> None:
    await two_of_everything(world, await caller("agent"))
    keyring, opened = world.ledger.keyring, []
    async with world.ledger.transaction() as tx:
        values = {column: await sealed_values(tx, column) for column in SEALED}
    assert {c for c, rows in values.items() if len(rows) < 2} == set(), "two rows are needed to swap"
    for column, rows in values.items():
        for key, _ in rows:
            for other, strangers in values.items():
                for stranger_key, sealed in strangers:
                    if (other, stranger_key) == (column, key):
                        assert keyring.unseal(sealed, column.info[LABEL].of(*key))
                        continue
                    try:
                        keyring.unseal(sealed, column.info[LABEL].of(*key))
                        opened.append((str(column), str(other)))
                    except SealBroken:
                        pass
    assert opened == []


async def test_a_row_with_anothers_state_is_not_shown(world: World, caller: Caller) -> None:
    await two_of_everything(world, await caller("agent"))
    orders = metadata.tables["orders"]
    async with world.ledger.transaction() as tx:
        (_, first), (key, _) = await sealed_values(tx, orders.c.sealed_state)
        await tx.execute(update(orders).where(orders.c.id == key[0]).values(sealed_state=first))
        name = (await tx.execute(select(orders.c.order_id).where(orders.c.id == key[0]))).scalar_one()
    try:
        await world.view(name)
    except SealBroken:
        return
    raise AssertionError("another order's people were shown")


assert tables.escalations.schedules.c.sealed_target in SEALED


async def test_rows_that_do_not_open_hold_up_nobody_else(world: World, caller: Caller) -> None:
    await two_of_everything(world, await caller("agent"))
    await world.settled()
    tables = metadata.tables
    for column in (
        tables["messages"].c.sealed_recipient,
        tables["orders"].c.sealed_state,
        tables["schedules"].c.sealed_target,
    ):
        async with world.ledger.transaction() as tx:
            await tx.execute(update(column.table).values({column: b"\x02spoilt"}))
    world.providers.behave = None
    begun = len(world.providers.sent)
    with capture_logs() as told:
        world.clock.advance(minutes=20)
        await world.accept(event("S-9", "created", minutes(20), recipients={"customer": person(9)}))
        await world.until(lambda: "sms" in {s.channel for s in world.providers.sent[begun:]}, "sent")
        world.clock.advance(days=2)

        async def called() -> bool:
            return bool((await world.view("S-9"))["escalations"])

        await world.until(called, "its clocks are seen to")
        wanted = {"message.unreadable", "order.unreadable", "subscription.unreadable"}
        await world.until(lambda: wanted <= {x["event"] for x in told}, "told of")
    assert "spoilt" not in str(told)


async def test_an_order_that_does_not_open_is_said_to_be_one(world: World, caller: Caller) -> None:
    agent = await caller("agent")
    await world.accept(event("S-1", "created", recipients={"customer": person(1)}))
    async with world.ledger.transaction() as tx:
        await tx.execute(update(metadata.tables["orders"]).values(sealed_state=b"\x02spoilt"))
    status, body = await agent.get("/v1/orders/device_pickup/S-1")
    assert (status, body["title"]) == (500, "Not readable")
    assert "restore the row" in body["detail"]
    status, body = await agent.get("/v1/orders")
    assert (status, [o["order_id"] for o in body["orders"]]) == (200, ["S-1"]), "its list is there for the others"
    status, page = await agent.get("/desk/orders")
    assert status == 200
    assert "S-1" in page
    (verdict,) = await world.take(event("S-1", "assigned", minutes(1)))
    assert verdict.outcome == "rejected"
    assert "its order does not open" in verdict.reason
