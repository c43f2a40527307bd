"""The dead letters, looked at and tried again: always in the order in which they were refused."""

import random

import msgspec
import pytest

from service.broker import rabbitmq_queues
from service.broker.port import DEAD
from service.domain.erasure import Traces
from service.intake import dead_letters
from service.intake.dead_letters import DeadLetters
from service.intake.decoding import Incoming
from tests.support.events import encoded, event, minutes, person
from tests.support.world import World

STEPS = ("created", "assigned", "vendor_en_route", "at_location", "inspection_started")


async def test_looking_leaves_the_order_of_the_letters_and_a_replay_keeps_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As when a pack was not there yet: whole lives of several orders, refused in one batch.
    lives = [
        {**event(f"D-{n}", status, minutes(k), recipients={"customer": person(n)}), "id": f"{status}-{n}"}
        for k, status in enumerate(STEPS)
        for n in range(8)
    ]
    refused = [{**e, "data": {**e["data"], "workflow": "not_there_yet"}} for e in lives]
    await world.app.intake.take([Incoming(encoded(e)) for e in refused], dead_letter=True)
    letters = DeadLetters(world.app.broker, world.ledger.keyring)

    async def wait_for(count: int) -> None:
        async def there() -> bool:
            return await letters.count() == count

        await world.until(there, f"{count} letters")

    await wait_for(len(lives))
    # RabbitMQ gives back what was looked at in any order, where whoever looked was cut off.
    cut_off = await world.app.broker.take(DEAD, 37)
    random.Random(1).shuffle(cut_off.deliveries)
    await cut_off.close()
    await wait_for(len(lives))
    for limit in (7, 30, 40, 12):
        assert [letter.opened.body for letter in await letters.inspect(limit)] == [encoded(e) for e in refused[:limit]]
    assert await letters.drop({3, 5}, 5) == 2
    assert await letters.replay({1}, 1) == 1
    await wait_for(len(lives) - 2)
    left = [letter.order_id for letter in await letters.inspect(100)]
    assert left == ["D-1", "D-3", "D-5", "D-6", "D-7", *(e["subject"] for e in refused[8:]), "D-0"]
    # More than one window, in each of which somebody is found; the others keep their order.
    monkeypatch.setattr(dead_letters, "WINDOW", 16)
    monkeypatch.setattr(rabbitmq_queues, "COMMANDS_AT_ONCE", 1)
    assert await letters.forget(Traces(frozenset({person(1)["phone"]}))) == len(STEPS)
    await wait_for(len(left := [order for order in left if order != "D-1"]))
    assert [letter.order_id for letter in await letters.inspect(100)] == left
    # What is refused again is not tried for ever; orders are taken in side by side, each in its own order.
    assert await letters.replay_all(100) == len(left)
    await wait_for(len(left))
    again = [letter.order_id for letter in await letters.inspect(100)]
    steps = [msgspec.json.decode(letter.opened.body)["id"] for letter in await letters.inspect(100)]
    for order in set(left) - {"D-0"}:
        of_order = [step for step, of in zip(steps, again, strict=True) if of == order]
        assert of_order == sorted(of_order, key=lambda step: STEPS.index(step.partition("-")[0]))
    assert await letters.drop_all(20) == 20
    await wait_for(len(left) - 20)
    assert [letter.order_id for letter in await letters.inspect(100)] == again[20:]
