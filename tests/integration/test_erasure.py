"""After erasure nothing of a person is found anywhere; their data and orders are given to whom they belong."""

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import LargeBinary, select

from service.domain.calendars import Schedule
from service.intake.dead_letters import DeadLetters
from service.keyring import SealBroken
from service.ledger.auditing import lines as audit
from service.ledger.auditing import reading as audit_reading
from service.ledger.columns import LABEL, metadata
from service.ledger.database.engine import new_uuid
from service.ledger.escalations import schedules
from service.ledger.messages.suppressions import suppress as opt_out
from service.ledger.messages.tables import REPORT_MAIL, outbox
from service.ledger.orders import kept_counts
from service.ledger.orders.kept_counts import KeptCount
from service.ledger.words import drafts
from service.ledger.words.drafts import DraftContent, TextChange, TextDraft
from tests.integration.conftest import Caller
from tests.support.events import CUSTOMER, VENDOR, event, minutes, part_of, person
from tests.support.nodes import connect
from tests.support.providers import Sent
from tests.support.world import World

pytestmark = pytest.mark.any_database

PHONE, OLD_PHONE, MAIL, OLD_MAIL = "+919812345678", "+919811100011", "asha@example.com", "old.asha@example.org"
TO_ASHA = {"customer": CUSTOMER}
NAME, OLD_NAME = "Ashalata", "Miss Ashalata Rao"
WORDS = ("Ashalata", "9812345678", "9811100011", "asha@example.com", "old.asha", "token-asha", "upstairs", "9812366009")


async def everything(world: World) -> dict[str, str]:
    """Every column of every table, opened where it is sealed, and every dead letter: a new table cannot be forgotten."""
    found: dict[str, str] = {}
    keyring = world.ledger.keyring
    async with world.ledger.reading() as tx:
        for table in metadata.tables.values():
            keys = list(table.primary_key.columns)
            for row in await tx.execute(select(table)):
                key = tuple(row._mapping[k] for k in keys)
                for column in table.columns:
                    value = row._mapping[column]
                    if isinstance(value, bytes) and LABEL in column.info:
                        value = keyring.unseal(value, column.info[LABEL].of(*key))
                    elif table is outbox and column.name == "body":
                        with suppress(SealBroken):
                            value = keyring.unseal(value, REPORT_MAIL.of(row.message_id))
                    elif isinstance(column.type, LargeBinary):
                        continue
                    if isinstance(value, bytes):
                        value = value.decode("utf-8", "replace")
                    where = f"{table.name}.{column.name}"
                    found[where] = found.get(where, "") + f"\n{value}"
    letters = await DeadLetters(world.app.broker, keyring).inspect(1000)
    found["dead letters"] = "\n".join(f"{x.reason} {x.opened.body!r} {x.opened.headers}" for x in letters)
    return found


def named(found: dict[str, str], words: tuple[str, ...] = WORDS) -> list[str]:
    return [f"{word} in {where}" for where, text in found.items() for word in words if word in text]


async def lived(world: World) -> None:
    """A person who changed their name, number and mail during the order, and left traces wherever one can."""
    asha = {**CUSTOMER, "name": OLD_NAME, "phone": OLD_PHONE, "whatsapp": OLD_PHONE, "email": OLD_MAIL}
    await world.accept(
        event("A-1", "created", recipients={"customer": asha}, attributes={"floor": 3, "alt_phone": 919812366009}),
        event(
            "A-1",
            "vendor_accepted",
            minutes(1),
            assignee=VENDOR,
            note={"text": "Ashalata lives upstairs", "public": True},
        ),
    )
    await world.settled()
    now = {"name": NAME, "phone": PHONE, "whatsapp": PHONE, "email": MAIL}
    await world.accept(
        event("A-1", "vendor_en_route", minutes(2), recipients={"customer": now}),
        event(
            "A-1",
            at=minutes(3),
            kind="order.issue_reported",
            issue={"reason": "double_deduction", "detail": "upstairs"},
        ),
        event("A-1", at=minutes(4), kind="order.note_added", note={"text": "call +91-98111-00011", "public": False}),
        event("B-1", "created", recipients={"customer": person(2)}, note={"text": "another one", "public": True}),
    )
    await world.settled()
    async with world.ledger.transaction() as tx:
        daily = Schedule("day", world.clock.now().time(), "UTC")
        await schedules.subscribe(
            tx,
            "device_pickup",
            "open_orders",
            daily,
            MAIL,
            f"oidc:{MAIL}",
            world.clock.now(),
        )
        moment = world.clock.now()
        theirs = DraftContent(
            {"en/x.sms.j2": TextChange("a", "b", f"oidc:{MAIL}")}, (f"oidc:{MAIL}",), ended_by=f"oidc:{OLD_MAIL}"
        )
        await drafts.begin(tx, TextDraft(new_uuid(), "w", "n", "dropped", 1, moment, moment, moment, theirs))
        count, its_claim = new_uuid(), new_uuid()
        await kept_counts.claim(tx, count, its_claim, moment)
        await kept_counts.keep(tx, count, its_claim, KeptCount("1", f'"{NAME}"'.encode(), moment, 2.0))
        line = audit.AuditLine(f"oidc:{OLD_MAIL}", "agent", "order.seen", "device_pickup", "A-1")
        await audit.write_audit(tx, [line], world.clock.now())
    (waits,) = await world.take(part_of("A-0", "A-0-1", recipients={"customer": {**CUSTOMER, "name": NAME}}))
    assert waits.outcome == "waiting"
    await world.take(part_of("A-0", "A-0-2", recipients={"customer": person(3)}))
    (verdict,) = await world.take(event("A-2", "no_such_status", recipients={"customer": {"phone": "098123 45678"}}))
    assert verdict.outcome == "rejected"
    await world.take(event("A-3", "no_such_status", recipients={"customer": person(3)}))
    rows = [{"email": MAIL, "name": NAME, "phone": PHONE}, {"email": "other@example.com"}]
    await world.accept(event("L-1", "approved", workflow="marketing_services", lists={"leads": {"rows": rows}}))
    await world.settled()


