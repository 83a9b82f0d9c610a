"""The words that the index on the server does not have yet: read from the log by this process, and kept in memory.

A bulk with its refresh takes tens of milliseconds, for one change as for fifty. What is kept here is found at once, so
the server may be written to seldom; the operation log keeps it safe, and every process that searches reads it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.sparse.overlay import Overlay, Statistics
from retrieval.types import IndexedChunk, ViewBatch

MAX_PENDING = 1_000  # chunks that came, changed or went; beyond, searches wait for the server
PRESSING = MAX_PENDING // 2  # from here on the server is written to without rest


@dataclass(frozen=True, slots=True)
class Recent:
    """What a search must know of the operations after those of the server."""

    touched: BitMap64  # labels of which the server has an older state, or none
    boosts: Mapping[str, float]  # by term, what the server must weigh it by; empty: as it does
    scores: Mapping[int, float]  # label -> BM25 of the chunks that contain a term


class RecentWords:
    """Operations (base, seq] of the log, less those that the server holds by now. One thread applies; any search.

    `server_seq` tells how far the server is. Where too much comes at once there is a gap: what is before it stays, what
    is in it is left to the server.
    """

    def __init__(self, analyzer: Analyzer, server_seq: Callable[[], int]) -> None:
        self._analyzer = analyzer
        self._server_seq = server_seq
        self._guard = threading.Lock()
        self._overlay = Overlay()
        self._touched: dict[int, int] = {}  # label -> the last operation that brought or took it
        self._batches: deque[tuple[int, list[int]]] = deque()  # (operation, labels) by rising operation
        self._kept = 0  # labels in the batches; one that changed twice counts twice
        self._base = self._seq = 0
        self._gap: tuple[int, int] | None = None  # after which operation, up to which

    @property
    def seq(self) -> int:
        """The last operation read, whether kept or not."""
        return self._seq

    @property
    def reached(self) -> int:
        """The operation that searches of server and this together see at least."""
        with self._guard:
            server = self._server_seq()
            self._forget(server)
            if server < self._base:
                return server
            if self._gap is not None:
                return max(server, self._gap[0])
            return max(server, self._seq)

    @property
    def is_pressing(self) -> bool:
        """Whether somebody may wait for the server, or will soon."""
        with self._guard:
            server = self._server_seq()
            return server < self._base or self._gap is not None or self._kept > PRESSING

    def begin_at(self, seq: int) -> None:
        """Keep nothing, and only what comes after `seq`: the rest is the server's."""
        with self._guard:
            self._clear()
            self._base = self._seq = seq

    def labels(self) -> BitMap64:
        """The chunks that are kept."""
        with self._guard:
            return self._overlay.labels()

    def differing(self, chunks: Sequence[IndexedChunk]) -> BitMap64:
        """Labels of those of the chunks that are kept with other words."""
        with self._guard:
            kept = self._overlay.documents()
        pairs = ((chunk, kept[chunk.label]) for chunk in chunks if chunk.label in kept)
        return BitMap64([c.label for c, tokens in pairs if sorted(tokens) != sorted(self._analyzer.tokens(c.words))])

    def changes(self) -> tuple[BitMap64, BitMap64]:
        """(touched, kept): the labels that came or went, and those of them that are there."""
        with self._guard:
            self._forget(self._server_seq())
            return BitMap64(list(self._touched)), self._overlay.labels()

    def apply(self, batch: ViewBatch) -> None:
        """Take note of the batch, unless there is no room: then it is a part of the gap."""
        labels = [*batch.removed, *(chunk.label for chunk in batch.added)]
        if batch.seq <= self._seq or not self._has_room(batch.seq, len(labels)):
            return
        added = {chunk.label: self._analyzer.tokens(chunk.words) for chunk in batch.added}
        with self._guard:
            for label in labels:
                self._overlay.discard(label)
                self._touched[label] = batch.seq
            for label, tokens in added.items():
                self._overlay.add(label, tokens)
            self._batches.append((batch.seq, labels))
            self._kept += len(labels)
            self._seq = batch.seq

    def _has_room(self, seq: int, labels: int) -> bool:
        """Whether a batch is to be kept; one that is not has been taken note of."""
        with self._guard:
            server = self._server_seq()
            self._forget(server)
            if seq > server and self._kept + labels <= MAX_PENDING:
                return True
            if seq <= server:
                self._base = seq
            else:
                self._gap = (self._seq if self._gap is None else self._gap[0], seq)
            self._seq = seq
            return False

    def frequency(self, token: str) -> int:
        """How many of the chunks contain the token."""
        with self._guard:
            return self._overlay.frequency(token)

    def search(self, terms: Mapping[str, int], statistics: Callable[[], Statistics]) -> Recent:
        """What came or went, and what of it contains a term. The index is asked for statistics only where some does."""
        with self._guard:
            self._forget(self._server_seq())
            if not any(self._overlay.frequency(term) for term in terms):
                return Recent(BitMap64(list(self._touched)), {}, {})
        index = statistics()
        with self._guard:
            boosts, scores = self._overlay.score(terms, index)
            return Recent(BitMap64(list(self._touched)), boosts, scores)

    def _forget(self, server: int) -> None:
        """Drop what the server holds. It may lose its last seconds later: `_base` remembers from where on we know."""
        while self._batches and self._batches[0][0] <= server:
            seq, labels = self._batches.popleft()
            self._base = max(self._base, seq)
            self._kept -= len(labels)
            for label in labels:
                if self._touched.get(label) == seq:
                    del self._touched[label]
                    self._overlay.discard(label)
        if self._gap is not None and self._gap[1] <= server:
            self._base = max(self._base, self._gap[1])
            self._gap = None

    def _clear(self) -> None:
        self._overlay = Overlay()
        self._touched, self._gap, self._kept = {}, None, 0
        self._batches.clear()
