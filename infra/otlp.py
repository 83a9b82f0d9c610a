"""Spans to a collector by OpenTelemetry's SDK, over OTLP/HTTP."""

from __future__ import annotations

import threading
from importlib.metadata import version

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from infra.telemetry import Place, Span

TRACES_PATH = "/v1/traces"  # OTLP/HTTP specification
SEND_SECONDS = 5.0  # for one request to the collector
NANOSECONDS = 1_000_000_000
LOW_64_BITS = 2**64 - 1


def exporter(endpoint: str) -> SpanExporter:
    """Sends to a collector's base address; headers and certificates come from OTEL_EXPORTER_OTLP_… variables."""
    base = endpoint.rstrip("/")
    return OTLPSpanExporter(base if base.endswith(TRACES_PATH) else base + TRACES_PATH, timeout=SEND_SECONDS)


class _Ids(RandomIdGenerator):
    """Random, unless the thread has asked for certain ones for its next span."""

    def __init__(self) -> None:
        self._asked = threading.local()

    def ask(self, place: Place) -> None:
        self._asked.trace_id, self._asked.span_id = place.trace_id, place.span_id

    def generate_trace_id(self) -> int:
        asked = self._asked.__dict__.pop("trace_id", None)
        return super().generate_trace_id() if asked is None else asked

    def generate_span_id(self) -> int:
        asked = self._asked.__dict__.pop("span_id", None)
        return super().generate_span_id() if asked is None else asked


class OtlpTraces:
    """`Traces` through the SDK: a share `ratio` of traces is kept, chosen by the trace's number.

    So all processes with one ratio keep the same ones; a caller's `traceparent` decides for its own.
    """

    def __init__(self, exporter: SpanExporter, service: str, ratio: float) -> None:
        self._ids = _Ids()
        self._bound = TraceIdRatioBased.get_bound_for_rate(ratio)
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)),
            resource=Resource.create({"service.name": service, "service.version": version("autoglm-kb")}),
            id_generator=self._ids,
            shutdown_on_exit=False,  # `close` does
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("autoglm-kb")

    def keeps(self, place: Place) -> bool:
        """See `Traces`."""
        return (place.trace_id & LOW_64_BITS) < self._bound if place.sampled is None else place.sampled

    def record(
        self, span: Span, *, place: Place | None = None, parent: Place | None = None, link: Place | None = None
    ) -> Place:
        """See `Traces`."""
        if place is not None:
            self._ids.ask(place)
        context = contexts.Context() if parent is None else self._under(parent)
        links = [] if link is None or not self.keeps(link) else [Link(self._context(link))]  # else it leads nowhere
        return self._record(span, context, links)

    def close(self) -> None:
        """See `Traces`."""
        self._provider.shutdown()

    def _record(self, span: Span, context: contexts.Context, links: list[Link]) -> Place:
        kind = SpanKind.SERVER if span.serves else SpanKind.INTERNAL
        told = self._tracer.start_span(
            span.name, context, kind, span.attributes, links, start_time=int(span.began * NANOSECONDS)
        )
        at = told.get_span_context()
        if told.is_recording():
            if span.failed:
                told.set_status(Status(StatusCode.ERROR))
            inside = trace.set_span_in_context(told, contexts.Context())
            for child in span.children:
                self._record(child, inside, [])
            told.end(int(span.ended * NANOSECONDS))
        return Place(at.trace_id, at.span_id, at.trace_flags.sampled)

    def _context(self, place: Place) -> SpanContext:
        flags = TraceFlags(TraceFlags.SAMPLED if self.keeps(place) else TraceFlags.DEFAULT)
        return SpanContext(place.trace_id, place.span_id, is_remote=True, trace_flags=flags)

    def _under(self, parent: Place) -> contexts.Context:
        return trace.set_span_in_context(NonRecordingSpan(self._context(parent)), contexts.Context())
