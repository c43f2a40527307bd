"""Intake's partitions on a real RabbitMQ: shared out by order, by several processes, more and fewer of them, no loss."""

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from service.app import App
from service.broker import rabbitmq_partitions
from service.broker.port import (
    DEAD,
    INTAKE,
    INTAKE_BINDING,
    ORDERS,
    SUBJECT_HEADERS,
    BrokerMessage,
    BrokerRefused,
    Partitioning,
    PartitionsHeld,
    QueueGone,
    intake_queue,
)
from service.broker.rabbitmq import RabbitBroker
from service.domain.order import OrderRef
from service.intake import partitions
from service.intake.dead_letters import DeadLetters
from service.intake.decoding import Incoming
from service.intake.intake import Intake
from service.intake.replays import sealed_dead_letter
from service.intake.sightings import Sightings
from service.intake.verdicts import Verdict
from service.keyring import Keyring
from service.ledger.orders.tables import inbox
from service.settings import SettingsError
from service.starting import connect_broker
from tests.support.events import encoded, event, minutes
from tests.support.nodes import READER, Rabbit, running
from tests.support.process import command, environment
from tests.support.providers import Mailbox, Providers
from tests.support.world import PATIENCE_S, World, settings_for

COLON, LINE = SUBJECT_HEADERS
STEPS = ("created", "assigned", "vendor_en_route", "at_location", "inspection_started")


