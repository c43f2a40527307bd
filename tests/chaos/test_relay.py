"""What the outbox holds is forgotten only once the broker has confirmed it."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import func, select

from service.broker.memory import MemoryBroker
from service.broker.port import BrokerMessage
from service.ledger.messages import outbox, tables
from service.relay.relay import Relay
from tests.support.events import event, person
from tests.support.world import World


class Refusing(MemoryBroker):
    """A broker that confirms nothing."""

    async def publish(self, messages: Sequence[BrokerMessage]) -> list[bool]:
        """No."""
        return [False] * len(messages)


class Deaf(MemoryBroker):
    """A broker of which one queue takes nothing, as a quorum queue without a leader."""

    def __init__(self) -> None:
        super().__init__()
        self.hears = asyncio.Event()

    async def publish(self, messages: Sequence[BrokerMessage]) -> list[bool]:
        """Yes, at once or at last."""
        if any("tech" in m.routing_key for m in messages):
            await self.hears.wait()
        return [True] * len(messages)


async def without_its_own_relay(world: World) -> None:
    await world.accept(event("R-1", "created", recipients={"customer": person(1)}))
    await world.settled()
    world.app.stopping.set()
    world.app.wakeups.wake_all()
    await world.until(lambda: world.app.supervisor.is_over, "the service's own loops ended")


async def test_a_way_that_takes_nothing_holds_up_no_other(world: World) -> None:
    await without_its_own_relay(world)
    calls = [outbox.OutboxMessage("escalations", "escalation.tech.app_error", f"c-{n}", b"{}") for n in range(450)]
    news = [outbox.OutboxMessage("notifications", "notification.sent.sms", f"n-{n}", b"{}") for n in range(450)]
    async with world.ledger.transaction() as tx:
        await outbox.put(tx, [*calls, *news], world.clock.now())
    broker, stopping = Deaf(), asyncio.Event()
    running = asyncio.create_task(Relay(world.app.orders, broker).run(stopping))

    async def left(wanted: int) -> bool:
        async with world.ledger.reading() as tx:
            return (await tx.execute(select(func.count()).select_from(tables.outbox))).scalar_one() == wanted

    await world.until(lambda: left(450), "only the calls are left")
    broker.hears.set()
    await world.until(lambda: left(0), "and leave when they can")
    stopping.set()
    # On a clock that stands still nobody looks by himself.
    world.app.wakeups.wake_all()
    await running


async def test_unconfirmed_messages_stay(world: World) -> None:
    await without_its_own_relay(world)
    message = outbox.OutboxMessage("notifications", "notification.sent.sms", "m-1", b"{}")
    relay = Relay(world.app.orders, Refusing())
    async with world.ledger.transaction() as tx:
        await outbox.put(tx, [message], world.clock.now())
    assert await relay.publish_waiting() == 0
    async with world.ledger.transaction() as tx:
        (kept,) = await outbox.claim(tx, world.clock.now(), 10)
    assert kept.message_id == "m-1"
    assert kept.attempts == 1
