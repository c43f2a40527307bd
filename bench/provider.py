"""The provider for all contenders: accepts POSTs and records their times. Run as `python -m bench.provider PORT`."""

import asyncio
import re
import sys
import time

import uvloop
from aiohttp import web

ORDER = re.compile(rb"B-(\d+)-(\d+)")
CODE_TO = re.compile(rb"To=%2B(9198\d+)")  # the reader of a code, whose text has no order id


class Provider:
    """Counts requests; `times` maps an order to the time of its first message."""

    def __init__(self) -> None:
        self.count = 0
        self.first = self.last = 0.0
        self.times: dict[str, float] = {}

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        now = time.time()
        self.count += 1
        self.first = self.first or now
        self.last = now
        if found := ORDER.search(body):
            self.times.setdefault(found[0].decode(), now)
        if found := CODE_TO.search(body):
            self.times.setdefault(found[1].decode(), now)
        return web.json_response(
            {"sid": f"SM{self.count:032d}", "status": "queued", "name": "x"},
            status=201 if "json" not in request.content_type else 200,
        )

    async def token(self, _request: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"})

    async def stats(self, _request: web.Request) -> web.Response:
        return web.json_response({"count": self.count, "first": self.first, "last": self.last, "times": self.times})

    async def reset(self, _request: web.Request) -> web.Response:
        self.__init__()  # type: ignore[misc]
        return web.Response()


async def main(port: int) -> None:
    p = Provider()
    app = web.Application()
    app.router.add_get("/stats", p.stats)
    app.router.add_post("/reset", p.reset)
    app.router.add_post("/token", p.token)
    app.router.add_post("/{tail:.*}", p.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
