"""An event that a clock publishes leaves with the decision, through the outbox, to the exchange `clocks`, once."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.clock_model import PACK, WORKFLOW
from tests.support.events import NOON, event
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for

ACTS = "within: 10m, publish: {type: slot.expired, data: {at: eta}}, escalate: {reason: slow}}"
QUEUE = "test.clocks"


@pytest.fixture
async def acting(providers: Providers, mailbox: Mailbox, sqlite_url: str, tmp_path: Path) -> AsyncIterator[World]:
    home = tmp_path / "packs" / WORKFLOW
    home.mkdir(parents=True)
    (home / "workflow.yaml").write_text(PACK.replace("within: 10m, escalate: {reason: slow}}", ACTS, 1))
    world = World(settings_for(providers, mailbox, workflows=home.parent, database_url=sqlite_url), providers, mailbox)
    await world.start()
    yield world
    await world.close()


async def test_what_a_clock_publishes_reaches_the_exchange_once(acting: World) -> None:
    broker = acting.app.broker
    broker._bindings.append(("clocks", f"clock.{WORKFLOW}.*", QUEUE))  # type: ignore[attr-defined]
    await acting.take(event("C-1", "waiting", workflow=WORKFLOW))
    await acting.travel_to(NOON + timedelta(minutes=11))

    async def arrived() -> bool:
        return await broker.depth(QUEUE) > 0

    await acting.until(arrived, "the event is there")
    await acting.travel_to(NOON + timedelta(minutes=15))
    taken = await broker.take(QUEUE, 10)
    (delivery,) = taken.deliveries
    said = json.loads(delivery.body)
    assert delivery.routing_key == f"clock.{WORKFLOW}.start"
    assert (said["type"], said["subject"], said["id"]) == ("slot.expired", "C-1", delivery.message_id)
    assert said["data"]["values"] == {"at": None}
