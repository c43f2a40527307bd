"""The base of stand-ins over HTTP: listens on its own port."""

from aiohttp import web


class StandIn:
    """An aiohttp application on 127.0.0.1; subclasses provide its `routes`."""

    url = ""
    _runner: web.AppRunner | None = None

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each."""
        raise NotImplementedError

    async def listen(self) -> None:
        """Start accepting requests."""
        app = web.Application()
        app.router.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()
