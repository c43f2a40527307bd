"""What simulate says of promises is what the service does with the same orders."""

from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import func, select

from service.domain.clocks.kinds import KINDS
from service.foresight.simulating import Assumptions, simulate
from service.ledger.orders.tables import clocks
from service.simulator.simulator import STARTED_EVERY, Simulator
from tests.support.events import NOON
from tests.support.packs import device_pickup
from tests.support.world import World

ORDERS = 5


@pytest.mark.parametrize("parts", ["sqlite-memory"], indirect=True)
async def test_promises_are_broken_as_often_as_in_the_service(world: World) -> None:
    workflow = device_pickup().workflow
    played = Simulator(workflow).play(ORDERS, NOON)
    for p in played:
        await world.travel_to(p.at)
        await world.take(msgspec.json.decode(p.message.body))
    await world.travel_to(played[-1].at + timedelta(minutes=20))
    expected = simulate(
        device_pickup(),
        ORDERS,
        days=ORDERS * STARTED_EVERY / timedelta(days=1),
        begin=NOON,
        assumed=Assumptions(failing=0, undelivered=0),
    )
    query = select(clocks.c.name, clocks.c.state, func.count()).group_by(clocks.c.name, clocks.c.state)
    async with world.ledger.reading() as tx:
        found: dict[tuple[str, str], int] = {(name, state): n for name, state, n in await tx.execute(query)}
    promises = [name for name, spec in workflow.clocks.items() if KINDS[spec.kind].is_promise]
    real = {name: (found.get((name, "met"), 0), found.get((name, "breached"), 0)) for name in promises}
    assert {p.clock: (p.kept, p.breached) for p in expected.promises} == real
    assert sum(broken for _, broken in real.values()) >= 3
