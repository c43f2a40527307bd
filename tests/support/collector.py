"""A stand-in OpenTelemetry collector: OTLP over HTTP with protobuf, as the SDK's exporters use it."""

import gzip

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.standin import StandIn


class Collector(StandIn):
    """Records each span, and all received bytes."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.raw = b""
        self.resource: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        """The endpoint of exporters."""
        return [web.post("/v1/traces", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource |= {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return web.Response(content_type="application/x-protobuf")

    def of_trace(self, trace_id: str) -> list[Span]:
        """The spans of one trace (32 hex digits)."""
        return [s for s in self.spans if s.trace_id.hex() == trace_id]
