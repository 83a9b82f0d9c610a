"""The index views keep their contract, agree with oracles, and stand being written to while they are searched."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyroaring import BitMap64
from rank_bm25 import BM25Okapi

from retrieval.analysis.analyzer import Analyzer
from retrieval.dense import DenseView
from retrieval.dense import view as dense
from retrieval.errors import InvalidInputError, OutageError, ViewError
from retrieval.sparse import SparseView
from retrieval.sparse import view as sparse
from retrieval.testing.views import DIM, FolderViewContract, make_batch, make_chunk, topic_text, topic_vector
from retrieval.testing.words import WordViewContract
from retrieval.types import IndexedChunk, Ranking, Vectors, ViewBatch


class TestSparse(WordViewContract, FolderViewContract):
    def make_view(self, folder: Path | None, *, read_only: bool = False) -> SparseView:
        return SparseView(folder, Analyzer(), read_only=read_only)


class TestCommittedSparse(TestSparse):
    """The same with every batch committed at once."""

    @pytest.fixture(autouse=True)
    def _no_overlay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sparse, "OVERLAY_LIMIT", 0)


class TestFlatDense(FolderViewContract):
    def make_view(self, folder: Path | None, *, read_only: bool = False) -> DenseView:
        return DenseView(folder, DIM, read_only=read_only)

    def query(self, topic: int) -> Any:
        return topic_vector(topic)


class TestGraphDense(TestFlatDense):
    """The same with limits so small that the graph, the tail and compaction take part."""

    @pytest.fixture(autouse=True)
    def _small_limits(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        for name in ("FLAT_LIMIT", "TAIL_LIMIT", "MIN_CATCH_UP", "MIN_DEAD"):
            monkeypatch.setattr(dense, name, 4)
        monkeypatch.setattr(dense, "EXACT_PER_FETCH", 0)
        yield


def clustered(count: int, dim: int, seed: int) -> Vectors:
    """(count, dim) unit vectors around 50 centres, as embeddings of a corpus with topics are."""
    choose = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((50, dim))
    rows = centres[choose.integers(0, 50, count)] + choose.standard_normal((count, dim))
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def vector_batch(seq: int, vectors: Vectors, first: int, removed: tuple[int, ...] = ()) -> ViewBatch:
    chunks = [IndexedChunk(first + i, 0, "", "", "", vector, (), {}) for i, vector in enumerate(vectors)]
    return ViewBatch(seq, removed, chunks)


@pytest.fixture(scope="module")
def large() -> Iterator[tuple[DenseView, Vectors]]:
    vectors = clustered(9000, 64, 1)
    view = DenseView(None, 64)
    for start in range(0, len(vectors), 1000):
        view.apply(vector_batch(start + 1, vectors[start : start + 1000], start))
    yield view, vectors
    view.close()


@pytest.mark.parametrize("share", [0.002, 0.02, 0.2, 0.5, 0.9, 1.0])
def test_filtered_dense_recall_matches_brute_force(large: tuple[DenseView, Vectors], share: float) -> None:
    view, vectors = large
    assert view._state.graph is not None
    choose = np.random.default_rng(2)
    allowed = np.sort(choose.choice(len(vectors), int(len(vectors) * share), replace=False))
    hits = 0
    queries = clustered(50, 64, 3)
    for query in queries:
        best = allowed[np.argsort(-(vectors[allowed] @ query), kind="stable")[:10]]
        ranking = view.search(query, 10, None if share == 1 else BitMap64(allowed.tolist()))
        assert len(ranking) == min(10, len(allowed))
        hits += len(set(best) & set(ranking.labels))
    assert hits / (10 * len(queries)) >= 0.98


def test_a_filter_far_from_the_query_is_answered_exactly(large: tuple[DenseView, Vectors]) -> None:
    view, vectors = large
    query = vectors[0]
    farthest = np.sort(np.argsort(vectors @ query)[:6000])
    best = farthest[np.argsort(-(vectors[farthest] @ query), kind="stable")[:10]]
    assert set(view.search(query, 10, BitMap64(farthest.tolist())).labels) == set(best)


def test_dense_scores_are_cosines(large: tuple[DenseView, Vectors]) -> None:
    view, vectors = large
    ranking = view.search(vectors[5], 20)
    assert ranking.labels[0] == 5
    np.testing.assert_allclose(ranking.scores, vectors[ranking.labels] @ vectors[5], atol=2e-6)


def test_more_than_there_are_can_be_asked_for(large: tuple[DenseView, Vectors]) -> None:
    view, vectors = large
    assert set(view.search(vectors[0], 20_000).labels) == set(range(len(vectors)))


def test_dense_gives_its_vectors_back() -> None:
    view, vectors = DenseView(None, 16), clustered(3, 16, 4)
    assert not view.vectors(np.array([7])).any(), "an empty view knows none"
    view.apply(vector_batch(1, vectors, 7))
    view.apply(ViewBatch(2, [9], []))
    nothing = np.zeros(16)
    given = view.vectors(np.array([9, 8, 2, 7, 100]))
    np.testing.assert_array_equal(given, [nothing, vectors[1], nothing, vectors[0], nothing])
    view.close()


def test_dense_refuses_another_dimension() -> None:
    view = DenseView(None, 8)
    with pytest.raises(InvalidInputError, match=r"shape \(16,\), expected \(8,\)"):
        view.apply(ViewBatch(1, [], [make_chunk(1, 0)]))
    with pytest.raises(InvalidInputError, match="same encoder"):
        view.search(topic_vector(0), 1)
    view.close()


def test_dense_leaves_out_what_has_no_vector_yet() -> None:
    view = DenseView(None, DIM)
    view.apply(ViewBatch(1, [], [make_chunk(1, 0, is_embedded=False), make_chunk(2, 0)]))
    assert list(view.labels()) == [2]
    view.apply(ViewBatch(2, [], [make_chunk(1, 0)]))
    assert list(view.search(topic_vector(0), 10).labels) == [1, 2]
    view.close()


def test_dense_survives_writes_and_compaction_while_it_is_searched(tmp_path: Path) -> None:
    """Eight readers; adds, deletes, growth, snapshots and compaction; a stable set must always be found."""
    vectors = clustered(7000, 32, 4)
    view = DenseView(tmp_path, 32)
    view.apply(vector_batch(1, vectors[:5000], 0))
    stable = set(range(0, 50))
    stop, failures = threading.Event(), list[BaseException]()

    def search(seed: int) -> None:
        choose = np.random.default_rng(seed)
        try:
            while not stop.is_set():
                label = int(choose.integers(0, 50))
                allowed = BitMap64(range(0, int(choose.integers(60, 7000)))) if choose.random() < 0.5 else None
                ranking = view.search(vectors[label], int(choose.integers(1, 300)), allowed)
                assert ranking.labels[0] == label
                assert np.all(np.diff(ranking.scores) <= 0)
                assert len(set(ranking.labels)) == len(ranking)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for step in range(40):
        first = 5000 + step * 50
        removed = tuple(range(50 + step * 60, 110 + step * 60))
        view.apply(vector_batch(2 + step, vectors[first : first + 50], first, removed))
        if step % 10 == 9:
            view.save()
    view.wait_compacted()
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    expected = stable | set(range(50 + 40 * 60, 7000))
    assert set(view.labels()) == expected == set(view.search(vectors[0], 10_000).labels)
    assert view._state.dead < 0.3 * view._state.count
    view.save()
    view.close()
    again = DenseView(tmp_path, 32)
    assert set(again.labels()) == expected
    again.close()


def test_what_the_disk_refuses_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    view = DenseView(None, DIM)
    view.apply(make_batch(1, [(1, 0)]))
    with monkeypatch.context() as patch:
        patch.setattr("retrieval.dense.vector_file.os.pwrite", refuse)
        with pytest.raises(OutageError, match="No space left"):
            view.apply(make_batch(2, [(2, 0)], [1]))
    assert (view.seq, view.search(topic_vector(0), 5).labels.tolist()) == (1, [1])
    view.apply(make_batch(2, [(2, 0)], [1]))
    assert view.search(topic_vector(0), 5).labels.tolist() == [2]
    view.close()


def test_compaction_keeps_what_happens_meanwhile(tmp_path: Path) -> None:
    vectors = clustered(1500, 16, 5)
    view = DenseView(tmp_path, 16)
    view.apply(vector_batch(1, vectors[:1000], 0))
    view.apply(vector_batch(2, vectors[:0], 0, tuple(range(600))))
    compaction = view._compaction
    assert compaction is not None
    view._compaction = None  # hold it back, as if it took long
    view.apply(vector_batch(3, vectors[1000:1100], 1000, tuple(range(600, 650))))
    discarded, view._compaction = view._compaction, compaction
    if discarded is not None:
        discarded.cancel()
    view.wait_compacted()
    assert set(view.labels()) == set(range(650, 1100))
    assert view._state.count == 500  # 400 kept, of which 50 died meanwhile, and 100 new
    for label in (650, 999, 1050):
        assert view.search(vectors[label], 1).labels.tolist() == [label]
    view.close()


@pytest.mark.parametrize("stem", ["vectors", "slots", "graph"])
def test_a_damaged_snapshot_is_refused(tmp_path: Path, stem: str) -> None:
    view = DenseView(tmp_path, 16)
    view.apply(vector_batch(1, clustered(6000, 16, 6), 0))
    view.save()
    view.close()
    (path,) = tmp_path.glob(f"{stem}-*")
    content = bytearray(path.read_bytes())
    content[1000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ViewError, match="delete"):
        DenseView(tmp_path, 16)


def test_a_view_of_another_dimension_or_analyzer_is_refused(tmp_path: Path) -> None:
    for folder, view in (("a", DenseView(tmp_path / "a", 16)), ("b", SparseView(tmp_path / "b", Analyzer()))):
        view.apply(make_batch(1, [(1, 0)]))
        view.save()
        view.close()
        assert (tmp_path / folder / "manifest.json").exists()
    with pytest.raises(ViewError, match="dim = 16, expected 8"):
        DenseView(tmp_path / "a", 8)
    with pytest.raises(ViewError, match="analyzer"):
        SparseView(tmp_path / "b", Analyzer(["new word"]))


def test_sparse_ranks_like_another_bm25() -> None:
    """Lucene's BM25 against rank-bm25's Okapi with its idf replaced; lengths are ones tantivy stores exactly."""
    choose = np.random.default_rng(7)
    words = [f"w{first}{second}" for first in "bcdfghjk" for second in "lmnpq"]
    texts = [" ".join(choose.choice(words, int(choose.integers(3, 30)))) for _ in range(200)]
    view = SparseView(None, Analyzer())
    view.apply(ViewBatch(1, [], [IndexedChunk(i, i, "", "", text, None, (), {}) for i, text in enumerate(texts)]))
    oracle = BM25Okapi([Analyzer().tokens(text) for text in texts], k1=1.2, b=0.75)
    frequencies = {word: sum(word in counts for counts in oracle.doc_freqs) for word in oracle.idf}
    oracle.idf = {word: np.log(1 + (200 - n + 0.5) / (n + 0.5)) for word, n in frequencies.items()}
    for query in ("wbl wbm", "wcl wcl wdm", "wkq", "wfl wgm whn wjp"):
        scores = oracle.get_scores(Analyzer().tokens(query))
        ranking = view.search(query, 200)
        assert set(ranking.labels) == set(np.flatnonzero(scores))
        np.testing.assert_allclose(ranking.scores, scores[ranking.labels], rtol=1e-3)
    view.close()


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_filtered_sparse_is_the_unfiltered_ranking_cut(share: float) -> None:
    choose = np.random.default_rng(8)
    texts = [" ".join(choose.choice([f"w{n}" for n in range(30)], 12)) for _ in range(3000)]
    view = SparseView(None, Analyzer())
    view.apply(ViewBatch(1, [], [IndexedChunk(i, i, "", "", text, None, (), {}) for i, text in enumerate(texts)]))
    allowed = BitMap64(choose.choice(3000, int(3000 * share), replace=False).tolist())
    everything = view.search("w1 w2 w3", 3000)
    keep = [place for place, label in enumerate(everything.labels) if int(label) in allowed][:50]
    ranking = view.search("w1 w2 w3", 50, allowed)
    assert ranking.labels.tolist() == everything.labels[keep].tolist()
    np.testing.assert_array_equal(ranking.scores, everything.scores[keep])
    view.close()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from retrieval.sparse import view as sparse
from retrieval.analysis.analyzer import Analyzer
from retrieval.errors import OutageError
from retrieval.testing.views import make_batch, topic_text

sparse.OVERLAY_LIMIT = 0
view = sparse.SparseView(Path(sys.argv[1]), Analyzer())
view.apply(make_batch(1, [(1, 0)]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        view.apply(make_batch(2, [(2, 0), (3, 0)], [1]))
    except OutageError:
        assert view.search(topic_text(0), 5).labels.tolist() == [1] and view.seq == 1
    else:
        raise AssertionError("a full disk took the commit")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
view.apply(make_batch(2, [(2, 0), (3, 0)], [1]))
assert view.search(topic_text(0), 5).labels.tolist() == [2, 3]
view.close()
"""


