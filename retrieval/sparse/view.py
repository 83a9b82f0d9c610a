"""The sparse view: BM25 over the analyzer's tokens, in a tantivy index with an overlay of newer chunks before it."""

from __future__ import annotations

import base64
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.contracts import Allowed, Scope
from retrieval.sparse.index import SCORE_DECIMALS, TantivyIndex
from retrieval.sparse.overlay import Overlay, merged
from retrieval.sparse.snapshot import copy_snapshot
from retrieval.types import IndexedChunk, Ranking, ViewBatch
from retrieval.views.digests import digest_of
from retrieval.views.folder import Reached, lock_folder, read_manifest, write_manifest

FORMAT = 4  # raised with any change of what is kept of a chunk: views built before are then rebuilt
OVERLAY_LIMIT = 256  # chunks added and removed between commits: at most 0.3 ms a search (bench_views.py)
MIN_OVERLAY = 16  # while the index is small the overlay stays smaller than it, down to this many


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
        self._guard = threading.Lock()  # held while overlay, dead and committed change together, or are read together
        self._overlay = Overlay()
        self._dead = BitMap64()  # committed labels that were removed since; replaced, never changed
        try:
            manifest = read_manifest(folder, self._expected) if folder else None
            self._index = TantivyIndex(folder / "index" if folder else None, fresh=manifest is None)
        except BaseException:
            self._release()
            raise
        self.reached = self._committed = Reached.read(manifest) if manifest else Reached()
        if manifest:
            # What the index holds beyond its manifest came back by a merge, or was committed just before a crash; the
            # operations after `seq` bring the latter again.
            self._dead = self._index.committed.labels - _decoded(manifest["labels"])

    @property
    def seq(self) -> int:
        """The last operation applied."""
        return self.reached.seq

    def __len__(self) -> int:
        return len(self.labels())

    def labels(self) -> BitMap64:
        """All labels held."""
        with self._guard:
            return (self._index.committed.labels - self._dead) | self._overlay.labels()

    def differing(self, chunks: Sequence[IndexedChunk]) -> BitMap64:
        """Labels of those of the chunks that are held with other words."""
        with self._guard:
            committed, dead, newer = self._index.committed, self._dead, self._overlay.documents()
        older = committed.labels - dead - BitMap64(list(newer))
        differ = committed.differing({c.label: digest_of(self._tokens(c)) for c in chunks if c.label in older})
        pairs = ((chunk, newer[chunk.label]) for chunk in chunks if chunk.label in newer)
        return differ | BitMap64([c.label for c, tokens in pairs if sorted(tokens) != sorted(self._tokens(c))])

    def apply(self, batch: ViewBatch) -> None:
        """Bring the view to `batch.seq`; visible as a whole. Labels held already are not indexed again.

        Raises `OutageError`, with nothing changed, when the disk does not take a commit.
        """
        held = self.labels()
        removed = held & BitMap64(batch.removed)
        held -= removed
        added = {chunk.label: self._tokens(chunk) for chunk in batch.added if chunk.label not in held}
        committed_count = len(self._index.committed.labels)
        limit = min(OVERLAY_LIMIT, max(MIN_OVERLAY, committed_count))
        if len(self._overlay) + len(self._dead) + len(added) + len(removed) > limit:
            self._commit(removed, added)
            self._committed = self.reached.after(batch)
            self._write_manifest(durable=False)
        else:
            self._overlay_changes(removed, added)
        self.reached = self.reached.after(batch)

    def search(self, query: str, k: int, allowed: Allowed = None, scope: Scope | None = None) -> Ranking:
        """The best k allowed chunks that share a word with the query, by BM25."""
        if k <= 0:
            return Ranking.empty()
        terms = Counter(self._analyzer.query_tokens(query))
        with self._guard:
            committed, dead = self._index.committed, self._dead
            weights: Mapping[str, float] = terms
            newer: dict[int, float] = {}
            if len(self._overlay):
                weights, newer = self._overlay.score(terms, committed.statistics(terms))
        wanted = committed.labels if allowed is None else allowed
        older = committed.search(weights, k, wanted - dead if dead else wanted)
        if allowed is not None:
            newer = {label: score for label, score in newer.items() if label in allowed}
        return merged(older, newer, k, SCORE_DECIMALS)

    def document_frequency(self, token: str) -> int:
        """How many chunks hold the analyzed token; chunks removed since the last commit still count."""
        with self._guard:
            return self._index.committed.frequency(token) + self._overlay.frequency(token)

    def frequencies(self, tokens: Sequence[str]) -> dict[str, int]:
        """`document_frequency` of each."""
        with self._guard:
            committed, overlay = self._index.committed, self._overlay
            return {token: committed.frequency(token) + overlay.frequency(token) for token in tokens}

    def save(self) -> None:
        """Commit what is in memory only."""
        if len(self._overlay) or self._dead:
            self._commit(BitMap64(), {})
        self._committed = self.reached
        self._write_manifest(durable=True)

    def close(self) -> None:
        """Wait for merges to end and give up the folder, without saving."""
        self._index.close()
        self._release()

    def _tokens(self, chunk: IndexedChunk) -> list[str]:
        return self._analyzer.tokens(chunk.words)

    def _commit(self, removed: BitMap64, added: Mapping[int, list[str]]) -> None:
        """Bring index and overlay together; searches see the former state until it is done."""
        documents = {label: tokens for label, tokens in self._overlay.documents().items() if label not in removed}
        former = self._index.committed
        committed = self._index.prepare(self._dead | (removed & former.labels), {**documents, **added})
        with self._guard:
            self._index.committed = committed
            self._overlay, self._dead = Overlay(), BitMap64()

    def _overlay_changes(self, removed: BitMap64, added: Mapping[int, list[str]]) -> None:
        with self._guard:
            self._dead = self._dead | (removed & self._index.committed.labels)
            for label in removed:
                self._overlay.discard(label)
            for label, tokens in added.items():
                self._overlay.add(label, tokens)

    def _write_manifest(self, *, durable: bool) -> None:
        if self._folder:
            labels = base64.b64encode(self._index.committed.labels.serialize()).decode("ascii")
            manifest = {**self._expected, **self._committed.written(), "labels": labels}
            write_manifest(self._folder, manifest, durable=durable)

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
        if self._private is not None:
            self._private.cleanup()


def _decoded(text: str) -> BitMap64:
    return BitMap64.deserialize(base64.b64decode(text))
