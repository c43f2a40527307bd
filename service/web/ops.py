"""Liveness, readiness (and which part is not ready), and metrics."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.web.context import CONTEXT


async def healthz(request: web.Request) -> web.StreamResponse:
    """The process runs."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.StreamResponse:
    """200 while this process works, `degraded` naming the part that does not; 503 when it cannot work, or drains."""
    found = await request.app[CONTEXT].readiness()
    body = {"status": found.status, "parts": {**found.parts, **found.lame}}
    return web.json_response(body, status=200 if found.usable else 503)


async def metrics(request: web.Request) -> web.StreamResponse:
    """Prometheus text."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
