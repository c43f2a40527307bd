"""Who has an escalation: taken, given, taken over, put back, opened again; one or many at a time, seen by all."""

import pytest
from sqlalchemy import select

from service.ledger.columns import metadata
from service.ledger.escalations.stream_lines import stream_after
from tests.integration.conftest import Caller
from tests.support.client import Client, key_for
from tests.support.events import CUSTOMER, VENDOR, event, minutes
from tests.support.world import World

pytestmark = pytest.mark.any_database


async def two_supervisors(world: World) -> tuple[Client, Client]:
    kim, lee = [Client(world, await key_for(world, "supervisor", name)) for name in ("Kim", "Lee")]
    return kim, lee


async def reported(world: World, *order_ids: str) -> None:
    for order_id in order_ids:
        await world.accept(
            event(order_id, "created", recipients={"customer": CUSTOMER}, assignee=VENDOR),
            event(
                order_id,
                at=minutes(1),
                kind="order.issue_reported",
                issue={"reason": "double_deduction", "detail": "two debits on Monday"},
            ),
        )
    await world.settled()


async def test_it_is_taken_once_and_taken_over_knowingly(world: World) -> None:
    await reported(world, "W-1")
    kim, lee = await two_supervisors(world)
    try:
        (line,) = (await kim.get("/v1/escalations"))[1]["escalations"]
        assert (line["owner"], line["customer"], line["assignee"]) == ("", CUSTOMER["name"], VENDOR["name"])
        base = f"/v1/escalations/{line['id']}"
        assert (await kim.post(f"{base}/acknowledge"))[0] == 200
        status, problem = await lee.post(f"{base}/acknowledge")
        assert (status, problem["detail"].startswith("Kim has it since 2")) == (409, True)
        assert (await lee.post(f"{base}/assign", {}))[0] == 409
        status, taken = await lee.post(f"{base}/assign", {"take_over": True})
        assert (status, taken["state"]) == (200, "acknowledged")
        assert (await lee.get("/v1/escalations?owner=me"))[1]["total"] == 1
        assert (await kim.get("/v1/escalations?owner=me"))[1]["total"] == 0
        assert (await kim.get("/v1/escalations?owner=LEE"))[1]["total"] == 1
        await kim.post(f"{base}/comment", {"comment": "refund is under way"})
        assert (await lee.post(f"{base}/assign", {"to": ""}))[1]["state"] == "open"
        (line,) = (await kim.get("/v1/escalations"))[1]["escalations"]
        assert (line["owner"], line["comment"]["text"], line["comment"]["by"]) == ("", "refund is under way", "Kim")
    finally:
        await kim.close()
        await lee.close()


async def test_what_was_resolved_by_mistake_is_opened_again(world: World, caller: Caller) -> None:
    await reported(world, "W-1")
    supervisor = await caller("supervisor")
    (line,) = (await supervisor.get("/v1/escalations"))[1]["escalations"]
    base = f"/v1/escalations/{line['id']}"
    assert (await supervisor.post(f"{base}/resolve"))[0] == 200
    assert (await supervisor.get("/v1/escalations"))[1]["total"] == 0
    status, again = await supervisor.post(f"{base}/reopen")
    assert (status, again["state"]) == (200, "open")
    (same,) = (await supervisor.get("/v1/escalations"))[1]["escalations"]
    assert (same["id"], same["detail"], same["owner"]) == (line["id"], "two debits on Monday", "")
    assert (await supervisor.post(f"{base}/reopen"))[0] == 409
    async with world.ledger.reading() as tx:
        news = [kind for _, kind, _, _ in await stream_after(tx, 0, 100)]
    assert news == ["opened", "resolved", "opened"]


