"""How promises, vendors and teams did: the worst first, with their orders."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.integration.conftest import Caller
from tests.support.events import CUSTOMER, VENDOR, event, minutes
from tests.support.world import World

pytestmark = pytest.mark.any_database

SLOW, FAST = {**VENDOR, "id": "v-slow", "name": "Slow"}, {**VENDOR, "id": "v-fast", "name": "Fast"}


async def handled(world: World) -> None:
    """Two vendors set out; one of them does not arrive."""
    for order_id, vendor in (("F-1", FAST), ("L-1", SLOW)):
        await world.accept(event(order_id, "vendor_en_route", recipients={"customer": CUSTOMER}, assignee=vendor))
    await world.settled()
    world.clock.advance(minutes=5)
    await world.accept(event("F-1", "at_location", minutes(5)))
    await world.move(hours=6)


async def test_the_worst_come_first_with_their_orders(world: World, caller: Caller) -> None:
    await handled(world)
    supervisor = await caller("supervisor")
    _, m = await supervisor.get("/v1/metrics/performance?workflow=device_pickup&by=assignee")
    slow, fast = m["assignees"]
    assert (slow["assignee"], slow["name"], slow["worst"]) == ("v-slow", "Slow", ["L-1"])
    assert slow["broken"] >= 1
    assert (fast["assignee"], fast["name"]) == ("v-fast", "Fast")
    assert fast["late_share"] < slow["late_share"]
    # What the pack measures is told of each of them, as far as there is something to tell.
    measures = {name: fast["measures"][name] for name in ("acceptance_rate", "time_to_arrival")}
    assert measures == {"acceptance_rate": 100, "time_to_arrival": None}
    shares = [p["now"]["share"] for p in m["promises"] if p["now"]["share"] is not None]
    assert shares == sorted(shares)
    assert min(shares) < 100
    _, table = await supervisor.get("/v1/metrics/performance?workflow=device_pickup&format=csv")
    assert [line["assignee"] for line in csv.DictReader(io.StringIO(table))] == ["v-slow", "v-fast"]


async def test_it_is_mailed_every_week_to_whom_it_was_asked_for(world: World, caller: Caller) -> None:
    await handled(world)
    supervisor = await caller("supervisor")
    order = {"workflow": "device_pickup", "report": "performance", "email": "boss@example.com"}
    assert (await supervisor.post("/v1/subscriptions", {**order, "every": "day"}))[0] == 422
    assert (await supervisor.post("/v1/subscriptions", {**order, "every": "week", "day": 0}))[0] == 201
    assert world.mailbox.mails == []
    # The next Monday at eight, in the workflow's own zone.
    world.clock.move_to(datetime(2026, 3, 9, 2, 30, tzinfo=UTC))
    await world.quiet()
    (mail,) = [m for m in world.mailbox.mails if m.to == "boss@example.com"]
    (table,) = mail.message.iter_attachments()
    text = mail.message.get_body().get_content()  # type: ignore[union-attr]
    assert "promises kept in the last seven days" in text
    # Ids alone leave the house, no names.
    assert "v-slow" in text + table.get_content()
    assert "Slow" not in text + table.get_content()


async def test_last_week_is_beside_this_one(world: World, caller: Caller) -> None:
    await handled(world)
    await world.move(days=8)
    _, m = await (await caller("supervisor")).get("/v1/metrics/performance?workflow=device_pickup")
    assert [p for p in m["promises"] if p["before"]["broken"] and p["now"]["share"] is None]


async def test_how_fast_a_team_takes_it_is_counted_from_its_opening(world: World, caller: Caller) -> None:
    await world.accept(
        event("T-1", "created", recipients={"customer": CUSTOMER}),
        event("T-1", at=minutes(1), kind="order.issue_reported", issue={"reason": "double_deduction"}),
    )
    await world.settled()
    world.clock.advance(seconds=90)
    supervisor = await caller("supervisor")
    (line,) = (await supervisor.get("/v1/escalations"))[1]["escalations"]
    await supervisor.post(f"/v1/escalations/{line['id']}/acknowledge")
    await supervisor.post(f"/v1/escalations/{line['id']}/resolve")
    _, m = await supervisor.get("/v1/metrics/performance?workflow=device_pickup")
    (team,) = [t for t in m["teams"] if t["team"] == line["team"]]
    assert (team["opened"], team["acknowledged"], team["resolved"]) == (1, 1, 1)
    assert team["acknowledge_median_s"] == pytest.approx(90, abs=61)


async def test_unknown_words_are_refused(world: World, caller: Caller) -> None:
    supervisor = await caller("supervisor")
    for wrong in ("workflow=none", "by=moon", "since=soon"):
        assert (await supervisor.get(f"/v1/metrics/performance?{wrong}"))[0] in (400, 422), wrong


async def test_parties_such_as_providers_have_figures_of_their_own(world: World, caller: Caller) -> None:
    for order_id, provider in (("H-1", "p-slow"), ("H-2", "p-fast"), ("H-3", "p-fast")):
        people: dict[str, Any] = {
            "customer": {**CUSTOMER, "id": "c-1"},
            "provider": {"id": provider, "name": f"={provider}", "email": "p@example.com"},
        }
        await world.accept(
            event(order_id, "submitted_to_provider", workflow="home_service", recipients=people),
        )
    await world.settled()
    for order_id, rating in (("H-2", 5), ("H-3", 4)):
        rated: dict[str, Any] = {"workflow": "home_service", "attributes": {"rating": rating}}
        await world.accept(event(order_id, "accepted", minutes(4), **rated))
    await world.move(hours=25)
    supervisor = await caller("supervisor")
    _, m = await supervisor.get("/v1/metrics/performance?workflow=home_service")
    slow, fast = m["parties"]
    assert [(p["audience"], p["id"], p["name"]) for p in (slow, fast)] == [
        ("provider", "p-slow", "=p-slow"), ("provider", "p-fast", "=p-fast")
    ]  # fmt: skip
    assert (slow["broken"], slow["worst"], slow["measures"]["acceptance_rate"]) == (1, ["H-1"], None)
    assert (fast["broken"], fast["orders"], fast["measures"]["acceptance_rate"]) == (0, 2, 100)
    assert fast["measures"]["customer_rating"] == 4.5
    _, table = await supervisor.get("/v1/metrics/performance?workflow=home_service&format=csv&by=party")
    lines = list(csv.DictReader(io.StringIO(table)))
    assert [(line["id"], line["name"]) for line in lines] == [("p-slow", "'=p-slow"), ("p-fast", "'=p-fast")]
    page = (await supervisor.get("/desk/performance?workflow=home_service"))[1]
    assert page.index("By provider, the worst first") < page.index("<bdi>=p-slow</bdi>") < page.index("<bdi>=p-fast")
    # Whoever is limited to one provider sees the figures of no other.
    limited = await caller("supervisor", "provider:p-fast")
    _, m = await limited.get("/v1/metrics/performance?workflow=home_service")
    assert [p["id"] for p in m["parties"]] == ["p-fast"]
