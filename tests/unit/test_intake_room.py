"""Intake waits a moment until what it takes can be sent at once, and never for long."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

import pytest

from service.intake import room as rooms
from service.intake.line import MOST_EVENTS
from service.intake.room import FEWEST, FLOWING, Room
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


class Busy(Channels):
    """So many sends end between two looks, and others take their places; after the given number there is room."""

    def __init__(self, looks: int, each: int = FLOWING) -> None:
        super().__init__(0)
        self.looks, self.each, self.count = looks, each, 0

    @property
    def ended(self) -> int:
        self.count += self.each
        self.looks -= 1
        if self.looks == 0:
            self.free = 30
        return self.count


async def test_while_sends_end_it_waits_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "WAIT_S", 0.001)
    assert await Room(Busy(5)).wait(80) == 30
    assert await Room(Busy(5, FLOWING - 1)).wait(80) == FEWEST, "a channel is slow"
    monkeypatch.setattr(rooms, "LONGEST_S", 0.0)
    assert await Room(Busy(5)).wait(80) == FEWEST, "not for ever"