async def test_undoing_takes_nothing_from_whoever_took_it_over_meanwhile(world: World) -> None:
    await reported(world, "W-1")
    kim, lee = await two_supervisors(world)

    async def undo(act: str, **more: str) -> str:
        answer = await kim.post(
            "/v1/escalations/bulk", {"act": act, "ids": [line["id"]], "take_over_from": "Kim", **more}
        )
        return str(answer[1]["results"][0].get("problem", ""))

    try:
        (line,) = (await kim.get("/v1/escalations"))[1]["escalations"]
        base = f"/v1/escalations/{line['id']}"
        await kim.post(f"{base}/acknowledge")
        await lee.post(f"{base}/assign", {"take_over": True})
        assert (await undo("reopen")).startswith("Lee has it since")
        assert (await undo("assign", to="Zoe")).startswith("Lee has it since")
        assert (await lee.get("/v1/escalations?owner=me"))[1]["total"] == 1
        assert not await undo("assign", to="Zoe", take_over_from="Lee")
        assert not await undo("reopen", take_over_from="Zoe")
    finally:
        await kim.close()
        await lee.close()


async def test_many_are_handled_in_one_call_and_each_by_itself(world: World, caller: Caller) -> None:
    await reported(world, "W-1", "W-2", "W-3")
    supervisor = await caller("supervisor")
    lines = (await supervisor.get("/v1/escalations"))[1]["escalations"]
    ids = [e["id"] for e in lines]
    await supervisor.post(f"/v1/escalations/{ids[0]}/resolve")
    nobody = "00000000-0000-7000-8000-000000000000"
    said = {"act": "acknowledge", "ids": [*ids, nobody, "no id", ids[1]]}
    status, page = await supervisor.post("/v1/escalations/bulk", said)
    assert status == 200
    assert [(r["id"], r.get("state", "")) for r in page["results"]] == [
        (ids[0], ""), (ids[1], "acknowledged"), (ids[2], "acknowledged"), (nobody, ""), ("no id", ""),
    ]  # fmt: skip
    assert "not open any more" in page["results"][0]["problem"]
    assert all(r["problem"] for r in page["results"] if not r.get("state"))
    assert (await supervisor.get("/v1/escalations?owner=me"))[1]["total"] == 2
    snoozed = await supervisor.post("/v1/escalations/bulk", {"act": "snooze", "ids": ids[1:], "minutes": 5})
    assert [r["state"] for r in snoozed[1]["results"]] == ["snoozed", "snoozed"]
    for wrong in ({"act": "snooze", "ids": ids}, {"act": "acknowledge", "ids": []}, {"act": "dance", "ids": ids}):
        assert (await supervisor.post("/v1/escalations/bulk", wrong))[0] in (400, 422), wrong


async def test_what_is_snoozed_stands_behind_all_that_calls_on_every_page(world: World, caller: Caller) -> None:
    await reported(world, "W-1", "W-2", "W-3")
    supervisor = await caller("supervisor")
    oldest, *others = [e["id"] for e in (await supervisor.get("/v1/escalations"))[1]["escalations"]]
    await supervisor.post(f"/v1/escalations/{oldest}/snooze", {"minutes": 5})
    page, found = (await supervisor.get("/v1/escalations?limit=1"))[1], []
    while page["cursor"]:
        found.append(page["escalations"][0]["id"])
        page = (await supervisor.get(f"/v1/escalations?limit=1&cursor={page['cursor']}"))[1]
    assert [*found, page["escalations"][0]["id"]] == [*others, oldest]


async def test_a_promise_says_how_late_it_is(world: World, caller: Caller) -> None:
    await world.accept(event("W-1", "created", recipients={"customer": CUSTOMER}))
    await world.settled()
    await world.move(hours=30)
    supervisor = await caller("supervisor")
    lines = [e for e in (await supervisor.get("/v1/escalations"))[1]["escalations"] if e["due"]]
    assert lines
    for line in lines:
        assert line["late_s"] > 0


async def test_whose_it_is_does_not_stand_in_the_ledger_in_clear(world: World) -> None:
    await reported(world, "W-1")
    kim, lee = await two_supervisors(world)
    try:
        (line,) = (await kim.get("/v1/escalations"))[1]["escalations"]
        await kim.post(f"/v1/escalations/{line['id']}/assign", {"to": "Quirinius"})
        assert (await lee.get("/v1/escalations?owner=quirinius"))[1]["total"] == 1
        async with world.ledger.reading() as tx:
            rows = [await tx.execute(select(t)) for t in metadata.sorted_tables]
            assert not [r for found in rows for r in found if "quirinius" in str(r).lower()]
    finally:
        await kim.close()
        await lee.close()