@contextlib.asynccontextmanager
async def channel_of(url: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    async with await aio_pika.connect(url) as connection:
        yield await connection.channel()


async def publish(url: str, events: Sequence[dict[str, Any]], *headers: str) -> None:
    """In structured mode; with the order's id in these headers."""
    async with channel_of(url) as channel:
        exchange = await channel.get_exchange(ORDERS, ensure=False)
        for e in events:
            message = aio_pika.Message(
                encoded(e), headers=dict.fromkeys(headers, e["subject"]), content_type="application/cloudevents+json"
            )
            await exchange.publish(message, routing_key=e["type"])


async def where(url: str, count: int) -> dict[str, list[int]]:
    """Takes all that waits: the partitions in which each order's events were, in order."""
    found: dict[str, list[int]] = defaultdict(list)
    broker = RabbitBroker(url, count)
    for k, depth in enumerate(await depths(url, count)):
        subscription = await broker.subscribe(intake_queue(k), 1000)
        left = depth
        while left:
            deliveries = await subscription.batch(1000)
            left -= len(deliveries)
            for delivery in deliveries:
                found[json.loads(delivery.body)["subject"]].append(k)
            await subscription.ack(deliveries)
        await subscription.close()
    await broker.close()
    return found


async def depths(url: str, count: int) -> list[int]:
    async with channel_of(url) as channel:
        declared = [await channel.declare_queue(intake_queue(k), passive=True) for k in range(count)]
        return [d.declaration_result.message_count or 0 for d in declared]


def orders(n: int, step: int = 0) -> list[dict[str, Any]]:
    """The same step of so many orders."""
    return [event(f"P-{i}", STEPS[step], minutes(step)) for i in range(n)]


async def arranged(url: str, count: int, *, is_through: bool = True) -> Partitioning:
    """What a process finds that has this setting, started alone and ended again, after the change or amid it."""
    broker = RabbitBroker(url, count)
    await broker.connect(())
    try:
        return await broker.arrange_partitions()
    finally:
        if is_through:
            await broker.settle_partitions()
        await broker.close()


async def test_events_are_shared_out_by_order_and_what_lacks_the_header_goes_to_the_first(rabbit_url: str) -> None:
    await arranged(rabbit_url, 4)
    await publish(rabbit_url, orders(40) + orders(40), COLON)
    by_colon = await where(rabbit_url, 4)
    assert {len(set(ks)) for ks in by_colon.values()} == {1}, "an order is in one of them"
    assert {ks[0] for ks in by_colon.values()} == {0, 1, 2, 3}
    await publish(rabbit_url, orders(40) + orders(40), LINE)
    assert await where(rabbit_url, 4) == by_colon
    await publish(rabbit_url, orders(40) + orders(40), COLON, LINE)
    assert await where(rabbit_url, 4) == by_colon, "once, whoever writes both"
    await publish(rabbit_url, orders(40))
    assert await where(rabbit_url, 4) == {f"P-{n}": [0] for n in range(40)}


async def test_what_stagebell_itself_publishes_is_shared_out_like_everything(
    rabbit_url: str, tmp_path: Path, sqlite_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    await arranged(rabbit_url, 4)
    await publish(rabbit_url, orders(12), COLON)
    by_hash = await where(rabbit_url, 4)
    env = environment(tmp_path, sqlite_url, rabbit_url, providers, mailbox, INTAKE_PARTITIONS="4")
    lines = "\n".join(encoded(e).decode() for e in orders(12))
    done = await asyncio.to_thread(command, tmp_path, env, "publish", "-", stdin=lines)
    assert done.returncode == 0, done.stderr
    assert await where(rabbit_url, 4) == by_hash
    broker, keyring = RabbitBroker(rabbit_url, 4), Keyring("a secret key for tests, as long as they are")
    refused = [Incoming(encoded(e), headers={COLON: e["subject"]} if n else {}) for n, e in enumerate(orders(12))]
    await broker.publish(
        [BrokerMessage(DEAD, "", sealed_dead_letter(letter, keyring), f"m-{i}") for i, letter in enumerate(refused)]
    )
    assert await DeadLetters(broker, keyring).replay_all(100) == 12
    await broker.close()
    assert await where(rabbit_url, 4) == {**by_hash, "P-0": [0]}, "what came without the header goes back without"


async def test_one_partition_is_as_ever_and_needs_no_plugin() -> None:
    with running(Rabbit, plugins=()) as node:
        assert isinstance(node, Rabbit)
        assert await arranged(node.url, 1) == Partitioning(((0,),))
        await publish(node.url, orders(3), COLON)
        assert await depths(node.url, 1) == [3]
        four = RabbitBroker(node.url, 4)
        with pytest.raises(SettingsError) as said:
            await connect_broker(four, ())
        await four.close()
        assert "rabbitmq-plugins enable rabbitmq_consistent_hash_exchange" in str(said.value)
        assert "STAGEBELL_INTAKE_PARTITIONS" in str(said.value)
        assert await depths(node.url, 1) == [3]


async def test_a_process_that_only_publishes_changes_nothing(rabbit_url: str) -> None:
    await arranged(rabbit_url, 3)
    stranger = RabbitBroker(rabbit_url)
    await stranger.connect(["tech"])
    await stranger.close()
    await publish(rabbit_url, orders(30), COLON)
    assert sum(await depths(rabbit_url, 3)) == 30
    assert (await depths(rabbit_url, 3))[0] < 30


class Counting(Intake):
    """Remembers which orders it took in."""

    def __init__(self, app: App) -> None:
        super().__init__(app.orders)
        self.taken: list[str] = []

    async def take_until_committed(self, messages: Sequence[Incoming]) -> list[Verdict]:
        verdicts = await super().take_until_committed(messages)
        self.taken += [v.event.reference for v in verdicts if v.event]
        return verdicts


class Running:
    """A process's intake, with the broker and the ledger that a process has."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.intake = Counting(app)
        self.sightings = Sightings(app.orders, app.settings.intake_partitions)
        self.stopping = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.app.broker.connect(())
        self.task = asyncio.create_task(partitions.run(self.app.broker, self.intake, self.stopping, self.sightings))

    async def stop(self) -> None:
        self.stopping.set()
        if self.task:
            await self.task
        await self.app.broker.close()

    async def close(self) -> None:
        await self.stop()
        await self.app.ledger.close()

    async def outcomes(self) -> list[str]:
        async with self.app.ledger.reading() as tx:
            return list((await tx.execute(select(inbox.c.outcome))).scalars())


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():
            await asyncio.sleep(0.05)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come at once, as the clock of the broker is nobody's to move."""
    monkeypatch.setattr(partitions, "BALANCE_EVERY_S", 0.2)
    monkeypatch.setattr(partitions, "ARRANGE_EVERY_S", 0.5)
    monkeypatch.setattr(partitions, "LOOK_S", 0.05)
    monkeypatch.setattr(rabbitmq_partitions, "_LOCK_TRIES", 1)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("counts", [(1, 3, 1), (4, 2, 3)], ids=["from one and back", "fewer and more"])
async def test_more_and_fewer_lose_nothing_and_keep_each_orders_events_in_their_order(
    counts: tuple[int, ...], rabbit_url: str, sqlite_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    """With a backlog at each change, and more that comes before the change is through."""
    step = 0
    total = 25
    for n, count in enumerate(counts):
        settings = settings_for(
            providers, mailbox, database_url=sqlite_url, broker_url=rabbit_url, intake_partitions=count
        )
        process = Running(App(settings, roles=("intake",)))
        await process.app.broker.connect(())
        if n == 0:
            await arranged(rabbit_url, count)
        await publish(rabbit_url, orders(total, step), COLON)  # by the bindings of before
        step += 1
        await process.start()
        if n < len(counts) - 1:
            await publish(rabbit_url, orders(total, step), COLON)  # in the middle of the change
            step += 1

        async def is_taken(process: Running = process, wanted: int = step * total) -> bool:
            return len(await process.outcomes()) == wanted

        await until(is_taken)
        assert set(await process.outcomes()) == {"accepted"}, "nothing is late, nothing refused"
        await process.close()
    assert step == len(STEPS)
    await publish(rabbit_url, orders(40), COLON)
    assert (await depths(rabbit_url, max(counts)))[counts[-1] :] == [0] * (max(counts) - counts[-1])
    assert sum(await depths(rabbit_url, counts[-1])) == 40


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("before", "after"), [(4, 2), (1, 4)], ids=["fewer", "more"])
async def test_what_comes_between_two_bindings_of_a_change_keeps_its_order(
    before: int, after: int, rabbit_url: str, sqlite_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    """An order's events in its old queue, in the one it had for a moment, and in its new one."""
    await arranged(rabbit_url, before)
    await publish(rabbit_url, orders(60, 0) + orders(60, 1), COLON)
    if after < before:
        async with channel_of(rabbit_url) as channel:
            last = await channel.get_queue(intake_queue(before - 1), ensure=False)
            for exchange in rabbitmq_partitions.HASHES:
                await last.unbind(exchange, rabbitmq_partitions.WEIGHT)
    else:
        await arranged(rabbit_url, 2, is_through=False)
    await publish(rabbit_url, orders(60, 2), COLON)
    settings = settings_for(providers, mailbox, database_url=sqlite_url, broker_url=rabbit_url, intake_partitions=after)
    process = Running(App(settings, roles=("intake",)))
    await process.start()

    async def is_taken() -> bool:
        return len(await process.outcomes()) == 180

    await until(is_taken)
    assert set(await process.outcomes()) == {"accepted"}
    await process.close()


@pytest.mark.usefixtures("quick")
async def test_several_processes_share_them_and_one_takes_over_what_another_had(
    rabbit_url: str, postgres_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    settings = settings_for(providers, mailbox, database_url=postgres_url, broker_url=rabbit_url, intake_partitions=4)
    first, second = (Running(App(settings, roles=("intake",))) for _ in range(2))
    await first.start()
    sent = 20
    await publish(rabbit_url, [event(f"S-{i}", "created") for i in range(sent)], COLON)
    await until(lambda: _has(first, sent))
    await second.start()

    async def both_work() -> bool:
        nonlocal sent
        await publish(rabbit_url, [event(f"S-{sent + i}", "created") for i in range(8)], COLON)
        sent += 8
        await asyncio.sleep(partitions.BALANCE_EVERY_S)
        return bool(first.intake.taken and second.intake.taken)

    await until(both_work)
    await first.stop()
    await publish(rabbit_url, [event(f"S-{i}", "assigned", minutes(1)) for i in range(sent)], COLON)

    async def is_taken() -> bool:
        return len(await second.outcomes()) == 2 * sent

    await until(is_taken)
    assert set(await second.outcomes()) == {"accepted"}
    await first.close()
    await second.close()


@pytest.mark.usefixtures("quick")
async def test_an_order_met_in_two_partitions_is_told_once(
    rabbit_url: str, sqlite_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    settings = settings_for(providers, mailbox, database_url=sqlite_url, broker_url=rabbit_url, intake_partitions=4)
    process = Running(App(settings, roles=("intake",)))
    await process.start()
    with capture_logs() as logs:
        await publish(rabbit_url, orders(12), COLON)
        await until(lambda: _has(process, 12))
        await publish(rabbit_url, orders(12, 1) + orders(12, 2))
        await until(lambda: _has(process, 36))
    told = [line for line in logs if line["event"] == "intake.order_in_two_partitions"]
    by_hash = {line["order_id"]: line["partitions"] for line in told}
    assert 0 < len(told) == len(by_hash) < 12, "those that the hash put elsewhere, each once"
    assert all(low == 0 < high for low, high in by_hash.values())
    await process.close()


async def _has(process: Running, count: int) -> bool:
    return len(await process.outcomes()) == count


async def test_what_another_process_met_elsewhere_is_told_too(world: World) -> None:
    here, there, later = (Sightings(world.app.orders, n) for n in (4, 4, 5))
    refs = [_ref(n) for n in range(600)]
    for ref in refs:
        here.saw(ref, 1)
        later.saw(ref, 2)
    there.saw(refs[7], 2)
    there.saw(refs[8], 1)
    await here.exchange()
    with capture_logs() as logs:
        await there.exchange()
    (told,) = [line for line in logs if line["event"] == "intake.order_in_two_partitions"]
    assert (told["order_id"], told["partitions"]) == ("Q-7", [1, 2])
    with capture_logs() as logs:
        await later.exchange()
    assert not [line for line in logs if line["log_level"] == "warning"], "another number is no contradiction"


def _ref(n: int) -> OrderRef:
    return OrderRef("device_pickup", f"Q-{n}")


@pytest.mark.usefixtures("quick")
async def test_what_was_bound_otherwise_is_put_right_and_a_queue_of_before_may_be_deleted(
    rabbit_url: str, sqlite_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    await arranged(rabbit_url, 3)
    settings = settings_for(providers, mailbox, database_url=sqlite_url, broker_url=rabbit_url, intake_partitions=2)
    process = Running(App(settings, roles=("intake",)))
    await process.start()
    async with channel_of(rabbit_url) as channel:
        exchange = await channel.get_exchange("stagebell.partitions", ensure=False)

        async def is_mended() -> bool:
            await publish(rabbit_url, [event(f"M-{i}", "created") for i in range(3)], COLON)
            return len(await process.outcomes()) > 0

        await until(is_mended)
        await exchange.unbind(ORDERS, INTAKE_BINDING)
        before = len(await process.outcomes())

        async def comes_again() -> bool:
            await publish(rabbit_url, [event(f"M-{i}", "created") for i in range(3)], COLON)
            return len(await process.outcomes()) > before

        await until(comes_again)
        await channel.queue_delete(intake_queue(2))
    again = RabbitBroker(rabbit_url, 2)
    await again.connect(())

    async def is_gone() -> bool:
        try:
            await again.subscribe(intake_queue(2), 10)
        except PartitionsHeld:
            return False  # the process has not said yet that its change is over
        except QueueGone:
            return True
        raise AssertionError("a queue that was deleted is there again")

    await until(is_gone)
    await again.close()
    assert process.task is not None
    assert not process.task.done()
    await process.close()


@pytest.mark.usefixtures("quick")
async def test_two_do_not_change_them_at_the_same_time(rabbit_url: str) -> None:
    first, second = RabbitBroker(rabbit_url, 2), RabbitBroker(rabbit_url, 3)
    for broker in (first, second):
        await broker.connect(())
    consuming = await second.subscribe(INTAKE, 10)
    assert await first.arrange_partitions() == Partitioning(((0,), (1,)))
    with pytest.raises(PartitionsHeld, match="another process"):
        await second.arrange_partitions()
    await publish(rabbit_url, orders(1))
    assert len(await consuming.batch(10)) == 1, "whoever waits for its turn consumes on"
    await first.settle_partitions()
    assert await second.arrange_partitions() == Partitioning(((0,), (1,), (2,)))
    await second.close()
    assert await first.arrange_partitions() == Partitioning(((0,), (1,))), "the end of a connection lets go"
    await first.settle_partitions()
    assert await first.arrange_partitions() == Partitioning(((0, 1),))
    await first.close()


async def test_who_may_not_make_them_works_with_what_there_is(rabbit_url: str) -> None:
    theirs = rabbit_url.replace("guest:guest", READER)
    await arranged(rabbit_url, 1)
    broker = RabbitBroker(theirs, 2)
    await broker.connect(())
    with pytest.raises(BrokerRefused, match=r"no queue stagebell\.intake\.1"):
        await broker.arrange_partitions()
    await broker.close()
    await arranged(rabbit_url, 2)
    assert await arranged(theirs, 2) == Partitioning(((0, 1),))
