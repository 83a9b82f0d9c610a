"""Traces: what is told reaches a collector as a tree, and two processes that never met tell of one row together."""

from __future__ import annotations

import builtins
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from change_events import event, live_source
from collector import attributes, collector
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry

from api.knowledge_base import KnowledgeBase
from api.sources.pipelines import Pipelines
from api.telemetry.searchable import SearchableMonitor
from api.telemetry.traces import ArrivalTraces
from api.telemetry.worker_traces import WorkerTraces
from infra.otlp import SEND_SECONDS, OtlpTraces
from infra.settings import SettingsError, load_settings
from infra.telemetry import Place, Span, end_to_end
from infra.tracing import open_traces
from ingest.kafka.applier import Applier
from ingest.kafka.live_sources import LiveSource
from ingest.kafka.message import Message
from ingest.kafka.observer import Unobserved

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"  # the specification's own example


@pytest.mark.parametrize(
    ("header", "place"),
    [
        (TRACEPARENT, Place(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, True)),
        (TRACEPARENT[:-1] + "0", Place(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, False)),
        ("01" + TRACEPARENT[2:] + "-later", Place(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, True)),
        ("", None),
        ("ff" + TRACEPARENT[2:], None),
        (TRACEPARENT.upper(), None),
        (TRACEPARENT.replace("b7ad6b7169203331", "0" * 16), None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
    ],
)
def test_traceparent_is_read_as_the_specification_says(header: str, place: Place | None) -> None:
    assert Place.parse(header) == place


def test_places_are_derived_alike_and_apart() -> None:
    assert Place.derived("c", 1, "k", "p") == Place.derived("c", 1, "k", "p")
    assert Place.derived("a", "bc") != Place.derived("ab", "c")


def test_a_span_is_told_with_its_children_where_it_belongs() -> None:
    kept = InMemorySpanExporter()
    traces = OtlpTraces(kept, "test", 0.0)
    parent, link = Place(5, 6, True), Place(7, 8, True)
    stages = end_to_end(100.0, {"one": 0.25, "two": 0.5})
    place = traces.record(Span("whole", 100.0, 101.0, {"n": 3}, stages, failed=True), parent=parent, link=link)
    traces.close()
    spans = {span.name: span for span in kept.get_finished_spans()}
    whole = spans["whole"]
    assert (whole.context.trace_id, whole.parent.span_id) == (5, 6), "the caller had it sampled; our ratio is zero"
    assert place == Place(5, whole.context.span_id, True)
    assert [one.context.span_id for one in whole.links] == [8]
    assert whole.attributes == {"n": 3} and whole.status.status_code is StatusCode.ERROR
    assert {spans[name].parent.span_id for name in ("one", "two")} == {whole.context.span_id}
    assert (spans["two"].start_time, spans["two"].end_time) == (100_250_000_000, 100_750_000_000)


def test_a_span_links_to_nothing_that_is_not_kept() -> None:
    kept = InMemorySpanExporter()
    traces = OtlpTraces(kept, "test", 0.5)
    batches = [traces.record(Span("batch", 1.0, 2.0)) for _ in range(40)]
    for batch in batches:
        traces.record(Span("row", 1.0, 2.0), parent=Place(5, 6, True), link=batch)
    traces.close()
    told = kept.get_finished_spans()
    batches_told = {span.context.span_id for span in told if span.name == "batch"}
    links = [link.context.span_id for span in told for link in span.links]
    assert sorted(links) == sorted(batches_told)
    assert 0 < len(links) < len(batches) == sum(span.name == "row" for span in told)


def test_processes_of_one_ratio_keep_the_same_traces() -> None:
    kept = InMemorySpanExporter()
    first, second = OtlpTraces(kept, "one", 0.3), OtlpTraces(InMemorySpanExporter(), "two", 0.3)
    places = [Place.derived(number) for number in range(1000)]
    chosen = [place for place in places if second.keeps(place)]
    for place in places:
        first.record(Span("row", 1.0, 2.0), place=place)
    first.close()
    second.close()
    told = {(span.context.trace_id, span.context.span_id) for span in kept.get_finished_spans()}
    assert told == {(place.trace_id, place.span_id) for place in chosen}
    assert 230 < len(chosen) < 370


def test_a_row_is_followed_from_its_event_until_searches_see_it(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, encoder="hash")
    with collector() as found, KnowledgeBase.open(settings) as kb:
        traces = [_traces(found.url, service) for service in ("worker", "api")]
        collection = kb.create_collection("shop")
        source = LiveSource.of(live_source(kb.catalog, collection, "faqs", "kb-1"))
        worker = WorkerTraces(kb.catalog, traces[0], Unobserved())
        pipeline = Pipelines(kb).of(collection.id)
        kb.runtime("shop")
        monitor = SearchableMonitor(kb, CollectorRegistry(), ArrivalTraces(kb.catalog, traces[1]).seen)
        kb.runtimes.forget("shop")
        kb.runtime("shop")
        row = {"id": 7, "title": "T", "body": "fine", "status": "s"}
        message = Message("kb-1.public.faqs", 3, 11, *event("public.faqs", "c", 7, row, 107).message)
        worker.polled(0.25)
        Applier(kb.catalog, source, pipeline, {}, worker, kb.nudge).apply([message])
        kb.write("shop", [], wait=True)
        kb.wait_searchable("shop", kb.catalog.collections.last_seq(collection.id))
        monitor.look()
        for one in traces:
            one.close()

    row_span, seen, batch = (
        found.named("worker", "row"),
        found.named("api", "searchable"),
        found.named("worker", "batch"),
    )
    assert (seen.trace_id, seen.parent_span_id) == (row_span.trace_id, row_span.span_id)
    assert not row_span.parent_span_id, "the trace of a row begins at its source"
    assert [link.span_id for link in row_span.links] == [batch.span_id]
    told = attributes(row_span)
    assert (told["messaging.destination.name"], told["messaging.kafka.offset"]) == ("kb-1.public.faqs", 11)
    assert told["kb.document"] == "public.faqs/7"
    inside = {span.name for span in found.spans["worker"] if span.parent_span_id == batch.span_id}
    assert inside == {"poll", "parse", "map", "prepare", "encode", "commit"}
    assert row_span.end_time_unix_nano <= seen.end_time_unix_nano
    assert b"fine" not in b"".join(found.bodies), "no text of a document leaves in a trace"


def _traces(url: str, service: str) -> OtlpTraces:
    opened = open_traces(load_settings(otlp_endpoint=url, otlp_sample_ratio=1.0), service)
    assert isinstance(opened, OtlpTraces)
    return opened


def test_without_an_endpoint_the_sdk_is_not_even_loaded(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from api.app import create_app; from api.knowledge_base import KnowledgeBase\n"
        "from infra.settings import load_settings\n"
        "settings = load_settings(data_dir=pathlib.Path(sys.argv[1]), encoder='hash')\n"
        "with KnowledgeBase.open(settings) as kb: app = create_app(kb, settings)\n"
        "sys.exit('opentelemetry.sdk' in sys.modules or app.state.services.traces is not None)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=120)


def test_a_missing_extra_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "infra.otlp":
            raise ImportError("No module named 'opentelemetry'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"KB_OTLP_ENDPOINT.*autoglm-kb\[telemetry\]"):
        open_traces(load_settings(otlp_endpoint="http://127.0.0.1:1"), "test")


def test_a_collector_that_is_away_costs_seconds_at_the_end_and_nothing_before() -> None:
    traces = _traces("http://127.0.0.1:1", "test")  # nobody listens on port 1
    began = time.perf_counter()
    for _ in range(100):
        traces.record(Span("batch", 1.0, 2.0))
    assert time.perf_counter() - began < SEND_SECONDS, "telling waits for nobody"
    traces.close()
    assert time.perf_counter() - began < 6 * SEND_SECONDS
