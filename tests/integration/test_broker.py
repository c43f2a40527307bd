"""RabbitMQ as it really is: confirms that do not come, closed connections, cancelled consumers, deleted queues."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import quote

import aio_pika
import pytest
from msgspec import structs
from structlog.testing import capture_logs
from yarl import URL

from service.broker import rabbitmq
from service.broker.port import (
    DEAD,
    ESCALATIONS,
    INTAKE,
    NOTIFICATIONS,
    ORDERS,
    BrokerLost,
    BrokerMessage,
    Delivery,
    Subscription,
    TooMuchHeld,
)
from service.broker.rabbitmq import RabbitBroker
from tests.support.nodes import Rabbit
from tests.support.proxy import Proxy

NEWS = BrokerMessage(NOTIFICATIONS, "notification.sent.sms", b"{}", "m-1", "application/json", {})


@pytest.fixture
async def proxy(rabbit: Rabbit) -> AsyncIterator[Proxy]:
    p = Proxy("127.0.0.1", rabbit.port)
    await p.start()
    yield p
    await p.close()


@pytest.fixture
async def broker(rabbit_url: str, proxy: Proxy) -> AsyncIterator[RabbitBroker]:
    b = RabbitBroker(str(URL(rabbit_url).with_port(proxy.port)))
    await b.connect(["tech"])
    yield b
    proxy.stalled.set()
    await b.close()


async def test_nothing_counts_as_published_that_the_broker_has_not_confirmed(
    broker: RabbitBroker, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.subscribe(INTAKE, 10)
    assert await broker.publish([NEWS]) == [True]
    proxy.stalled.clear()
    monkeypatch.setattr(rabbitmq, "PUBLISH_TIMEOUT_S", 0.5)
    assert await broker.publish([NEWS]) == [False]
    proxy.stalled.set()
    monkeypatch.undo()
    assert await broker.publish([NEWS]) == [True]


async def test_a_connection_that_confirms_nothing_is_given_up(
    broker: RabbitBroker, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a broker's crash, when a half-open connection looks alive."""
    proxy.silence()
    monkeypatch.setattr(rabbitmq, "PUBLISH_TIMEOUT_S", 0.5)
    assert await broker.publish([NEWS, NEWS]) == [False, False]
    assert await broker.publish([NEWS, NEWS]) == [True, True]


