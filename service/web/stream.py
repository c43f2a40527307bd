"""`/v1/escalations/stream`: server-sent events, resumable after a lost connection."""

import asyncio
import contextlib
import socket
from typing import Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse
from msgspec import Struct

from service.keyring import Keyring
from service.web import stream_places
from service.web.auth import scope_of, stream_right_of
from service.web.broadcast import AT_ONCE, Broadcaster, StreamLine, StreamListener
from service.web.context import CONTEXT
from service.web.known import check_names
from service.web.queries import query_of
from service.web.query_types import StreamQuery

PING_S: Final = 10.0
SEND_TIMEOUT_S: Final = 10.0
MISSED: Final = '{"missed": true, "text": "You missed some: load the lists afresh."}'
# Small, so that a reader who has stopped reading is noticed early, and thousands of readers cost little memory.
SEND_BUFFER: Final = 64 * 1024


async def stream_escalations(request: web.Request) -> web.StreamResponse:
    """Server-sent events; with `Last-Event-ID`, from there on, nothing missed.

    Where that id is unknown (after a restore, or days later), the event `missed` says so, and the stream starts anew.

    Catches up from the ledger, then follows live, until the other side goes or cannot keep up.
    """
    await check_names(request)
    return await _serve(request, request.app[CONTEXT].stream)


async def _serve(request: web.Request, broadcaster: Broadcaster) -> web.StreamResponse:
    query, scope, keyring = query_of(request, StreamQuery), scope_of(request), request.app[CONTEXT].orders.keyring
    last = request.headers.get("Last-Event-ID", query.last_event_id)
    # Without this, a client that has gone would be noticed only with the next line.
    listener = broadcaster.join(query.team, query.workflow, stream_right_of(request), lambda: _is_gone(request))
    try:
        known = await broadcaster.place_of(stream_places.read(keyring, last, scope)) if last else None
        place = known or broadcaster.last
        response = EventSourceResponse(ping_interval=PING_S, send_timeout=SEND_TIMEOUT_S)
        if request.transport is None:
            # They left while their place was looked up: aiohttp-sse takes it that there is somebody.
            return web.Response()
        await response.prepare(request)
        _keep_buffer_small(request)
        with contextlib.suppress(ConnectionError):
            async with response:
                named = stream_places.written(keyring, place, scope)
                await response.send("", event="ready", id=named, retry=1000)
                if last and known is None:
                    await response.send(MISSED, event="missed", id=named)
                await _follow(response, StreamReader(broadcaster, listener, keyring, bool(query.brief)), place.seq)
        return response
    except TimeoutError:
        listener.let_go()
        if request.transport is not None:
            request.transport.abort()
        raise
    finally:
        broadcaster.leave(listener)


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _keep_buffer_small(request: web.Request) -> None:
    connection = request.transport.get_extra_info("socket") if request.transport else None
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


class StreamReader(Struct, frozen=True):
    """A listener, and how lines are written for it. `brief`: without the orders of incidents."""

    broadcaster: Broadcaster
    listener: StreamListener
    keyring: Keyring
    brief: bool = False

    async def wires(self, lines: list[StreamLine]) -> list[bytes]:
        """The lines that the reader may see, as bytes."""
        scope = self.listener.scope
        if scope.is_everything:
            return [line.wire_at(str(line.place), brief=True) if self.brief else line.wire for line in lines]
        seen = await self.broadcaster.visible(lines, scope)
        named = [(line, stream_places.written(self.keyring, line.place, scope)) for line in seen]
        return [line.wire_at(place, brief=self.brief) for line, place in named]


async def _follow(response: EventSourceResponse, reader: StreamReader, seq: int) -> None:
    while missed := await reader.broadcaster.after(seq):
        await _send(response, await reader.wires([line for line in missed if reader.listener.wants(line)]))
        seq = missed[-1].seq
        if len(missed) < AT_ONCE:
            break
    while not reader.listener.over:
        await _send(response, await reader.wires([line for line in await reader.listener.take() if line.seq > seq]))


async def _send(response: EventSourceResponse, wires: list[bytes]) -> None:
    """Send all lines in one write; raises TimeoutError when the client does not read them."""
    if wires:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await response.write(b"".join(wires))
