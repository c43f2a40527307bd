"""A stand-in for an S3-compatible store: stores objects over HTTP, and rejects unsigned requests."""

from aiohttp import web


class Bucket:
    """Objects by path; `refuses`: a status for every request."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.refuses = 0
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=10 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _answer(self, request: web.Request) -> web.Response:
        signed = request.headers.get("Authorization", "")
        if self.refuses or not signed.startswith("AWS4-HMAC-SHA256 Credential=key-id/"):
            return web.Response(status=self.refuses or 403)
        if request.method == "PUT":
            self.objects[request.path] = await request.read()
            return web.Response()
        if request.method == "DELETE":
            self.objects.pop(request.path, None)
            return web.Response(status=204)
        found = self.objects.get(request.path)
        return web.Response(body=found) if found is not None else web.Response(status=404)

    async def close(self) -> None:
        """Stop."""
        if self._runner is not None:
            await self._runner.cleanup()
