"""Everybody affected is told, each once; counted beforehand, and not where it makes no sense."""

from typing import Any

import pytest
from sqlalchemy import select

from service.ledger.columns import metadata
from service.ledger.orders.tables import RECORDED_CAUSE
from tests.integration.conftest import Caller
from tests.support.events import VENDOR, event, minutes, person
from tests.support.world import World

pytestmark = pytest.mark.any_database

DELAY: dict[str, Any] = {
    "workflow": "device_pickup", "notice": "traffic_delay", "channels": ["sms"], "filter": {"status": "vendor_en_route"},
}  # fmt: skip


async def on_the_way(world: World, *orders: tuple[str, int]) -> None:
    for order_id, n in orders:
        said: dict[str, Any] = {
            "recipients": {"customer": person(n)},
            "assignee": VENDOR,
            "eta": "2026-03-02T06:40:00Z",
        }
        await world.accept(event(order_id, "vendor_en_route", **said))
    await world.settled()


async def test_each_person_is_told_once_and_it_is_counted_before(world: World, caller: Caller) -> None:
    await on_the_way(world, ("B-1", 1), ("B-2", 2), ("B-3", 1))
    await world.accept(event("B-4", "created", recipients={"customer": person(4)}))
    await world.settled()
    supervisor = await caller("supervisor")
    said = {**DELAY, "inputs": {"new_time": "2026-03-02T09:00:00Z"}}
    before = len(world.providers.sent)
    status, counted = await supervisor.post("/v1/broadcasts", {**said, "dry_run": True})
    assert status == 200, counted
    assert (counted["orders"], counted["planned"], counted["messages"]) == (3, 2, 2)
    assert counted["excluded"] == {"they are told by another of their orders": 1}
    await world.settled()
    assert len(world.providers.sent) == before
    _, done = await supervisor.post("/v1/broadcasts", said)
    assert (done["planned"], done["dry_run"]) == (2, False)
    await world.move(seconds=1)
    told = [s.to for s in world.providers.sent[before:]]
    assert sorted(told) == sorted(str(person(n)["phone"]) for n in (1, 2))


async def test_those_who_missed_a_message_are_meant_by_it(world: World, caller: Caller) -> None:
    await on_the_way(world, ("B-1", 1), ("B-2", 2))
    supervisor = await caller("supervisor")
    said = {**DELAY, "inputs": {"new_time": "2026-03-02T09:00:00Z"}, "dry_run": True}
    missed = {"told": {"notice": "vendor_en_route", "state": "failed"}}
    assert (await supervisor.post("/v1/broadcasts", {**said, "filter": missed}))[1]["orders"] == 0
    got = {"told": {"notice": "vendor_en_route", "channel": "sms"}}
    assert (await supervisor.post("/v1/broadcasts", {**said, "filter": got}))[1]["planned"] == 2


async def test_what_the_pack_does_not_allow_is_left_out_with_why(world: World, caller: Caller) -> None:
    await on_the_way(world, ("B-1", 1))
    await world.accept(event("B-1", "at_location", minutes(1)))
    supervisor = await caller("supervisor")
    said = {**DELAY, "filter": {"open": True}, "inputs": {"new_time": "2026-03-02T09:00:00Z"}}
    _, done = await supervisor.post("/v1/broadcasts", said)
    assert (done["planned"], sum(done["excluded"].values())) == (0, 1)


async def test_nonsense_is_refused(world: World, caller: Caller) -> None:
    supervisor = await caller("supervisor")
    wrongs: tuple[dict[str, Any], ...] = (
        {"filter": {}}, {"notice": "vendor_assigned"}, {"workflow": "none"}, {"filter": {"status": "x"}},
        {"channels": ["smss"]},
    )  # fmt: skip
    for wrong in wrongs:
        assert (await supervisor.post("/v1/broadcasts", {**DELAY, **wrong}))[0] in (400, 404, 422), wrong


async def test_no_order_keeps_the_address_of_somebody_elses_person(world: World, caller: Caller) -> None:
    await on_the_way(world, ("B-1", 1), ("B-2", 2), ("B-3", 3))
    supervisor = await caller("supervisor")
    await supervisor.post("/v1/broadcasts", {**DELAY, "inputs": {"new_time": "2026-03-02T09:00:00Z"}})
    causes, orders = metadata.tables["causes"], metadata.tables["orders"]
    async with world.ledger.reading() as tx:
        query = select(causes, orders.c.order_id.label("name")).join(orders, orders.c.id == causes.c.order_id)
        rows = (await tx.execute(query.where(causes.c.kind == "notice_sent"))).all()
        said = {row.name: tx.keyring.unseal(row.sealed_cause, RECORDED_CAUSE.of(row.id)).decode() for row in rows}
    assert said.keys() == {"B-1", "B-2", "B-3"}
    for n in (1, 2, 3):
        assert not [name for name, text in said.items() if str(person(n)["phone"]) in text and name != f"B-{n}"]


async def test_counting_leaves_a_line_too_and_so_does_what_found_nothing(world: World, caller: Caller) -> None:
    supervisor, admin = await caller("supervisor"), await caller("admin")
    failed = {"filter": {"state": "failed"}}
    for path, body in (("broadcasts", DELAY), ("messages/resend", failed)):
        for dry_run in (True, False):
            assert (await supervisor.post(f"/v1/{path}", {**body, "dry_run": dry_run}))[0] == 200
    _, page = await admin.get("/v1/audit")
    acts = [line["act"] for line in page["lines"]]
    for act in ("broadcast.counted", "broadcast.sent", "messages.resend_counted", "messages.resent"):
        assert acts.count(act) == 1, (act, acts)
