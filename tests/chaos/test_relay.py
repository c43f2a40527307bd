"""What the outbox holds is forgotten only once the broker has confirmed it."""

from collections.abc import Sequence

from service.broker.memory import MemoryBroker
from service.broker.port import Message
from service.ledger import outbox
from service.relay.relay import Relay
from tests.support.events import event, person
from tests.support.world import World


class Refusing(MemoryBroker):
    """A broker that confirms nothing."""

    async def publish(self, messages: Sequence[Message]) -> list[bool]:
        """No."""
        return [False] * len(messages)


async def test_unconfirmed_messages_stay(world: World) -> None:
    await world.accept(event("R-1", "created", recipients={"customer": person(1)}))
    await world.settled()
    message = outbox.Outgoing("notifications", "notification.sent.sms", "m-1", b"{}")
    relay = Relay(world.app.core, Refusing())
    world.app.stopping.set()
    world.app.wakeups.wake_all()
    await world.until(lambda: all(t.done() for t in world.app._tasks.values()), "the service's own relay ended")
    async with world.ledger.transaction() as connection:
        await outbox.put(connection, [message], world.clock.now())
    assert await relay.publish_waiting() == 0
    async with world.ledger.transaction() as connection:
        (kept,) = await outbox.claim(connection, world.clock.now(), 10)
    assert kept.message_id == "m-1"
    assert kept.attempts == 1
