"""Measures the index views: python tests/benchmarks/bench_views.py [--chunks 10000 100000] [--json FILE].

Vectors are synthetic (500 clusters, 384 dimensions) and texts are drawn by Zipf's law unless --corpus names a retrieval
set: then its own texts, and with an encoder its own vectors, are used. Times are milliseconds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.dense import DenseView
from retrieval.filters import parse_filter
from retrieval.sparse import SparseView
from retrieval.types import EVERYONE, IndexedChunk, Principal, Vectors, ViewBatch
from retrieval.views.attributes import AttributeView

DIM = 384
BATCH = 256
SEED = 7
KINDS = ("dense", "sparse", "attributes", "analyzer")
SHARES = (0.001, 0.01, 0.1, 0.5)


def percentiles(call: Callable[[int], Any], times: int) -> dict[str, float]:
    """p50, p95 and p99 of `call(0)`, `call(1)`, … in milliseconds."""
    spent = []
    for i in range(times):
        start = time.perf_counter()
        call(i)
        spent.append(1000 * (time.perf_counter() - start))
    spent.sort()
    return {
        name: round(spent[int(len(spent) * share)], 3) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }


def synthetic_vectors(count: int, seed: int) -> Vectors:
    choose = np.random.default_rng(seed)
    centres = np.random.default_rng(SEED).standard_normal((500, DIM), np.float32)
    rows = np.empty((count, DIM), np.float32)
    for start in range(0, count, 10_000):
        part = min(10_000, count - start)
        noisy = 0.8 * centres[choose.integers(0, 500, part)] + choose.standard_normal((part, DIM), np.float32)
        rows[start : start + part] = noisy / np.linalg.norm(noisy, axis=1, keepdims=True)
    return rows


def synthetic_texts(count: int, words: int, seed: int) -> list[str]:
    choose = random.Random(seed)
    ranks = [int(choose.paretovariate(0.6)) % 30_000 for _ in range(200_000)]
    return [" ".join(f"w{rank}" for rank in choose.choices(ranks, k=words)) for _ in range(count)]


def corpus_texts(folder: Path) -> tuple[list[str], list[str]]:
    """Passages and queries of a retrieval set."""

    def rows(name: str) -> list[dict[str, Any]]:
        (path,) = folder.glob(f"{name}.jsonl*")
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            return [json.loads(line) for line in lines]

    passages = [f"{row.get('title') or ''}\n{row['text']}" for row in rows("corpus")]
    return passages, [row["text"] for row in rows("queries")]


def chunks(texts: Sequence[str], vectors: Vectors | None, first: int = 0) -> list[IndexedChunk]:
    return [
        IndexedChunk(
            first + i,
            (first + i) // 3,
            "",
            "",
            text,
            None if vectors is None else vectors[i],
            (EVERYONE, f"team{i % 50}"),
            {"year": 2000 + i % 25, "row": i // 3},
        )
        for i, text in enumerate(texts)
    ]


def batches(items: Sequence[IndexedChunk]) -> Iterable[ViewBatch]:
    for start in range(0, len(items), BATCH):
        yield ViewBatch(start + 1, [], items[start : start + BATCH])


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return round(time.perf_counter() - start, 3), result


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return round(int(status.split("RssAnon:")[1].split()[0]) / 1024, 1)


def fill(view: Any, items: Sequence[IndexedChunk]) -> float:
    def run() -> None:
        for batch in batches(items):
            view.apply(batch)

    return timed(run)[0]


def writes(view: Any, fresh: Sequence[IndexedChunk], first_removed: int) -> dict[str, float]:
    """A replacement of one chunk, as an update of a short document is."""
    return percentiles(lambda i: view.apply(ViewBatch(10**9 + i, [first_removed + i], [fresh[i]])), len(fresh))


def measure_dense(vectors: Vectors, queries: Vectors, folder: Path) -> dict[str, Any]:
    count, before = len(vectors), resident_mb()
    view = DenseView(folder, DIM)
    row: dict[str, Any] = {"fill_s": fill(view, chunks([""] * count, vectors)), "save_s": timed(view.save)[0]}
    row["resident_mb_over_raw"] = round((resident_mb() - before) / (count * DIM * 4 / 2**20), 2)
    view.close()
    row["start_s"], view = timed(lambda: DenseView(folder, DIM))
    exact = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    row["k10"] = percentiles(lambda i: view.search(queries[i], 10), len(queries))
    row["k100"] = percentiles(lambda i: view.search(queries[i], 100), len(queries))
    row["recall@10"] = round(
        float(np.mean([np.isin(exact[i], view.search(q, 100).labels[:10]) for i, q in enumerate(queries)])), 4
    )
    for share in SHARES:
        row[f"filtered_{share}"] = filtered_dense(view, vectors, queries, share)
    row["write"] = writes(view, chunks([""] * 300, synthetic_vectors(300, 3), count), 0)
    view.close()
    return row


def filtered_dense(view: DenseView, vectors: Vectors, queries: Vectors, share: float) -> dict[str, float]:
    members = np.sort(
        np.random.default_rng(SEED).choice(len(vectors), max(1, int(len(vectors) * share)), replace=False)
    )
    allowed = BitMap64(members.tolist())
    exact = members[np.argsort(-(queries @ vectors[members].T), axis=1)[:, :10]]
    found = [np.isin(exact[i], view.search(query, 100, allowed).labels[:10]) for i, query in enumerate(queries)]
    times = percentiles(lambda i: view.search(queries[i], 100, allowed), len(queries))
    return times | {"recall@10": round(float(np.mean(found)), 4)}


def measure_sparse(texts: Sequence[str], queries: Sequence[str], folder: Path) -> dict[str, Any]:
    view = SparseView(folder, Analyzer())
    row: dict[str, Any] = {"fill_s": fill(view, chunks(texts, None)), "save_s": timed(view.save)[0]}
    view.close()
    row["start_s"], view = timed(lambda: SparseView(folder, Analyzer()))
    times = min(300, len(queries))
    row["k100"] = percentiles(lambda i: view.search(queries[i], 100), times)
    for share in SHARES:
        members = np.random.default_rng(SEED).choice(len(texts), max(1, int(len(texts) * share)), replace=False)
        allowed = BitMap64(members.tolist())
        row[f"filtered_{share}"] = percentiles(lambda i, allowed=allowed: view.search(queries[i], 100, allowed), times)
    row["write"] = writes(view, chunks(texts[:200], None, len(texts)), 0)
    row["k100_with_overlay"] = percentiles(lambda i: view.search(queries[i], 100), times)
    view.close()
    return row


def measure_attributes(count: int, folder: Path) -> dict[str, Any]:
    view = AttributeView(folder)
    items = chunks([""] * count, None)
    row: dict[str, Any] = {"fill_s": fill(view, items), "save_s": timed(view.save)[0]}
    view.close()
    row["start_s"], view = timed(lambda: AttributeView(folder))
    caller = Principal("bench", frozenset({"team1", "team2"}))
    for name, condition in (("groups", None), ("year", {"year": {"$gte": 2010}}), ("row", {"row": {"$gte": 100}})):
        parsed = None if condition is None else parse_filter(condition)
        view.allowed(caller, parsed)
        row[name] = percentiles(lambda i, parsed=parsed: view.allowed(caller, parsed), 50)
    view.close()
    return row


def measure_analyzer(texts: Sequence[str]) -> dict[str, Any]:
    size = sum(len(text.encode()) for text in texts) / 1e6
    return {"mb_per_s": round(size / timed(lambda: [Analyzer().tokens("\n".join(texts))])[0], 1)}


def measure(kind: str, count: int, corpus: Path | None) -> dict[str, Any]:
    """The row of one view; a corpus has its own count of texts."""
    with tempfile.TemporaryDirectory() as name:
        if kind == "dense":
            return measure_dense(synthetic_vectors(count, 1), synthetic_vectors(200, 2), Path(name))
        if kind == "attributes":
            return measure_attributes(count, Path(name))
        synthetic = synthetic_texts(count, 120, 1), synthetic_texts(300, 6, 2)
        texts, queries = corpus_texts(corpus) if corpus else synthetic
        return measure_sparse(texts, queries, Path(name)) if kind == "sparse" else measure_analyzer(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000])
    parser.add_argument("--corpus", type=Path, help="folder of a retrieval set, for the sparse view and the analyzer")
    parser.add_argument("--only", choices=KINDS, action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    result: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv]),
        "commit": commit.stdout.strip(),
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "seed": SEED,
        "rows": {},
    }
    for count in options.chunks:
        for kind in options.only or KINDS:
            result["rows"][f"{kind} {count}"] = row = measure(kind, count, options.corpus)
            print(kind, count, json.dumps(row), flush=True)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
