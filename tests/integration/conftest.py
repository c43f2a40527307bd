"""Callers of each role, and ledgers that nothing else uses."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from service.keyring import Keyring
from service.ledger.database.engine import Ledger
from tests.support.client import Client, key_for
from tests.support.world import World

Caller = Callable[..., Awaitable[Client]]


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def url(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    found: str = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def ledger(url: str) -> AsyncIterator[Ledger]:
    """An empty one."""
    found = Ledger(url, Keyring("a secret key for tests, long enough as it is"))
    yield found
    await found.close()


@pytest.fixture
async def caller(world: World) -> AsyncIterator[Caller]:
    """Makes a client with a new key of a role, limited to these scopes; an empty role has no key."""
    clients: list[Client] = []

    async def make(role: str, *scopes: str) -> Client:
        client = Client(world, await key_for(world, role, scopes=scopes) if role else "")
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.close()
