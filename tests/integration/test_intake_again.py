"""Messages that the broker hands out again: most only waited when a process ended, one may be why it did."""

import msgspec
import pytest

from service.intake import deciding
from service.intake.decoding import Incoming
from service.intake.intake import MAX_ATTEMPTS, Intake
from service.intake.reading import read_messages
from service.ledger.orders import inbox
from tests.support.events import CUSTOMER, event
from tests.support.world import World


def again(n: int) -> Incoming:
    body = msgspec.json.encode(event(f"ORD-{n}", "created", recipients={"customer": CUSTOMER}))
    return Incoming(body, "application/cloudevents+json", redelivered=True)


async def _count(world: World, messages: list[Incoming]) -> None:
    """As a process does that ends in the middle of these."""
    reads = await read_messages(messages, world.app.orders.keyring)
    async with world.app.ledger.transaction() as tx:
        await inbox.count_attempts(tx, (r.key for r in reads), world.clock.now())


async def test_what_only_waited_is_taken_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    first = Intake._take_first

    async def counting(self: Intake, reads: list[object], dead_letter: bool) -> object:
        sizes.append(len(reads))
        return await first(self, reads, dead_letter)  # type: ignore[arg-type]

    monkeypatch.setattr(Intake, "_take_first", counting)
    messages = [again(n) for n in range(20)]
    verdicts = await world.app.intake.take_until_committed(messages)
    assert [v.outcome for v in verdicts] == ["accepted"] * 20
    assert sizes == [20]
    assert {v.outcome for v in await world.app.intake.take_until_committed(messages)} == {"duplicate"}


async def test_what_ended_the_process_each_time_is_refused_and_its_neighbours_are_not(world: World) -> None:
    poison, neighbours = again(50), [again(51), again(52)]
    await _count(world, [poison, *neighbours])
    for _ in range(MAX_ATTEMPTS - 1):
        await _count(world, [poison])
    verdicts = await world.app.intake.take_until_committed([poison, *neighbours])
    assert [v.outcome for v in verdicts] == ["rejected", "accepted", "accepted"]
    assert "ended 5 times" in verdicts[0].reason


async def test_more_messages_than_a_transaction_holds_are_planned_in_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "MOST_MESSAGES", 2)
    messages = [again(n) for n in range(70, 76)]
    assert [v.outcome for v in await world.app.intake.take_until_committed(messages)] == ["accepted"] * 6
    assert {v.outcome for v in await world.app.intake.take_until_committed(messages)} == {"duplicate"}
