"""People work on orders here: what the pack allows, by role and status, and not on an order that has changed since."""

import asyncio
from typing import Any

import pytest

from tests.integration.conftest import Caller
from tests.support.events import CUSTOMER, event
from tests.support.world import World

pytestmark = pytest.mark.any_database

REPAIR = "/v1/orders/repair/R-1"
TECHNICIAN = {"role": "technician", "id": "t-1", "name": "Kai"}


async def test_a_repair_is_worked_from_intake_to_return_without_a_publisher(world: World, caller: Caller) -> None:
    agent = await caller("agent")
    made: dict[str, Any] = {
        "act": "create", "status": "draft", "attributes": {"item": "bicycle"},
        "recipients": {"customer": dict(CUSTOMER)},
    }  # fmt: skip
    status, order = await agent.post(f"{REPAIR}/acts", made)
    assert (status, order["status"]) == (201, "draft"), order
    assert (await agent.post(f"{REPAIR}/acts", made))[0] == 409
    assert (await agent.post(f"{REPAIR}/acts", {"act": "assign", "assignee": TECHNICIAN}))[0] == 200
    for to in ("scheduled", "new", "in_progress", "awaiting_parts", "in_progress", "ready_for_return", "completed"):
        _, shown = await agent.get(REPAIR)
        (change,) = [a for a in shown["acts"] if a["act"] == "change_status"]
        assert to in [s["status"] for s in change["to"]]
        said = {"act": "change_status", "status": to, "version": shown["version"]}
        status, order = await agent.post(f"{REPAIR}/acts", said)
        assert (status, order["status"]) == (200, to), order
    await world.settled()
    _, shown = await agent.get(REPAIR)
    assert shown["acts"] == []
    assert {m["notice"] for m in shown["messages"]} >= {"repair_scheduled", "item_received", "repair_completed"}
    moved = [t for t in shown["timeline"] if t["kind"] == "status_changed"]
    assert {t["by"] for t in moved} == {"agent"}


async def test_it_is_not_done_to_an_order_that_changed_since(world: World, caller: Caller) -> None:
    await world.accept(event("R-1", "scheduled", workflow="repair", recipients={"customer": CUSTOMER}))
    agent, other = await caller("agent"), await caller("supervisor")
    _, seen = await agent.get(REPAIR)
    assert (await other.post(f"{REPAIR}/acts", {"act": "note", "note": {"text": "the owner called"}}))[0] == 200
    said = {"act": "change_status", "status": "new", "version": seen["version"]}
    status, problem = await agent.post(f"{REPAIR}/acts", said)
    assert (status, [c["kind"] for c in problem["changed"]]) == (409, ["note_added"])
    said["version"] = problem["version"]
    assert (await agent.post(f"{REPAIR}/acts", said))[0] == 200


REFUSED: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"act": "change_status", "status": "completed"}, 409, "cannot follow 'scheduled'"),
    ({"act": "change_status", "status": "cancelled"}, 422, "needs it"),
    ({"act": "change_status"}, 422, "status: is needed"),
    ({"act": "change_status", "status": "nonsense"}, 422, "unknown status"),
    ({"act": "quote", "price": {"amount": "1", "currency": "EUR"}}, 403, "not for you"),
    ({"act": "dance"}, 422, "unknown act 'dance'; known: assign"),
    ({"act": "assign", "assignee": {"role": "vendor", "id": "v"}}, 422, "assignee.role"),
    ({"act": "set_dates"}, 422, "give one of"),
    ({"act": "set_dates", "attributes": {"item": "x"}}, 422, "attributes.item: is not given"),
    ({"act": "set_dates", "price": {"amount": "1", "currency": "EUR"}}, 422, "price: is not given"),
    ({"act": "noet", "note": {"text": "x"}}, 422, "did you mean 'note'?"),
    ({"act": "note", "note": {"text": "x"}, "secrets": {"otp": {"value": "1"}}}, 422, "secrets"),
    ({"act": "note", "note": {"text": "x"}, "recipients": {"customer": {"name": "x"}}}, 422, "recipients"),
)  # fmt: skip


