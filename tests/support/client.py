"""Calls to the running service, in each role."""

import contextlib
from collections.abc import Sequence
from typing import Any

import aiohttp
from sqlalchemy.exc import DBAPIError

from service.domain.scopes import read_scope
from service.ledger.access import api_keys as keys
from service.ledger.access.api_keys import Role
from tests.support.world import World

TRIES = 3
ROLES: tuple[Role, ...] = ("publisher", "agent", "supervisor", "admin")


async def key_for(world: World, role: str, name: str = "", scopes: Sequence[str] = ()) -> str:
    """Create an API key."""
    for _ in range(TRIES):
        with contextlib.suppress(DBAPIError):
            async with world.ledger.transaction() as tx:
                return await keys.create(tx, role, name or role, world.clock.now(), read_scope(scopes))
    raise AssertionError("the database stays away")


class Client:
    """A caller."""

    def __init__(self, world: World, key: str) -> None:
        self._base = world.http
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.session = aiohttp.ClientSession()

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """Status and decoded answer; retried while a part of the service is unavailable."""
        headers = {**self._headers, **more.pop("headers", {})}
        for _ in range(TRIES):
            status, answer = await self._call(method, path, body, headers, more)
            if status != 503:
                break
        return status, answer

    async def _call(
        self, method: str, path: str, body: Any, headers: dict[str, str], more: dict[str, Any]
    ) -> tuple[int, Any]:
        async with self.session.request(method, self._base + path, json=body, headers=headers, **more) as response:
            if "json" in response.content_type:
                return response.status, await response.json()
            return response.status, await response.text()

    async def get(self, path: str) -> tuple[int, Any]:
        """GET."""
        return await self.call("GET", path)

    async def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        """POST."""
        return await self.call("POST", path, body)

    async def close(self) -> None:
        """Close the connections."""
        await self.session.close()
