"""The interface through which intake has messages sent by the same process, as soon as they are committed."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from service.unit_of_work import UnitOfWork


class Begins(Protocol):
    """Begins, within a transaction and before it is written, what is sent right after it."""

    async def begin(self, u: UnitOfWork) -> None:
        """Begin what may go of what this unit of work plans."""
        ...


class Sooner(Protocol):
    """Whoever sends in this process. `freed`: set when there may be more room."""

    freed: asyncio.Event

    def room(self, wanted: int) -> int | None:
        """How many of so many messages every channel would begin now, 0 where there is more soon.

        None: waiting is of no use.
        """
        ...

    @property
    def ended(self) -> int:
        """How many sends have ended so far."""
        ...

    def carrying(self) -> AbstractAsyncContextManager[Begins]:
        """Around one transaction: what it begins goes out when this is left, and not at all when it fails."""
        ...


class Later:
    """Sends nothing: all messages wait to be claimed."""

    def __init__(self) -> None:
        self.freed = asyncio.Event()

    def room(self, wanted: int) -> int | None:
        """Nothing is sent here."""
        return None

    @property
    def ended(self) -> int:
        return 0

    def carrying(self) -> AbstractAsyncContextManager[Begins]:
        return nullcontext(self)

    async def begin(self, u: UnitOfWork) -> None:
        """Nothing."""
