"""The stream of escalations, as a page reads it."""

import asyncio
import json
from typing import Any

from tests.support.world import World


async def read_stream(client: Any, world: World, last: str, count: int) -> list[tuple[str, dict[str, Any]]]:
    """(id, event) of so many lines."""
    found: list[tuple[str, dict[str, Any]]] = []
    headers = {**client._headers, "Last-Event-ID": last}
    async with (
        asyncio.timeout(10),
        client.session.get(f"{world.http}/v1/escalations/stream", headers=headers) as answer,
    ):
        assert answer.status == 200
        number = ""
        async for raw in answer.content:
            line = raw.decode().strip()
            if line.startswith("id:"):
                number = line[3:].strip()
            if line.startswith("data:") and line[5:].strip():
                found.append((number, json.loads(line[5:])))
                if len(found) == count:
                    return found
    return found
