"""A request told to a collector over the network: under its caller's span, with the legs of its search inside."""

from __future__ import annotations

from pathlib import Path

from api_world import world
from collector import attributes, collector
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_query_is_followed_through_its_legs(tmp_path: Path) -> None:
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    with collector() as found:
        with world(tmp_path, otlp_endpoint=found.url, otlp_sample_ratio=0.0) as served:
            answered = served.call(
                "POST", "/v1/search", json={"query": "warranty", "collection": "docs"}, headers=headers
            )
            assert answered.status_code == 200
            served.search("a question that nobody asked to trace")
        request, search = found.named("kb-api", "POST /v1/search"), found.named("kb-api", "search")

    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, CALLER)
    assert request.kind == Span.SPAN_KIND_SERVER
    told = attributes(request)
    assert (told["http.route"], told["http.response.status_code"]) == ("/v1/search", 200)
    assert told["kb.request_id"] == answered.headers["X-Request-Id"]
    assert search.parent_span_id == request.span_id
    stages = [span for span in found.spans["kb-api"] if span.parent_span_id == search.span_id]
    assert {"filter", "sparse", "encode", "dense", "fuse", "check", "highlight"} <= {span.name for span in stages}
    stages.sort(key=lambda span: span.start_time_unix_nano)
    for one, following in zip(stages, stages[1:], strict=False):
        assert one.end_time_unix_nano <= following.start_time_unix_nano + 1000, "stages follow each other"
    assert b"warranty" not in b"".join(found.bodies), "no query leaves in a trace"


def test_a_share_of_requests_is_traced_unasked_and_failures_are_marked(tmp_path: Path) -> None:
    with collector() as found:
        with world(tmp_path, otlp_endpoint=found.url, otlp_sample_ratio=1.0) as served:
            served.call("GET", "/v1/collections/none")
            served.kb.search = None  # type: ignore[method-assign, assignment]  # anything that nobody foresaw
            assert served.search("warranty").status_code == 500
        refused, failed = (
            found.named("kb-api", "GET /v1/collections/{collection}"),
            found.named("kb-api", "POST /v1/search"),
        )

    assert refused.status.code != Status.STATUS_CODE_ERROR, "the caller's mistake is not our failure"
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert not failed.parent_span_id
