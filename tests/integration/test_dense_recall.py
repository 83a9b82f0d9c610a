"""Recall of the dense view on real embeddings, free and filtered, against brute force."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pyroaring import BitMap64

from retrieval.dense import FLAT_LIMIT, DenseView
from retrieval.encoder import open_encoder
from retrieval.types import IndexedChunk, Vectors, ViewBatch

pytestmark = [pytest.mark.data, pytest.mark.slow]

TEXTS = 5000  # more than `FLAT_LIMIT`
TEXT_CHARACTERS = 100
QUERIES = 100


@pytest.fixture(scope="module")
def view_and_vectors(
    data_dir_public: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[DenseView, Vectors]]:
    with gzip.open(data_dir_public / "ag_news" / "test.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"][:TEXT_CHARACTERS] for line, _ in zip(lines, range(TEXTS), strict=False)]
    encoder = open_encoder("all-MiniLM-L6-v2", tmp_path_factory.mktemp("models"))
    vectors = encoder.encode_passages(texts)
    view = DenseView(None, encoder.dim)
    for start in range(QUERIES, len(texts), 250):
        part = range(start, min(start + 250, len(texts)))
        view.apply(ViewBatch(start, [], [IndexedChunk(i, i, "", "", "", vectors[i], (), {}) for i in part]))
    yield view, vectors
    view.close()


@pytest.mark.parametrize("share", [1.0, 0.7, 0.3, 0.1, 0.01])
def test_recall_at_10_matches_brute_force(view_and_vectors: tuple[DenseView, Vectors], share: float) -> None:
    view, vectors = view_and_vectors
    assert len(view) > FLAT_LIMIT, "the graph takes no part"
    choose = np.random.default_rng(11)
    candidates = np.arange(QUERIES, len(vectors))
    members = np.sort(choose.choice(candidates, int(len(candidates) * share), replace=False))
    allowed = None if share == 1.0 else BitMap64(members.tolist())
    hits = 0
    for query in vectors[:QUERIES]:
        best = members[np.argsort(-(vectors[members] @ query), kind="stable")[:10]]
        hits += int(np.isin(view.search(query, 10, allowed).labels, best).sum())
    assert hits / (10 * QUERIES) >= 0.98
