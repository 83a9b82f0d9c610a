"""An OpenTelemetry collector as far as traces go: it takes OTLP over HTTP, as protobuf, and keeps the spans."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback_server import QuietHandler, serving
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """What came, by the service that sent it."""

    url: str = ""
    spans: dict[str, list[Span]] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)

    def named(self, service: str, name: str) -> Span:
        """The one span of that name."""
        (found,) = [span for span in self.spans[service] if span.name == name]
        return found

    def take(self, body: bytes) -> None:
        self.bodies.append(body)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = {one.key: one.value.string_value for one in group.resource.attributes}["service.name"]
            for scope in group.scope_spans:
                self.spans.setdefault(service, []).extend(scope.spans)


def attributes(span: Span) -> dict[str, Any]:
    """The span's attributes as plain values."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    """One that listens on a free port of loopback."""

    found = Collector()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.read_body()
            assert self.path == "/v1/traces"
            found.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serving(Handler) as address:
        found.url = f"http://{address}"
        yield found