async def test_a_queue_that_takes_nothing_holds_up_its_own_messages_alone(
    broker: RabbitBroker, rabbit: Rabbit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a quorum queue without a leader, which a crash of the broker may leave behind."""
    call = BrokerMessage(ESCALATIONS, "escalation.tech.app_error", b"{}", "m-2", "application/json", {})
    queue = f"{{'{quote(rabbit.host, safe='')}_escalations.tech', node()}}"
    await asyncio.to_thread(rabbit.control, "eval", f"sys:suspend({queue}).")
    monkeypatch.setattr(rabbitmq, "PUBLISH_TIMEOUT_S", 1.0)
    assert await broker.publish([call, NEWS]) == [False, True]
    await asyncio.to_thread(rabbit.control, "eval", f"sys:resume({queue}).")
    assert await broker.publish([call, NEWS]) == [True, True]


async def test_publishing_goes_on_when_consuming_has_ended(broker: RabbitBroker) -> None:
    subscription = await broker.subscribe(INTAKE, 10)
    await subscription.close()
    assert await broker.publish([NEWS]) == [True]


async def test_a_deleted_queue_ends_the_subscription_and_the_next_one_makes_it_again(
    broker: RabbitBroker, rabbit_url: str
) -> None:
    subscription = await broker.subscribe(INTAKE, 10)
    async with await aio_pika.connect(rabbit_url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(INTAKE)
        with pytest.raises(BrokerLost, match="cancelled the consumer"):
            async with asyncio.timeout(60):
                await subscription.batch(10)
        again = await broker.subscribe(INTAKE, 10)
        exchange = await channel.get_exchange("orders")
        await exchange.publish(aio_pika.Message(b"after"), "order.status_changed")
        async with asyncio.timeout(60):
            (delivery,) = await again.batch(10)
    assert delivery.body == b"after"


async def test_a_queue_of_ours_that_was_deleted_is_made_again_and_gets_what_it_missed(
    broker: RabbitBroker, rabbit_url: str
) -> None:
    """The broker confirms what it drops: a letter, or a call to a team, would be gone."""
    call = BrokerMessage(ESCALATIONS, "escalation.tech.app_error", b"{}", "m-3", "application/json", {})
    other_team = BrokerMessage(ESCALATIONS, "escalation.night_shift.app_error", b"{}", "m-4", "application/json", {})
    letters = [BrokerMessage(DEAD, "", b"{}", "m-5", "application/json", {})] * 2
    async with await aio_pika.connect(rabbit_url) as connection:
        channel = await connection.channel()
        await channel.queue_delete("escalations.tech")
        await channel.queue_delete(DEAD)
    assert await broker.publish([call, *letters, other_team]) == [False] * 4
    assert await broker.publish([call, *letters, other_team]) == [True] * 4
    assert [await broker.depth(q) for q in ("escalations.tech", DEAD, "escalations.night_shift")] == [1, 2, 1]


async def test_nobody_has_to_listen_to_outcomes_and_it_is_told_once(broker: RabbitBroker) -> None:
    alone = [BrokerMessage(NOTIFICATIONS, "notification.opened.fax", b"{}", f"m-{n}") for n in range(6, 9)]
    with capture_logs() as logs:
        assert await broker.publish(alone) == [True] * 3
        assert await broker.publish(alone) == [True] * 3
    assert [line["exchange"] for line in logs if line["event"] == "broker.unroutable"] == [NOTIFICATIONS]


async def test_an_exchange_of_ours_that_was_deleted_is_made_again_over_the_same_connection(
    broker: RabbitBroker, rabbit_url: str
) -> None:
    subscription = await broker.subscribe(INTAKE, 10)
    many = [structs.replace(NEWS, message_id=f"m-{n}") for n in range(60)]
    elsewhere = BrokerMessage(ORDERS, "order.status_changed", b"{}")
    assert all(await broker.publish([*many, elsewhere]))
    async with await aio_pika.connect(rabbit_url) as connection:
        await (await connection.channel()).exchange_delete(NOTIFICATIONS)
    with capture_logs() as logged:
        assert await broker.publish([*many, elsewhere]) == [False] * len(many) + [True]
    assert {line["error"] for line in logged} == {"ChannelNotFoundEntity"}
    assert broker.connected
    assert all(await broker.publish([*many, elsewhere]))
    await subscription.close()


async def test_a_body_of_many_frames_arrives_whole_among_small_ones(broker: RabbitBroker) -> None:
    subscription = await broker.subscribe(INTAKE, 10)
    bodies = [b"{}", b"x" * 400_000, b"", b"[]"]
    assert all(await broker.publish([BrokerMessage(ORDERS, "order.status_changed", body) for body in bodies]))
    received: list[Delivery] = []
    async with asyncio.timeout(10):
        while len(received) < len(bodies):
            received += await subscription.batch(10)
    assert [d.body for d in received] == bodies
    await subscription.close()


async def test_a_routing_key_that_amqp_cannot_carry_is_refused_before_anything_is_sent(broker: RabbitBroker) -> None:
    with pytest.raises(ValueError, match="more than 255 bytes"):
        await broker.publish([structs.replace(NEWS, routing_key="é" * 200)])
    assert await broker.publish([NEWS]) == [True]


async def test_connections_that_the_broker_closes_are_made_again(broker: RabbitBroker, rabbit: Rabbit) -> None:
    subscription = await broker.subscribe(INTAKE, 10)
    await asyncio.to_thread(rabbit.control, "close_all_connections", "--vhost", rabbit.host, "maintenance")
    with pytest.raises(BrokerLost):
        async with asyncio.timeout(60):
            await subscription.batch(10)
    assert await broker.publish([NEWS]) == [True]
    async with asyncio.timeout(60):
        while True:  # as the intake loop does
            with contextlib.suppress(BrokerLost):
                again = await broker.subscribe(INTAKE, 10)
                break
    await again.close()


async def _received(subscription: Subscription, count: int) -> dict[bytes, bool]:
    """The bodies of so many messages, and whether each was handed out before."""
    found: dict[bytes, bool] = {}
    async with asyncio.timeout(60):
        while len(found) < count:
            found |= {d.body: d.redelivered for d in await subscription.batch(count)}
    return found


async def test_what_was_acknowledged_stays_away_and_nothing_else(broker: RabbitBroker) -> None:
    """Codes are done before what came earlier: an acknowledgement is for the messages that it names."""
    subscription = await broker.subscribe(INTAKE, 10)
    bodies = [str(n).encode() for n in range(6)]
    await broker.publish([BrokerMessage(ORDERS, "order.status_changed", body) for body in bodies])
    deliveries: list[Delivery] = []
    async with asyncio.timeout(60):
        while len(deliveries) < len(bodies):
            deliveries += await subscription.batch(10)
    await subscription.ack([deliveries[4], deliveries[2]])
    await subscription.ack([deliveries[0], deliveries[1]])
    await subscription.close()
    again = await broker.subscribe(INTAKE, 10)
    assert await _received(again, 2) == {b"3": True, b"5": True}
    assert await broker.depth(INTAKE) == 0
    await again.close()


async def test_what_is_too_much_to_hold_goes_back_to_the_broker(broker: RabbitBroker) -> None:
    subscription = await broker.subscribe(INTAKE, 10, most_bytes=250)
    await broker.publish([BrokerMessage(ORDERS, "order.status_changed", bytes([n]) * 100) for n in range(4)])
    with pytest.raises(TooMuchHeld):
        await _received(subscription, 4)
    await subscription.close()
    again = await broker.subscribe(INTAKE, 10)
    assert len(await _received(again, 4)) == 4
    await again.close()
