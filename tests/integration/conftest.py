"""Callers of each role."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.support.client import Client, key_for
from tests.support.world import World

Caller = Callable[[str], Awaitable[Client]]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All scenarios are played on SQLite; on the real parts every fourth, and the others in the long form."""
    on_real_parts = [i for i in items if i.name.startswith("test_scenario[postgres")]
    for n, item in enumerate(on_real_parts):
        if n % 4:
            item.add_marker(pytest.mark.long)


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
