"""The sparse view: BM25 over the analyzer's tokens in a tantivy index, on disk or in memory."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tantivy
from numpy.typing import NDArray
from pyroaring import BitMap64

from retrieval.analyzer import Analyzer
from retrieval.contracts import Allowed
from retrieval.errors import ViewError
from retrieval.sparse_snapshot import copy_snapshot
from retrieval.types import IndexedChunk, Labels, Ranking, ViewBatch
from retrieval.view_folder import lock_folder, read_manifest, write_manifest

FORMAT = 1
WRITER_HEAP_BYTES = 16_000_000  # tantivy's least is 15 MB a thread; a batch of chunks is far smaller
SCORE_DECIMALS = 4  # BM25 sums differ in the last bits between segments; rounded, equal passages tie
TERM_SET_LIMIT = 1000  # allowed labels up to which they join the query; beyond, hits are filtered (bench_views.py)
OVERFETCH_MARGIN = 1.3  # fetch this much more than an even spread of the allowed labels would need
ESCALATION = 4  # each further attempt fetches this many times more


class SparseView:
    """An `IndexView` over words. The query is text.

    With a folder, this object is its only writer (else `ViewLockedError`); `read_only` opens a private copy of the last
    committed state, which further batches may be applied to. Raises `ViewError` when the folder does not fit.
    """

    def __init__(self, folder: Path | None, analyzer: Analyzer, *, read_only: bool = False) -> None:
        self._analyzer = analyzer
        self._expected = {"kind": "sparse", "format": FORMAT, "analyzer": analyzer.fingerprint}
        self._private = tempfile.TemporaryDirectory(prefix="kb-sparse-") if folder and read_only else None
        if folder and self._private:
            folder = copy_snapshot(folder, Path(self._private.name))
        self._lock = lock_folder(folder) if folder else None
        self._folder = folder
        self._seq = 0
        self._labels = BitMap64()
        self._writer: tantivy.IndexWriter | None = None
        try:
            self._open()
        except BaseException:
            self._release()
            raise

    @property
    def seq(self) -> int:
        """The last operation applied."""
        return self._seq

    def __len__(self) -> int:
        return len(self._labels)

    def labels(self) -> BitMap64:
        """All labels held."""
        return self._labels.copy()

    def apply(self, batch: ViewBatch) -> None:
        """Commit the batch; durable and visible when this returns. Labels held already are not indexed again."""
        removed = [label for label in set(batch.removed) if label in self._labels]
        added = {
            chunk.label: chunk for chunk in batch.added if chunk.label not in self._labels or chunk.label in removed
        }
        if removed or added:
            self._commit(removed, added.values())
        self._seq = max(self._seq, batch.seq)
        self._write_manifest(durable=False)

    def search(self, query: str, k: int, allowed: Allowed = None) -> Ranking:
        """The best k allowed chunks that share a word with the query, by BM25."""
        terms = Counter(self._analyzer.query_tokens(query))
        if not terms or k <= 0:
            return Ranking.empty()
        searcher, labels = self._searcher, self._labels
        parsed = self._term_queries(terms)
        if allowed is None:
            return self._search_filtered(searcher, parsed, k, None, 1.0)
        count = allowed.intersection_cardinality(labels)
        if count == 0:
            return Ranking.empty()
        if count <= TERM_SET_LIMIT:
            within = self._within(allowed & labels)
            restricted = tantivy.Query.boolean_query([(tantivy.Occur.Must, parsed), (tantivy.Occur.Must, within)])
            return self._search_filtered(searcher, restricted, k, None, 1.0)
        return self._search_filtered(searcher, parsed, k, allowed, count / len(labels))

    def save(self) -> None:
        """Make the state durable; every `apply` has committed already."""
        self._write_manifest(durable=True)

    def close(self) -> None:
        """Wait for merges to end and give up the folder."""
        if self._writer is not None:
            self._write_manifest(durable=True)
            self._writer.wait_merging_threads()
            self._writer = None
        self._release()

    def _open(self) -> None:
        manifest = read_manifest(self._folder, self._expected) if self._folder else None
        self._seq = int(manifest["seq"]) if manifest else 0
        self._index = _open_index(self._folder / "index" if self._folder else None, fresh=manifest is None)
        self._writer = self._index.writer(WRITER_HEAP_BYTES, 1)
        self._searcher = self._index.searcher()
        everything = self._searcher.search(tantivy.Query.all_query(), max(1, self._searcher.num_docs), count=False)
        self._labels = BitMap64(self._labels_of(self._searcher, everything.hits))

    def _commit(self, removed: list[int], added: Iterable[IndexedChunk]) -> None:
        writer, labels = self._writer, self._labels.copy()
        assert writer is not None, "the view is closed"
        if removed:
            # by query: delete_documents_by_term of tantivy 0.27 finds no unsigned values
            writer.delete_documents_by_query(tantivy.Query.term_set_query(self._index.schema, "label", removed))
            labels -= BitMap64(removed)
        for chunk in added:
            passage = "\n".join((chunk.title, chunk.heading, chunk.text))
            document = tantivy.Document()
            document.add_unsigned("label", chunk.label)
            document.add_text("body", " ".join(self._analyzer.tokens(passage)))
            writer.add_document(document)
            labels.add(chunk.label)
        writer.commit()
        self._index.reload()
        self._searcher, self._labels = self._index.searcher(), labels

    def _write_manifest(self, *, durable: bool) -> None:
        if self._folder:
            write_manifest(self._folder, {**self._expected, "seq": self._seq}, durable=durable)

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
        if self._private is not None:
            self._private.cleanup()

    def _term_queries(self, terms: Counter[str]) -> tantivy.Query:
        schema = self._index.schema
        parts = []
        for term, count in terms.items():
            query = tantivy.Query.term_query(schema, "body", term, "freq")
            parts.append((tantivy.Occur.Should, query if count == 1 else tantivy.Query.boost_query(query, count)))
        return parts[0][1] if len(parts) == 1 else tantivy.Query.boolean_query(parts)

    def _within(self, labels: BitMap64) -> tantivy.Query:
        members = tantivy.Query.term_set_query(self._index.schema, "label", list(labels))
        return tantivy.Query.const_score_query(members, 0.0)

    def _search_filtered(
        self, searcher: tantivy.Searcher, query: tantivy.Query, k: int, allowed: Allowed, share: float
    ) -> Ranking:
        """The first k allowed hits of the query; fetches more until they, and all ties with the last, are in."""
        limit = int(k / share * OVERFETCH_MARGIN) + 8 if allowed is not None else k + 8
        while True:
            hits = searcher.search(query, limit, count=False).hits
            ranking = self._ranking(searcher, hits, allowed)
            is_exhausted = len(hits) < limit
            has_all_ties = len(ranking) >= k and ranking.scores[k - 1] > _rounded(hits[-1][0])
            if is_exhausted or has_all_ties:
                return Ranking(ranking.labels[:k], ranking.scores[:k])
            limit *= ESCALATION

    def _ranking(
        self, searcher: tantivy.Searcher, hits: list[tuple[float, tantivy.DocAddress]], allowed: Allowed
    ) -> Ranking:
        labels = self._labels_of(searcher, hits)
        scores = _rounded(np.array([score for score, _ in hits], np.float32))
        if allowed is not None and len(labels):
            keep = np.fromiter((label in allowed for label in labels.tolist()), bool, len(labels))
            labels, scores = labels[keep], scores[keep]
        order = np.lexsort((labels, -scores))
        return Ranking(labels[order], scores[order])

    @staticmethod
    def _labels_of(searcher: tantivy.Searcher, hits: list[tuple[float, tantivy.DocAddress]]) -> Labels:
        return np.array(searcher.fast_field_values("label", [address for _, address in hits]), np.int64)


def _rounded(scores: NDArray[np.float32] | float) -> NDArray[np.float32]:
    return np.round(np.asarray(scores, np.float32), SCORE_DECIMALS).astype(np.float32, copy=False)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("label", indexed=True, fast=True)
    builder.add_text_field("body", tokenizer_name="whitespace", index_option="freq")  # no positions: half the size
    return builder.build()


def _open_index(folder: Path | None, *, fresh: bool) -> tantivy.Index:
    """The index in the folder, in memory where there is none. Raises `ViewError` when it cannot be read."""
    if folder and fresh:
        shutil.rmtree(folder, ignore_errors=True)  # begun, but never committed under a manifest
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        index = tantivy.Index(_schema(), path=str(folder) if folder else None)
    except ValueError as error:
        raise ViewError(f"tantivy cannot open {folder} ({error}); delete it and the view is rebuilt") from error
    index.config_reader("manual", 0)
    return index
