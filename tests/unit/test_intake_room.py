"""Intake waits a moment until what it takes can be sent at once, and never for long."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

from service.intake.line import MOST_EVENTS
from service.intake.room import FEWEST, Room
from service.intake.sooner import Begins, Later


class Channels(Later):
    """Whoever sends, with as many free places as the test says."""

    def __init__(self, free: int | None) -> None:
        super().__init__()
        self.free = free

    def room(self, wanted: int) -> int | None:
        """What is free, at most what is wanted."""
        return None if self.free is None else min(self.free, wanted)

    def carrying(self) -> AbstractAsyncContextManager[Begins]:
        """Never asked here."""
        return nullcontext(self)


async def test_where_nobody_sends_all_that_is_there_is_taken() -> None:
    assert await Room(Later()).wait(3) == MOST_EVENTS
    assert await Room(Channels(None)).wait(3) == MOST_EVENTS


async def test_as_many_as_there_is_room_for() -> None:
    assert await Room(Channels(30)).wait(80) == 30
    assert await Room(Channels(30)).wait(2) == 2
    assert await Room(Channels(400)).wait(800) == MOST_EVENTS


async def test_it_goes_on_as_soon_as_a_place_is_free() -> None:
    channels = Channels(0)
    waiting = asyncio.create_task(Room(channels).wait(80))
    await asyncio.sleep(0)
    channels.free = 20
    channels.freed.set()
    assert await waiting == 20


async def test_it_waits_in_vain_for_a_moment_and_takes_more_each_time() -> None:
    channels = Channels(0)
    room = Room(channels)
    assert [await room.wait(80) for _ in range(4)] == [FEWEST, 2 * FEWEST, MOST_EVENTS, MOST_EVENTS]
    channels.free = 40
    assert await room.wait(80) == 40
    channels.free = 0
    assert await room.wait(80) == FEWEST, "there was room in between"
