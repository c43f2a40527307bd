"""OpenTelemetry traces: from the publisher's `traceparent` through decision, commit and send.

Spans contain ids only. Exporting is on if the standard OTEL_EXPORTER_OTLP_ENDPOINT (or the traces one) is set; the
other standard variables apply as in OpenTelemetry's specification, "Environment Variable Specification".
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service import __version__

_propagator = TraceContextTextMapPropagator()
_exporting = False
_tracer = trace.get_tracer("stagebell", __version__)


def configure() -> None:
    """Export spans if an endpoint is set; raises ValueError for an unsupported protocol."""
    wanted = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    if exporter == "none" or not any(os.environ.get(name) for name in wanted):
        return
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if exporter != "otlp" or protocol not in (None, "", "http/protobuf"):
        raise ValueError(
            "OTEL_EXPORTER_OTLP_PROTOCOL: only http/protobuf is supported; set that and a collector's port 4318,"
            " or OTEL_TRACES_EXPORTER=none"
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence over our defaults.
    ours = Resource({"service.name": "stagebell", "service.version": __version__})
    declared = Resource.create()
    unnamed = str(declared.attributes.get("service.name", "")).startswith("unknown_service")
    resource = declared.merge(ours) if unnamed else ours.merge(declared)
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    global _exporting  # noqa: PLW0603 - once, at the start of the process
    _exporting = True


def span(
    name: str, parent: str | None = None, *, outward: bool = False, **attributes: str | int
) -> AbstractContextManager[Span]:
    """A span below the current one, or below `parent`, a W3C traceparent; does nothing without an exporter."""
    if not _exporting:
        return nullcontext(INVALID_SPAN)
    return _recorded(name, parent, outward, attributes)


@contextmanager
def _recorded(name: str, parent: str | None, outward: bool, attributes: Mapping[str, str | int]) -> Iterator[Span]:
    context: Context | None = _propagator.extract({"traceparent": parent}) if parent else None
    kind = SpanKind.CLIENT if outward else SpanKind.INTERNAL
    with _tracer.start_as_current_span(name, context=context, kind=kind, attributes=attributes) as current:
        yield current


def ended(current: Span, outcome: str, code: str = "", *, failed: bool) -> None:
    """Set the outcome of a span, without personal data; `code`: the provider's code."""
    current.set_attribute("outcome", outcome)
    if failed:
        current.set_attribute("error.type", code or outcome)
        current.set_status(StatusCode.ERROR, code or outcome)


def record(name: str, began_ns: int, parents: Iterable[str], **attributes: str | int) -> None:
    """Record a span that just ended, once below each parent, for work done for several at a time.

    `began_ns`: Unix time in nanoseconds. `parents`: W3C traceparents; empty ones are ignored.
    """
    if not _exporting:
        return
    for parent in parents:
        if parent:
            context = _propagator.extract({"traceparent": parent})
            _tracer.start_span(name, context, start_time=began_ns, attributes=attributes).end()


def traceparent_of(current: Span) -> str:
    """The W3C traceparent for work that continues this span; empty if it is not recorded."""
    if not current.get_span_context().is_valid:
        return ""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, context=trace.set_span_in_context(current))
    return carrier.get("traceparent", "")