@pytest.mark.parametrize("asked", [PHONE, "%2B91-98123%2045678", OLD_PHONE, MAIL, "OLD.Asha@example.org"])
async def test_nothing_of_an_erased_person_is_found_anywhere(world: World, caller: Caller, asked: str) -> None:
    await lived(world)
    admin = await caller("admin")
    assert len(named(await everything(world))) > 15
    path = asked if "%" in asked else quote(asked)
    status, answer = await admin.call("DELETE", f"/v1/people/{path}")
    assert status == 200, answer
    assert named(await everything(world)) == []
    assert answer["orders"] == 1
    assert answer["messages"] >= 4
    assert answer["erased"]["dead letters"] == 1
    assert answer["erased"]["events that waited"] == 1
    assert answer["erased"]["recorded causes"] >= 5
    assert answer["erased"]["subscriptions"] == 1
    assert answer["erased"]["rows of lists"] == 1
    assert {k["kind"] for k in answer["kept"]} >= {"orders without people", "audit lines of this erasure"}
    assert all(k["why"] for k in answer["kept"])
    other = await world.view("B-1")
    assert other["recipients"]["customer"], "others stay as they are"
    assert len(await DeadLetters(world.app.broker, world.ledger.keyring).inspect(10)) == 1
    async with world.ledger.reading() as tx:
        assert (await audit_reading.verify(tx)).problems == []
        about = await audit_reading.search(tx, audit_reading.AuditFilter(act="person.erased"))
    assert about[0].who == "key:admin"
    again = (await admin.call("DELETE", f"/v1/people/{path}"))[1]
    assert (again["orders"], again["messages"]) == (0, 0)


@pytest.mark.parametrize("parts", ["postgres-rabbitmq"], indirect=True)
async def test_an_answer_that_comes_while_its_reader_is_erased_stays_written(world: World, caller: Caller) -> None:
    """The answer is in line for the message's row when the erasure comes: both are written, one after the other."""
    answered = asyncio.Event()

    async def slowly(_sent: Sent) -> None:
        await answered.wait()

    async def waiting(count: int) -> bool:
        return bool(await watching.fetchval(_WAITING_FOR_LOCKS) == count)

    world.providers.behave = slowly
    await world.accept(event("A-1", "vendor_en_route", recipients={"customer": {"phone": PHONE}}, assignee=VENDOR))
    await world.until(lambda: world.providers.of_seen("sms"), "on its way")
    admin, watching = await caller("admin"), await connect(world.settings.database_url)
    holding = await connect(world.settings.database_url)
    async with holding.transaction():
        await holding.execute("SELECT id FROM messages FOR UPDATE")
        answered.set()
        await world.until(lambda: waiting(1), "the answer waits for the row")
        erasing = asyncio.create_task(admin.call("DELETE", f"/v1/people/{quote(PHONE)}"))
        await world.until(lambda: waiting(2), "and the erasure behind it")
    assert (await erasing)[0] == 200
    await world.settled()
    assert [state for _, state in await world.messages("A-1", "sms")] == ["sent"]
    for connection in (holding, watching):
        await connection.close()


_WAITING_FOR_LOCKS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def test_whoever_handles_orders_is_forgotten_too(world: World, caller: Caller) -> None:
    await lived(world)
    admin = await caller("admin")
    status, answer = await admin.call("DELETE", f"/v1/people/{quote(VENDOR['phone'])}")
    assert (status, answer["orders"]) == (200, 1)
    assert named(await everything(world), ("Ravi", VENDOR["phone"][1:])) == []
    assert (await world.view("A-1"))["recipients"]["customer"], "the customer stays"


