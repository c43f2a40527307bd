"""Callers of each role."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.support.client import Client, key_for
from tests.support.world import World

Caller = Callable[[str], Awaitable[Client]]


@pytest.fixture
async def caller(world: World) -> AsyncIterator[Caller]:
    """Makes a client with a new key of a role; an empty role has no key."""
    clients: list[Client] = []

    async def make(role: str) -> Client:
        client = Client(world, await key_for(world, role) if role else "")  # type: ignore[arg-type]
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.close()
