"""For operators: alive, ready (and if not, which part), metrics."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.web.context import CONTEXT


async def healthz(request: web.Request) -> web.StreamResponse:
    """The process runs."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.StreamResponse:
    """Every part that this process needs is there."""
    parts = await request.app[CONTEXT].readiness()
    ready = all(state == "ok" for state in parts.values())
    return web.json_response({"status": "ok" if ready else "not ready", "parts": parts}, status=200 if ready else 503)


async def metrics(request: web.Request) -> web.StreamResponse:
    """Prometheus text."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
