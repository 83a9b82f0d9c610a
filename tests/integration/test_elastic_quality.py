"""On a real set both sparse views rank alike: the same first ten, and nDCG that differs by less than chance."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from elastic import collection_of, elastic_server, elastic_url, stack_of

from retrieval.analysis.analyzer import Analyzer
from retrieval.contracts import WordView
from retrieval.elastic import ElasticServer, ElasticSparseView
from retrieval.elastic.index import drop_indexes
from retrieval.evaluation.metrics import ndcg
from retrieval.evaluation.runs import read_qrels, read_queries
from retrieval.sparse import SparseView
from retrieval.types import EVERYONE, IndexedChunk, ViewBatch

__all__ = ["elastic_server", "elastic_url", "stack_of"]

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.data]

QUERIES = 120  # enough to tell a difference of 0.003 in the mean from none
MIN_OVERLAP = 0.97  # of the first ten; the rest are near ties, decided by lengths that are stored in one byte
NDCG_MARGIN = 0.003


def lines(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def test_both_rank_a_real_set_alike(elastic_server: ElasticServer, data_dir_public: Path) -> None:
    folder = data_dir_public / "nfcorpus"
    corpus = list(lines(folder / "corpus.jsonl.gz"))
    chunks = [
        IndexedChunk(label, label, row.get("title", ""), "", row["text"], None, (EVERYONE,), {})
        for label, row in enumerate(corpus)
    ]
    analyzer = Analyzer()
    embedded, shared = SparseView(None, analyzer), ElasticSparseView(elastic_server, collection_of(None), analyzer)
    shared.resume()
    for start in range(0, len(chunks), 1000):
        for view in (embedded, shared):
            view.apply(ViewBatch(start + 1, [], chunks[start : start + 1000]))
    try:
        check_rankings(embedded, shared, [row["id"] for row in corpus], folder)
    finally:
        drop_indexes(elastic_server, shared.index.name.collection)
        embedded.close()


def check_rankings(embedded: WordView, shared: WordView, keys: list[str], folder: Path) -> None:
    judged = read_qrels(folder / "qrels.test.tsv")
    questions = read_queries(folder / "queries.jsonl")
    overlaps, scores = [], []
    for query in sorted(judged)[:QUERIES]:
        ranked = [[keys[label] for label in view.search(questions[query], 10).labels] for view in (embedded, shared)]
        assert len(ranked[0]) == len(ranked[1])
        overlaps.append(len(set(ranked[0]) & set(ranked[1])) / len(ranked[0]) if ranked[0] else 1.0)
        scores.append([ndcg(ranking, judged[query]) for ranking in ranked])
    assert np.mean(overlaps) >= MIN_OVERLAP
    means = np.mean(scores, axis=0)
    assert means[0] > 0.25 and abs(means[0] - means[1]) <= NDCG_MARGIN, means
    print(f"overlap {np.mean(overlaps):.4f}, nDCG@10 {means[0]:.4f} embedded, {means[1]:.4f} shared")
