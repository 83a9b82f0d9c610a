"""The tantivy index under the sparse view, on disk or in memory: commits, and searches for the best of some labels."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tantivy
from numpy.typing import NDArray
from pyroaring import BitMap64

from infra.wording import counted
from retrieval.disk import refusal
from retrieval.errors import OutageError, ViewError
from retrieval.sparse.overlay import Statistics
from retrieval.sparse.snapshot import META_NAME
from retrieval.types import Labels, Ranking
from retrieval.views.digests import DIGEST_FIELD, digest_of

WRITER_HEAP_BYTES = 16_000_000  # tantivy's least is 15 MB a thread; a batch of chunks is far smaller
SCORE_DECIMALS = 4  # BM25 sums differ in the last bits between segments; rounded, equal passages tie
FETCH_PER_MEMBER = 2  # a wanted label in the query costs as much as fetching two more hits (bench_views.py)
OVERFETCH_MARGIN = 1.3  # fetch this much more than an even spread of the wanted labels would need
EVERY = ("every", 1)  # field and value of every chunk: tantivy tells how often a term occurs, but not of how many
ESCALATION = 4  # each further attempt fetches this many times more

Hits = list[tuple[float, tantivy.DocAddress]]


@dataclass(frozen=True, slots=True)
class Committed:
    """What one commit holds; searches keep using it while the next one is made.

    `labels` is what should be found. The index may hold more: a merge of tantivy 0.27 that runs while documents are
    deleted can bring a deleted one back (seen in one of about thirty short histories), so its word alone is not taken.
    """

    searcher: tantivy.Searcher
    schema: tantivy.Schema
    labels: BitMap64
    counted: int  # chunks that tantivy's BM25 counts, as `frequency` does: with those deleted and not merged away yet
    average_length: float  # tokens a chunk that is there
    is_exact: bool  # nothing but `labels` is there

    def frequency(self, term: str) -> int:
        """How many chunks contain the term, counting some that were deleted and not merged away yet."""
        return int(self.searcher.doc_freq("body", term))

    def statistics(self, terms: Iterable[str]) -> Statistics:
        """What BM25 asks of it for these terms."""
        return Statistics(self.counted, self.average_length, {term: self.frequency(term) for term in terms})

    def differing(self, expected: Mapping[int, int]) -> BitMap64:
        """Of these labels, each with its digest, those that are absent or have another; one may be there twice."""
        labels, digests = self._digests_of(BitMap64(list(expected)))
        wanted = np.fromiter((expected[label] for label in labels.tolist()), np.int64, len(labels))
        absent = BitMap64(list(expected)) - BitMap64(labels.tolist())
        return absent | BitMap64(labels[digests != wanted].tolist())

    def _digests_of(self, wanted: BitMap64) -> tuple[Labels, Labels]:
        """(n,) labels and (n,) digests of all that is there under these labels."""
        if not wanted:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        query = tantivy.Query.term_set_query(self.schema, "label", list(wanted))
        limit = len(wanted) + 1
        while len(hits := self.searcher.search(query, limit, count=False).hits) == limit:
            limit *= ESCALATION
        digests = self.searcher.fast_field_values(DIGEST_FIELD, [address for _, address in hits])
        return labels_of(self.searcher, hits), np.array(digests, np.int64)

    def search(self, weights: Mapping[str, float], k: int, wanted: BitMap64) -> Ranking:
        """The best k of the wanted labels by BM25, each term's share multiplied by its weight."""
        count = wanted.intersection_cardinality(self.labels)
        if not count or not weights or k <= 0:
            return Ranking.empty()
        query = self._any_of(weights)
        if count == len(self.labels) and self.is_exact:
            return self._best(query, k, None, k)
        fetch = int(k * len(self.labels) / count * OVERFETCH_MARGIN)
        if count * FETCH_PER_MEMBER <= fetch:
            members = tantivy.Query.term_set_query(self.schema, "label", list(wanted & self.labels))
            within = (tantivy.Occur.Must, tantivy.Query.const_score_query(members, 0.0))
            return self._best(tantivy.Query.boolean_query([(tantivy.Occur.Must, query), within]), k, None, k)
        return self._best(query, k, wanted if self.is_exact else wanted & self.labels, fetch)

    def _any_of(self, weights: Mapping[str, float]) -> tantivy.Query:
        parts = []
        for term, weight in weights.items():
            query = tantivy.Query.term_query(self.schema, "body", term, "freq")
            parts.append((tantivy.Occur.Should, query if weight == 1 else tantivy.Query.boost_query(query, weight)))
        return parts[0][1] if len(parts) == 1 else tantivy.Query.boolean_query(parts)

    def _best(self, query: tantivy.Query, k: int, wanted: BitMap64 | None, fetch: int) -> Ranking:
        """The first k wanted hits of the query; fetches more until they, and all ties with the last, are in."""
        limit = fetch + 8
        while True:
            hits = self.searcher.search(query, limit, count=False).hits
            ranking = self._ranking(hits, wanted)
            is_exhausted = len(hits) < limit
            has_all_ties = len(ranking) >= k and ranking.scores[k - 1] > _rounded(hits[-1][0])
            if is_exhausted or has_all_ties:
                return Ranking(ranking.labels[:k], ranking.scores[:k])
            limit *= ESCALATION

    def _ranking(self, hits: Hits, wanted: BitMap64 | None) -> Ranking:
        labels = labels_of(self.searcher, hits)
        scores = _rounded(np.array([score for score, _ in hits], np.float32))
        if wanted is not None and len(labels):
            keep = np.fromiter((label in wanted for label in labels.tolist()), bool, len(labels))
            labels, scores = labels[keep], scores[keep]
        order = np.lexsort((labels, -scores))
        return Ranking(labels[order], scores[order])