async def test_opt_outs_stay_and_are_told_of(world: World, caller: Caller) -> None:
    await world.accept(event("A-1", "created", recipients=TO_ASHA))
    async with world.ledger.transaction() as tx:
        await opt_out(tx, "sms", PHONE, ["+1500"], world.clock.now(), "said STOP")
    admin = await caller("admin")
    (told,) = [
        k for k in (await admin.call("DELETE", f"/v1/people/{quote(PHONE)}"))[1]["kept"] if k["kind"] == "opt-outs"
    ]
    assert told["count"] == 1
    assert "law" in told["why"]


async def test_a_national_number_needs_its_country(world: World, caller: Caller) -> None:
    await world.accept(event("A-1", "created", recipients=TO_ASHA))
    admin = await caller("admin")
    for method in ("GET", "DELETE"):
        for bad in ("98123%2045678", "98123%2045678?country=ZZ", "nobody", "%20", "a@b@c", "%2B1"):
            assert (await admin.call(method, f"/v1/people/{bad}"))[0] == 422, bad
    status, found = await admin.get("/v1/people/098123%2045678?country=in")
    assert status == 200
    assert len(found["orders"]) == 1
    assert (await admin.call("DELETE", "/v1/people/098123%2045678?country=IN"))[1]["orders"] == 1


async def test_a_person_gets_their_data_and_nothing_of_others(world: World, caller: Caller) -> None:
    await lived(world)
    admin, agent = await caller("admin"), await caller("agent")
    assert (await agent.get(f"/v1/people/{quote(PHONE)}"))[0] == 403
    status, data = await admin.get(f"/v1/people/{quote(PHONE)}")
    assert status == 200
    assert {PHONE, OLD_PHONE, MAIL, OLD_MAIL} <= set(data["addresses"])
    (order,) = data["orders"]
    assert (order["order_id"], order["roles"][0]["name"], order["roles"][0]["former"]) == (
        "A-1",
        NAME,
        [OLD_PHONE, OLD_MAIL],
    )
    assert {m["address"] for m in data["messages"]} >= {PHONE, OLD_PHONE, OLD_MAIL}
    assert any(m["text"] for m in data["messages"])
    first, *later = data["events"]
    assert (first["type"], first["roles"][0]["phone"]) == ("order.status_changed", OLD_PHONE)
    assert "vendor" not in str(data["events"]).lower().replace("vendor_accepted", "")
    assert "A-0-1" in {said["order_id"] for said in later}, "what waits for its whole, too"
    assert data["subscriptions"] == [{"workflow": "device_pickup", "report": "open_orders", "every": "day"}]
    assert any(name.startswith("twilio") for name in data["recipients"])
    assert data["kept_for"] == "until it is erased"
    assert "'C2'" not in str(data)  # as a name: a link's token may hold these letters
    assert (await admin.get("/v1/people/nobody%40example.com"))[1]["orders"] == []


async def test_codes_stay_masked_in_a_persons_data(world: World, caller: Caller) -> None:
    code = {"otp": {"value": "739184", "expires": "2099-01-01T00:00:00Z"}}
    await world.accept(
        event("A-1", "created", recipients=TO_ASHA), event("A-1", "payment_initiated", minutes(1), secrets=code)
    )
    await world.settled()
    data = (await (await caller("admin")).get(f"/v1/people/{quote(PHONE)}"))[1]
    assert "739184" not in str(data)
    assert "••••••" in str(data)


async def test_an_app_lists_a_customers_orders(world: World, caller: Caller) -> None:
    shop: dict[str, Any] = {"recipients": {"customer": {**CUSTOMER, "locale": "fr"}}, "workflow": "marketing_services"}
    await world.accept(
        event("A-1", "created", recipients=TO_ASHA),
        event("A-2", "created", minutes(1), recipients=TO_ASHA, eta="2026-03-02T10:00:00Z"),
    )
    await world.take(
        *(event(f"M-{n}", s, minutes(2), **shop) for n, s in enumerate(("draft", "pending_quotes", "archived")))
    )
    publisher, agent = await caller("publisher"), await caller("agent")
    assert (await agent.get(f"/v1/people/{quote(PHONE)}/orders"))[0] == 403
    status, page = await publisher.get(f"/v1/people/{quote(PHONE)}/orders")
    assert status == 200
    workflows = {p.workflow.name: p.workflow for p in world.app.packs}
    for line in page["orders"]:
        declared = workflows[line["workflow"]].statuses[line["status"]]
        assert declared.listed
        assert declared.tracked
    by_id = {line["order_id"]: line for line in page["orders"]}
    assert {"A-1", "A-2"} <= by_id.keys()
    assert by_id["A-2"]["eta"] == "2026-03-02T10:00:00Z"
    nobody = await caller("")
    assert (await nobody.get(by_id["A-1"]["link"].removeprefix("https://track.example")))[0] == 200
    first = (await publisher.get(f"/v1/people/{quote(PHONE)}/orders?limit=1"))[1]
    assert first["cursor"]
    assert (await publisher.get(f"/v1/people/{quote('+919800099999')}/orders"))[1]["orders"] == []
