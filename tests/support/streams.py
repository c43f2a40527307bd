"""Reads the stream of escalations like a page."""

import asyncio
import json
from typing import Any

from tests.support.world import World


async def listening(client: Any, world: World, last: str, count: int) -> asyncio.Task[list[tuple[str, dict[str, Any]]]]:
    """Like `read_stream`, as a task that has started listening."""
    heard = asyncio.Event()
    task = asyncio.create_task(read_stream(client, world, last, count, heard))
    await asyncio.wait([task, asyncio.ensure_future(heard.wait())], return_when=asyncio.FIRST_COMPLETED)
    return task


async def read_stream(
    client: Any, world: World, last: str, count: int, heard: asyncio.Event | None = None
) -> list[tuple[str, dict[str, Any]]]:
    """(id, event) of so many lines. `heard`: set with the first line, which says that the stream is open."""
    found: list[tuple[str, dict[str, Any]]] = []
    headers = {**client._headers, "Last-Event-ID": last}
    async with (
        asyncio.timeout(60),
        client.session.get(f"{world.http}/v1/escalations/stream", headers=headers) as answer,
    ):
        assert answer.status == 200
        number = ""
        async for raw in answer.content:
            line = raw.decode().strip()
            if line and heard is not None:
                heard.set()
            if line.startswith("id:"):
                number = line[3:].strip()
            if line.startswith("data:") and line[5:].strip():
                found.append((number, json.loads(line[5:])))
                if len(found) == count:
                    return found
    return found