async def test_what_may_not_be_done_says_why(world: World, caller: Caller) -> None:
    await world.accept(event("R-1", "scheduled", workflow="repair", recipients={"customer": CUSTOMER}))
    agent = await caller("agent")
    for said, status, words in REFUSED:
        got, problem = await agent.post(f"{REPAIR}/acts", said)
        assert (got, words in problem["detail"]) == (status, True), (said, problem)
    assert (await agent.get(REPAIR))[1]["status"] == "scheduled"


async def test_nobody_else_speaks_in_the_desk_s_name(world: World, caller: Caller) -> None:
    for source in ("/desk", "/api"):
        (verdict,) = await world.take({**event("R-1", "scheduled", workflow="repair"), "source": source})
        assert (verdict.outcome, "Stagebell's own" in verdict.reason) == ("rejected", True)


async def test_a_key_that_may_not_work_orders_is_turned_away(world: World, caller: Caller) -> None:
    await world.accept(event("R-1", "scheduled", workflow="repair", recipients={"customer": CUSTOMER}))
    assert (await (await caller("publisher")).post(f"{REPAIR}/acts", {"act": "note", "note": {"text": "x"}}))[0] == 403
    assert (await (await caller("agent")).post("/v1/orders/repair/R-9/acts", {"act": "note"}))[0] == 404


async def test_two_who_make_the_same_order_at_once_make_one(world: World, caller: Caller) -> None:
    agent, other = await caller("agent"), await caller("supervisor")
    made = {"act": "create", "status": "draft", "attributes": {"item": "bicycle"}}
    answers = await asyncio.gather(*(c.post(f"{REPAIR}/acts", made) for c in (agent, other) for _ in range(3)))
    assert sorted(status for status, _ in answers) == [201, 409, 409, 409, 409, 409]


async def test_who_names_no_version_is_not_held_up_by_others(world: World, caller: Caller) -> None:
    await world.accept(event("R-1", "scheduled", workflow="repair", recipients={"customer": CUSTOMER}))
    agent = await caller("agent")
    notes = [{"act": "note", "note": {"text": f"note {n}"}} for n in range(4)]
    answers = await asyncio.gather(*(agent.post(f"{REPAIR}/acts", note) for note in notes))
    assert [status for status, _ in answers] == [200] * 4


async def test_what_only_went_on_beside_it_holds_nobody_up(world: World, caller: Caller) -> None:
    await world.accept(event("O-1", "created", recipients={"customer": CUSTOMER}))
    agent = await caller("agent")
    _, seen = await agent.get("/v1/orders/device_pickup/O-1")
    await world.move(minutes=40)
    _, after = await agent.get("/v1/orders/device_pickup/O-1")
    assert after["version"] > seen["version"], "a clock was broken and a team called"
    said = {"act": "note", "note": {"text": "x"}, "version": seen["version"]}
    assert (await agent.post("/v1/orders/device_pickup/O-1/acts", said))[0] == 200
    assert (await agent.post("/v1/orders/device_pickup/O-1/acts", said))[0] == 409


async def test_what_is_past_says_what_happened_meanwhile(world: World, caller: Caller) -> None:
    await world.accept(event("R-1", "scheduled", workflow="repair", recipients={"customer": CUSTOMER}))
    agent, other = await caller("agent"), await caller("supervisor")
    _, seen = await agent.get(REPAIR)
    assert (await other.post(f"{REPAIR}/acts", {"act": "change_status", "status": "new"}))[0] == 200
    said = {"act": "change_status", "status": "new", "version": seen["version"]}
    status, problem = await agent.post(f"{REPAIR}/acts", said)
    assert (status, problem["title"]) == (409, "Changed meanwhile")
    assert [(c["kind"], c["by"]) for c in problem["changed"] if c["kind"] == "status_changed"] == [
        ("status_changed", "supervisor")
    ]


async def test_a_payment_code_comes_by_an_event_alone(world: World, caller: Caller) -> None:
    pickup = "/v1/orders/device_pickup/O-1"
    await world.accept(event("O-1", "inspection_completed", recipients={"customer": CUSTOMER}))
    boss = await caller("admin")
    status, problem = await boss.post(f"{pickup}/acts", {"act": "change_status", "status": "payment_initiated"})
    assert (status, "secrets.otp" in problem["detail"]) == (409, True)
