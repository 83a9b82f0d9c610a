"""A worker on a real Kafka: new text, metadata-only changes and the freshness of a change at 100 a second.

New text is set against the encoder alone, in turns: passages that the worker has embedded, on the same threads, in
batches as large as the worker's, before and after each round; of 45 tokens, such as a row of a table has, of 70, such
as an answer of a few lines, and of about 200, such as an article. The worker's clock runs from the first message it
reads: joining the group is not its throughput. A first round is not counted: its passages are those that the encoder
takes before the second.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pyroaring import BitMap64

from api.knowledge_base import KnowledgeBase
from api.telemetry.worker_metrics import WorkerMetrics
from api.worker import open_worker
from infra.garbage import spare_what_is_loaded
from infra.settings import load_settings
from infra.stack.stack import Stack
from ingest.kafka.applier import MAX_MESSAGES
from ingest.kafka.observer import Applied
from retrieval.contracts import Encoder
from retrieval.types import IndexedChunk, passage_text
from tests.benchmarks.machine import percentiles, resident_mb
from tests.benchmarks.options import Options
from tests.change_events import Event, event, live_source, make_topics, producer, send

TABLE, PREFIX, COLLECTION = "public.faqs", "kb-bench", "bench"
PER_SECOND = 100  # changes, for the freshness
TEXT_SHARE = 5  # one of so many changes is new text; the encoder bounds that row anyway
TEXTS = {"short": 2, "middle": 4, "long": 14}  # sentences of a new text
ROUNDS = 3  # of new texts


class Timed(WorkerMetrics):
    """Also remembers how fresh each change was."""

    def __init__(self) -> None:
        super().__init__()
        self.fresh: list[float] = []
        self.first: float | None = None  # when the first messages were there
        self.newest = 0.0  # when the last ones were committed
        self.stages: Counter[str] = Counter()  # seconds

    def polled(self, seconds: float) -> None:
        """See `Observer`."""
        super().polled(seconds)
        self.first = self.first or time.perf_counter()

    def applied(self, batch: Applied) -> None:
        """See `Observer`."""
        super().applied(batch)
        self.newest = time.perf_counter()
        self.stages.update(batch.stages)
        self.fresh += [(batch.cataloged_at - at).total_seconds() for at in batch.committed_at]


def measure(options: Options) -> dict[str, Any]:
    """The three parts, by one worker in this process; Kafka runs beside it."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # the servers run as a user of their own
        stack = Stack(Path(name) / "stack")
        stack.up(["kafka"])
        try:
            return _measured(Path(name) / "data", stack.url("kafka"), options)
        finally:
            stack.purge()


def lines(row: dict[str, Any]) -> list[str]:
    """The table for people."""
    metadata, fresh = row["metadata_only"], row["freshness"]
    return [
        *(line for name in TEXTS for line in _text_lines(f"{name} text", row["texts"][name])),
        f"metadata-only changes: {metadata['count']} in {metadata['seconds']:.1f} s, {metadata['per_s']:.0f}/s, "
        f"{metadata['per_cpu_s']:.0f} in a second of processor time",
        f"commit to catalog at {PER_SECOND} changes/s: p50 {fresh['p50_ms']:.0f}, p95 {fresh['p95_ms']:.0f} ms",
        f"resident {row['resident_mb']:.0f} MB",
    ]


def _text_lines(name: str, text: dict[str, Any]) -> list[str]:
    return [
        f"new {name}: {text['count']:.0f} in {text['seconds']:.1f} s, {text['per_s']:.0f}/s; the encoder alone "
        f"{text['encoder_per_s']:.0f}/s: the worker reaches {text['of_encoder']:.0%} of it (by round: "
        f"{', '.join(f'{share:.0%}' for share in text['of_encoder_by_round'])})",
        "  its seconds by stage: " + ", ".join(f"{name} {spent:.2f}" for name, spent in text["stages"].items()),
    ]


