"""The HTTP server below the application, hardened where aiohttp is lenient.

It inflates no bodies, limits how long a request's head may take, and logs malformed requests as one line without
content: aiohttp would log the bytes, and with them keys and codes.
"""

import asyncio
from typing import Any, Final

import structlog
from aiohttp import web

from service.web.problems import problem_response

log = structlog.get_logger(__name__)
# From the first byte (or the connection) to the end of the head; nginx's usual is 60 s, which is a long time.
HEAD_WITHIN_S: Final = 15.0
# Longer than the proxies in front keep theirs (60 s with nginx and AWS), so that they close first.
KEEP_ALIVE_S: Final = 75.0
# After an answer that did not wait for the rest of the body, so that the client can still read it.
LINGER_S: Final = 2.0
MAX_LINE_BYTES: Final = 8190
MAX_HEADERS: Final = 100


class GuardedHandler(web.RequestHandler):
    """One connection."""

    __slots__ = ("_head_timer", "_head_within_s")

    def __init__(self, manager: web.Server, head_within_s: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._head_within_s = head_within_s
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time limit of the first request's head."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """End the time limit when a head is complete; start it when another one begins."""
        seen = self._request_count
        super().data_received(data)
        if self._request_count != seen:
            self._stop_clock()
        elif self._head_timer is None and self._waits():
            self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Drop the time limit."""
        self._stop_clock()
        super().connection_lost(exc)

    def _waits(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _expect_head(self) -> None:
        self._head_timer = self._loop.call_later(self._head_within_s, self._too_slow)

    def _stop_clock(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if self._waits():
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a malformed request, or an error outside of all handlers, and close; raises ConnectionError."""
        self.log_exception(exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer is sent already")
        if status < 500:
            answer = problem_response(status, "Not readable", "this is no HTTP request that can be understood")
        else:
            answer = problem_response(status, "Internal error", "this is a fault of Stagebell; its log says more")
        answer.force_close()
        return answer

    def log_exception(self, *_: Any, **more: Any) -> None:
        """Log one line with the kind of error; never its message, which repeats what was sent."""
        log.warning("http.unparsable", error=type(more.get("exc_info")).__name__)


class GuardedServer(web.Server):
    """Creates guarded connections."""

    def __init__(self, server: web.Server, head_within_s: float) -> None:
        super().__init__(server.request_handler, request_factory=server.request_factory)
        self._head_within_s = head_within_s

    def __call__(self) -> web.RequestHandler:
        """A new connection."""
        return GuardedHandler(
            self,
            self._head_within_s,
            loop=self._loop,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGER_S,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            max_headers=MAX_HEADERS,
        )


class Runner(web.AppRunner):
    """Runs an application on a guarded server."""

    __slots__ = ("_head_within_s",)

    def __init__(self, app: web.Application, head_within_s: float = HEAD_WITHIN_S) -> None:
        super().__init__(app, access_log=None)
        self._head_within_s = head_within_s

    async def _make_server(self) -> web.Server:
        return GuardedServer(await super()._make_server(), self._head_within_s)
