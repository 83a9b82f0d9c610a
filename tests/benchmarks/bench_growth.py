"""10,000 chunks against 100,000: start from a snapshot and search latency, through the whole knowledge base.

Vectors are synthetic (clusters and noise, seeded by the text) so that encoding costs nothing; catalog, all indexes,
filter, fusion and the check against the catalog are the real ones. Start: a new process opens the data folder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from ingest.sources.jsonl import JsonlSource
from retrieval.encoder import ENCODERS
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Vectors
from tests.benchmarks.corpora import synthetic, write_jsonl
from tests.benchmarks.machine import ROOT, SEED, percentiles, resident_mb
from tests.benchmarks.options import Options

DIM = 384
CLUSTERS = 500
CLUSTER_WEIGHT = 0.8  # of noise with weight 1: neighbours are near, as texts on one subject are
WORDS = 60  # a document, one chunk
QUESTION_WORDS = 6
QUESTIONS = 500
NAME = "clustered"
COLLECTION = "grown"


class ClusteredEncoder:
    """Vectors that depend on nothing but the text."""

    fingerprint = f"{NAME}-{SEED}-{DIM}"
    dim = DIM

    def __init__(self) -> None:
        self._centres = np.random.default_rng(SEED).standard_normal((CLUSTERS, DIM), np.float32)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dim), rows L2-normalised."""
        return self.encode_passages(texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """(n, dim), rows L2-normalised."""
        rows = np.empty((len(texts), DIM), np.float32)
        for row, text in zip(rows, texts, strict=True):
            code = crc32(text.encode())
            row[:] = CLUSTER_WEIGHT * self._centres[code % CLUSTERS]
            row += np.random.default_rng(code).standard_normal(DIM, np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def coverage(self, text: str) -> float:
        """Every word counts as known."""
        return 1.0


def measure(options: Options) -> dict[str, Any]:
    """A row for each size, and the ratio of their medians."""
    rows = {}
    for count in options.growth:
        folder = options.work / f"grown-{count}"
        built_in = _in_process_of_its_own("build", folder, count)
        rows[str(count)] = _in_process_of_its_own("search", folder, count) | built_in
    small, large = (rows[str(count)]["p50_ms"] for count in options.growth)
    return {"sizes": rows, "p50_ratio": round(large / small, 3), "data_sha256": "synthetic"}


def lines(row: dict[str, Any]) -> list[str]:
    """The table for people."""
    table = [
        f"{size:>8} chunks: start {one['start_seconds']:.2f} s, p50 {one['p50_ms']:.2f}  p95 {one['p95_ms']:.2f} ms, "
        f"{one['resident_mb']:.0f} MB; stages {json.dumps(one['stages_ms'])}"
        for size, one in row["sizes"].items()
    ]
    return [*table, f"p50 grows {row['p50_ratio']:.2f} times"]


def build(folder: Path, count: int) -> dict[str, Any]:
    """Ingest; nothing where that was done before."""
    done = folder / "built.json"
    if done.exists():
        return dict(json.loads(done.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    corpus = write_jsonl(folder / "corpus.jsonl", synthetic(count, WORDS))
    began = time.perf_counter()
    with _opened(folder) as kb:
        kb.ensure_collection(COLLECTION)
        kb.ingest(COLLECTION, JsonlSource(corpus))
        kb.wait_searchable(COLLECTION, kb.catalog.collections.get(COLLECTION).last_seq, 600)
    found = {"ingest_seconds": round(time.perf_counter() - began, 2)}
    done.write_text(json.dumps(found))
    return found


def search(folder: Path, count: int) -> dict[str, Any]:
    """Start and search."""
    questions = [record["text"] for record in synthetic(QUESTIONS, QUESTION_WORDS, SEED + 1)]
    began = time.perf_counter()
    with _opened(folder) as kb:
        kb.search(COLLECTION, SearchRequest(questions[0]), OPERATOR)
        start = time.perf_counter() - began
        seconds, stages = [], []
        for question in questions:
            began = time.perf_counter()
            stages.append(kb.search(COLLECTION, SearchRequest(question), OPERATOR).stages)
            seconds.append(time.perf_counter() - began)
        held = len(kb.runtime(COLLECTION).follower.views.dense.labels())
        assert held == count, f"the dense view holds {held} chunks, expected {count}"
        mean = {name: round(float(np.mean([one[name] for one in stages])), 3) for name in stages[0]}
        memory = resident_mb()
    return {"start_seconds": round(start, 3), **percentiles(seconds), "stages_ms": mean, "resident_mb": memory}


def _opened(folder: Path) -> KnowledgeBase:
    ENCODERS.register(NAME, lambda **_: ClusteredEncoder(), "synthetic clusters, for measurements")
    return KnowledgeBase.open(Settings(data_dir=folder, encoder=NAME))


def _in_process_of_its_own(act: str, folder: Path, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_growth", act, str(folder), str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("act", choices=("build", "search"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    asked = parser.parse_args()
    print(json.dumps((build if asked.act == "build" else search)(asked.folder, asked.count)))
