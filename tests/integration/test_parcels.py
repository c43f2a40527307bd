"""Outcomes of one commit are one row of the outbox, which no relay of an earlier release publishes as it stands."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, or_, select

from service.broker.memory import MemoryBroker
from service.broker.port import BrokerMessage
from service.ledger.database.engine import Ledger
from service.ledger.database.wakeups import Wakeups
from service.ledger.messages import housekeeping, outbox, parcels
from service.ledger.messages.outbox import LEASE, OutboxMessage
from service.ledger.messages.tables import outbox as table
from service.orders import Orders
from service.relay.relay import Relay
from service.timekeeping import ManualTime
from service.workflows.packs import Packs

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Picky(MemoryBroker):
    """A broker that takes nothing whose id it was told of."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses: set[str] = set()
        self.took: list[BrokerMessage] = []

    async def publish(self, messages: Sequence[BrokerMessage]) -> list[bool]:
        """Yes or no to each."""
        self.took += [m for m in messages if m.message_id not in self.refuses]
        return [m.message_id not in self.refuses for m in messages]


def _relay(ledger: Ledger, broker: MemoryBroker, time: ManualTime) -> Relay:
    return Relay(Orders(ledger, Packs([]), time, Wakeups()), broker)


def _outcome(n: int, state: str = "sent") -> OutboxMessage:
    return OutboxMessage("notifications", f"notification.{state}.sms", f"m-{n}", b'{"id":"m-%d"}' % n)


async def _put(ledger: Ledger, messages: Sequence[OutboxMessage]) -> None:
    async with ledger.transaction() as tx:
        await outbox.put(tx, outbox.parcelled(messages), AT)


async def _rows(ledger: Ledger) -> int:
    async with ledger.reading() as tx:
        return int((await tx.execute(select(func.count()).select_from(table))).scalar_one())


async def test_one_row_a_way_and_every_message_as_it_was(ledger: Ledger) -> None:
    said = [*(_outcome(n) for n in range(parcels.MOST + 20)), _outcome(500, "failed")]
    await _put(ledger, said)
    assert await _rows(ledger) == 3  # a full parcel, the rest of it, and one message that needs none
    broker = Picky()
    assert await _relay(ledger, broker, ManualTime(AT)).publish_waiting() == len(said)
    assert {(m.routing_key, m.message_id, m.body, m.content_type) for m in broker.took} == {
        (m.routing_key, m.message_id, m.body, m.content_type) for m in said
    }
    of_one_way = [m.message_id for m in broker.took if "sent" in m.routing_key]
    assert of_one_way == [m.message_id for m in said[:-1]]
    assert await _rows(ledger) == 0


async def test_what_an_earlier_release_asks_for_never_is_a_parcel(ledger: Ledger) -> None:
    """Before, while and after somebody opens it, and once that one has died."""
    await _put(ledger, [_outcome(1), _outcome(2)])

    async def earlier_release(now: datetime) -> list[Any]:
        free = or_(table.c.leased_until.is_(None), table.c.leased_until <= now)
        async with ledger.reading() as tx:
            return list((await tx.execute(select(table.c.id).where(free))).all())

    assert await earlier_release(AT) == []
    async with ledger.transaction() as tx:
        first = await outbox.claim(tx, AT, 10)
    async with ledger.transaction() as tx:
        assert await outbox.claim(tx, AT, 10) == []
        assert await outbox.leased_until(tx, {first[0].id}, AT + LEASE) == {first[0].id}  # type: ignore[arg-type]
    later = AT + LEASE
    assert await earlier_release(later) == []
    async with ledger.transaction() as tx:
        again = await outbox.claim(tx, later, 10)
        assert await housekeeping.oldest_leaving(tx, later) == AT
    assert [m.message_id for m in again] == ["m-1", "m-2"]


async def test_what_was_refused_of_a_parcel_stays_alone(ledger: Ledger) -> None:
    time, broker = ManualTime(AT), Picky()
    await _put(ledger, [_outcome(n) for n in range(4)])
    broker.refuses = {"m-1", "m-3"}
    relay = _relay(ledger, broker, time)
    assert await relay.publish_waiting() == 2
    broker.refuses = set()
    assert await relay.publish_waiting() == 2
    assert sorted(m.message_id for m in broker.took) == [f"m-{n}" for n in range(4)]
    assert await _rows(ledger) == 0