def test_a_full_disk_leaves_the_sparse_view_as_it_was(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], check=True, timeout=60)
    view = SparseView(tmp_path, Analyzer())
    assert (view.seq, view.search(topic_text(0), 5).labels.tolist()) == (2, [2, 3])
    view.close()


def text_batch(seq: int, texts: dict[int, str], removed: tuple[int, ...] = ()) -> ViewBatch:
    chunks = [IndexedChunk(label, label, "", "", text, None, (), {}) for label, text in texts.items()]
    return ViewBatch(seq, removed, chunks)


@pytest.mark.parametrize("length", [30, 41, 75, 120, 399, 1000])
def test_the_overlay_scores_like_the_index(length: int) -> None:
    choose = np.random.default_rng(length)
    words = [f"w{first}{second}" for first in "bcdfghjk" for second in "lmnpq"]
    texts = {i: " ".join(choose.choice(words, length + (0 if i else 7))) for i in range(16)}
    view = SparseView(None, Analyzer())
    view.apply(text_batch(1, texts))
    assert len(view._overlay) == 16
    before = view.search("wbl wbm wbm wcl", 16)
    view.save()
    assert len(view._overlay) == 0
    after = view.search("wbl wbm wbm wcl", 16)
    assert set(before.labels) == set(after.labels)
    np.testing.assert_allclose(_by_label(before), _by_label(after), rtol=1e-3)
    view.close()


