"""For operators: alive, ready (and if not, which part), metrics."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.web.context import CONTEXT


async def healthz(request: web.Request) -> web.StreamResponse:
    """The process runs."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.StreamResponse:
    """200 while this process is of use, `degraded` with the part named when it limps; 503 when it is not, or drains."""
    found = await request.app[CONTEXT].readiness()
    said = {"status": found.status, "parts": {**found.parts, **found.lame}}
    return web.json_response(said, status=200 if found.usable else 503)


async def metrics(request: web.Request) -> web.StreamResponse:
    """Prometheus text."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