def _measured(folder: Path, servers: str, options: Options) -> dict[str, Any]:
    settings = load_settings(data_dir=folder, kafka_bootstrap_servers=servers)
    with KnowledgeBase.open(settings) as kb:
        kb.warm_up()
        spare_what_is_loaded()
        make_topics(servers, [f"{PREFIX}.{TABLE}"])
        live_source(kb.catalog, kb.ensure_collection(COLLECTION), "faqs", PREFIX)
        count = options.chunks
        texts = {
            name: _beside_encoder(kb, servers, number * 10**6, max(1, 2 * count // TEXT_SHARE // sentences), sentences)
            for number, (name, sentences) in enumerate(TEXTS.items(), start=1)
        }
        _drained(kb, servers, _rows("c", count, 1_000))
        row = {"texts": texts, "metadata_only": _drained(kb, servers, _rows("u", count, 10**9))}
        row["freshness"] = _fresh(kb, servers, options.writes * 5)
    digest = hashlib.sha256(repr(_row(1, "x")).encode()).hexdigest()
    return row | {"resident_mb": resident_mb(), "data_sha256": digest}


def _beside_encoder(kb: KnowledgeBase, servers: str, first: int, count: int, sentences: int) -> dict[str, Any]:
    """New texts by the worker, and the encoder alone on the passages that came of them, in turns."""
    encoder = kb.open_encoder(kb.settings.encoder)
    _, passages = _new_passages(kb, servers, first, count, sentences)
    total = dict.fromkeys(("count", "seconds", "encoder_seconds", "passages"), 0.0)
    stages: Counter[str] = Counter()
    shares = []
    before = _encoded(encoder, passages)
    for number in range(1, ROUNDS + 1):
        row, passages = _new_passages(kb, servers, first + number * count, count, sentences)
        after = _encoded(encoder, passages)
        alone = (before + after) / 2
        shares.append(alone / row["seconds"])
        for name, value in (("count", count), ("seconds", row["seconds"]), ("encoder_seconds", alone)):
            total[name] += value
        total["passages"] += len(passages)
        stages.update(row["stages"])
        before = after
    return {
        **{name: round(value, 3) for name, value in total.items()},
        "per_s": total["count"] / total["seconds"],
        "encoder_per_s": total["passages"] / total["encoder_seconds"],
        "of_encoder": total["encoder_seconds"] / total["seconds"],
        "of_encoder_by_round": [round(share, 3) for share in shares],
        "characters": sum(map(len, passages)) / len(passages),
        "stages": {name: round(spent, 3) for name, spent in stages.items()},
    }


def _new_passages(
    kb: KnowledgeBase, servers: str, first: int, count: int, sentences: int
) -> tuple[dict[str, Any], list[str]]:
    """What the worker takes for so many new texts, and the passages that it embedded."""
    known = {one.label for one in _chunks(kb)}
    rows = _new_rows(first, count, sentences)
    row = _drained(kb, servers, (event(TABLE, "c", one["id"], one, one["id"]) for one in rows))
    return row, [passage_text(one.title, one.heading, one.text) for one in _chunks(kb) if one.label not in known]


def _encoded(encoder: Encoder, passages: list[str]) -> float:
    """Seconds that the encoder takes for the passages, in calls as large as the worker's transactions."""
    began = time.perf_counter()
    for start in range(0, len(passages), MAX_MESSAGES):
        encoder.encode_passages(passages[start : start + MAX_MESSAGES])
    return time.perf_counter() - began


def _chunks(kb: KnowledgeBase) -> list[IndexedChunk]:
    nothing = BitMap64()
    found = kb.catalog.log.everything(kb.catalog.collections.get(COLLECTION), nothing, nothing)
    return [chunk for batch in found for chunk in batch.added]


def _drained(kb: KnowledgeBase, servers: str, events: Iterator[Event]) -> dict[str, Any]:
    with producer(servers) as opened:
        count = send(opened, PREFIX, events)
    timed, cpu = Timed(), time.process_time()
    open_worker(kb, timed).run(until_caught_up=True)
    cpu = time.process_time() - cpu
    wall = timed.newest - (timed.first or timed.newest)
    stages = {name: round(spent, 3) for name, spent in timed.stages.items()}
    rates = {"per_s": count / wall, "per_cpu_s": count / cpu}
    return {"count": count, "seconds": round(wall, 3), **rates, "stages": stages}


def _fresh(kb: KnowledgeBase, servers: str, count: int) -> dict[str, float]:
    metrics = Timed()
    worker = open_worker(kb, metrics)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        with producer(servers) as opened:
            _until(lambda: bool(send(opened, PREFIX, [_change(0)])) and bool(metrics.fresh))
            metrics.fresh.clear()
            for number in range(count):
                send(opened, PREFIX, [_change(number)])
                time.sleep(1 / PER_SECOND)
        _until(lambda: len(metrics.fresh) >= count)
        return percentiles(metrics.fresh[:count])
    finally:
        worker.stop()
        thread.join()


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.2)


def _change(number: int) -> Event:
    return event(TABLE, "u", number % 200, _row(number % 200, f"fresh {number}"), 2 * 10**9 + number)


def _rows(op: str, count: int, start: int) -> Iterator[Event]:
    return (event(TABLE, op, key, _row(key, f"{op}{key % 7}"), start + key) for key in range(count))


def _new_rows(first: int, count: int, sentences: int) -> Iterator[dict[str, Any]]:
    for key in range(first, first + count):
        yield _row(key, "new", sentences) | {"title": f"How do I return battery {key}"}


def _row(key: int, status: str, sentences: int = TEXTS["short"]) -> dict[str, Any]:
    body = "Send the battery back within thirty days together with the invoice. " * sentences
    return {"id": key, "title": "How do I return a battery", "body": body, "status": status}