def test_index_and_overlay_together_rank_like_one_index() -> None:
    choose = np.random.default_rng(9)
    words = [f"w{first}{second}" for first in "bcdfghjk" for second in "lmnpq"]
    texts = {i: " ".join(choose.choice(words[i % 7 :], 20)) for i in range(400)}
    view = SparseView(None, Analyzer())
    view.apply(text_batch(1, dict(list(texts.items())[:300])))
    view.apply(text_batch(2, dict(list(texts.items())[300:])))
    assert len(view._overlay) == 100
    parts = [view.search(query, 400) for query in ("wbl wcm", "wkq", "wbl wbm wbn wbp wbq wcl")]
    view.save()
    for part, query in zip(parts, ("wbl wcm", "wkq", "wbl wbm wbn wbp wbq wcl"), strict=True):
        whole = view.search(query, 400)
        assert set(part.labels) == set(whole.labels)
        np.testing.assert_allclose(_by_label(part), _by_label(whole), rtol=1e-3)
    view.close()


def test_equal_passages_tie_whatever_was_deleted() -> None:
    """tantivy counts what was deleted until it is merged away, in every term's frequency; so must the overlay."""
    view = SparseView(None, Analyzer())
    view.apply(text_batch(1, {label: "pump motor" if label < 500 else "valve seal" for label in range(1000)}))
    view.save()
    view.apply(text_batch(2, {}, tuple(range(1, 400))))
    view.save()
    view.apply(text_batch(3, {5000: "pump motor"}))
    assert len(view._overlay) == 1
    found = view.search("pump", 1000)
    scores = dict(zip(found.labels.tolist(), found.scores.tolist(), strict=True))
    assert scores[5000] == pytest.approx(scores[400], rel=1e-3)
    view.close()


def _by_label(ranking: Ranking) -> list[float]:
    return [score for _, score in sorted(zip(ranking.labels.tolist(), ranking.scores.tolist(), strict=True))]


def test_a_query_of_stop_words_only_is_answered() -> None:
    view = SparseView(None, Analyzer())
    view.apply(ViewBatch(1, [], [IndexedChunk(1, 1, "", "", "To be or not to be", None, (), {})]))
    assert view.search("to be, or not?", 5).labels.tolist() == [1]
    assert len(view.search("?!", 5)) == 0
    view.close()


def test_a_sparse_reader_opens_while_the_writer_merges(tmp_path: Path) -> None:
    writer = SparseView(tmp_path, Analyzer())
    for seq in range(1, 30):
        writer.apply(make_batch(seq, [(seq, 0)]))
        writer.save()
        if seq % 5 == 0:
            reader = SparseView(tmp_path, Analyzer(), read_only=True)
            assert reader.search(topic_text(0), 100).labels.tolist() == list(range(1, seq + 1))
            reader.close()
    writer.close()