class TantivyIndex:
    """The one writer of an index. `fresh` forgets what the folder holds.

    Raises `ViewError` when it cannot be read, `OutageError` when its disk takes nothing.
    """

    def __init__(self, folder: Path | None, *, fresh: bool) -> None:
        self._schema = _schema()
        self._index = _open_index(self._schema, folder, fresh=fresh)
        self._writer: tantivy.IndexWriter | None = self._index.writer(WRITER_HEAP_BYTES, 1)
        searcher = self._index.searcher()
        everything = searcher.search(tantivy.Query.all_query(), max(1, searcher.num_docs), count=False)
        self.committed = self._look(searcher, BitMap64(labels_of(searcher, everything.hits).tolist()))

    def prepare(self, removed: BitMap64, added: Mapping[int, Sequence[str]]) -> Committed:
        """Take labels out, then put label -> tokens in; durable when this returns, shown once set as `committed`.

        Raises `OutageError`, and forgets the changes, when the disk does not take them.
        """
        writer = self._writer
        assert writer is not None, "the view is closed"
        try:
            self._write(writer, removed, added)
            writer.commit()
        except Exception as error:  # tantivy raises ValueError for disk errors; what was begun must not stay queued
            writer.rollback()
            raise OutageError(
                f"tantivy could not commit {counted(len(added), 'chunk')} ({error}); free the disk, then retry"
            ) from error
        self._index.reload()
        return self._look(self._index.searcher(), (self.committed.labels - removed) | BitMap64(list(added)))

    def _write(self, writer: tantivy.IndexWriter, removed: BitMap64, added: Mapping[int, Sequence[str]]) -> None:
        if removed:
            # by query: delete_documents_by_term of tantivy 0.27 finds no unsigned values
            writer.delete_documents_by_query(tantivy.Query.term_set_query(self._schema, "label", list(removed)))
        for label, tokens in added.items():
            document = tantivy.Document()
            document.add_unsigned("label", label)
            document.add_unsigned("length", len(tokens))
            document.add_unsigned(DIGEST_FIELD, digest_of(tokens))
            document.add_unsigned(*EVERY)
            document.add_text("body", " ".join(tokens))
            writer.add_document(document)

    def close(self) -> None:
        """Wait for merges to end."""
        if self._writer is not None:
            self._writer.wait_merging_threads()
            self._writer = None

    def _look(self, searcher: tantivy.Searcher, labels: BitMap64) -> Committed:
        average = {"length": {"avg": {"field": "length"}}}
        value = searcher.aggregate(tantivy.Query.all_query(), average)["length"]["value"] if labels else None
        counted = int(searcher.doc_freq(*EVERY))
        return Committed(searcher, self._schema, labels, counted, value or 1.0, searcher.num_docs == len(labels))


def labels_of(searcher: tantivy.Searcher, hits: Hits) -> Labels:
    """(n,) labels of the hits."""
    return np.array(searcher.fast_field_values("label", [address for _, address in hits]), np.int64)


def _rounded(scores: NDArray[np.float32] | float) -> NDArray[np.float32]:
    return np.round(np.asarray(scores, np.float32), SCORE_DECIMALS).astype(np.float32, copy=False)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("label", indexed=True, fast=True)
    builder.add_unsigned_field("length", fast=True)
    builder.add_unsigned_field(DIGEST_FIELD, fast=True)
    builder.add_unsigned_field(EVERY[0], indexed=True)
    builder.add_text_field("body", tokenizer_name="whitespace", index_option="freq")  # no positions: half the size
    return builder.build()


def _open_index(schema: tantivy.Schema, folder: Path | None, *, fresh: bool) -> tantivy.Index:
    if folder and fresh:
        shutil.rmtree(folder, ignore_errors=True)  # begun, but never committed under a manifest
    elif folder and not (folder / META_NAME).exists():  # tantivy would begin an empty one
        raise ViewError(f"the index in {folder} is gone; delete the view's folder and the view is rebuilt")
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        index = tantivy.Index(schema, path=str(folder) if folder else None)
    except ValueError as error:
        if (refused := refusal(error)) is not None:  # what is there is as good as before
            raise refused from error
        raise ViewError(f"tantivy cannot open {folder} ({error}); delete it and the view is rebuilt") from error
    index.config_reader("manual", 0)
    return index
