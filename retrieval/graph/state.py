"""What a search asks of the graph: a frozen state, replaced by each batch, so that no search sees half of one.

A large layer that seldom changes, a small one of what came since, and the labels of the large one that left. Whatever
it answers depends on the chunks that are there alone, not on the way they came: a rebuilt graph answers the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

from retrieval.contracts import Allowed
from retrieval.graph.layer import ChunkEntry, Layer, Words, gathered
from retrieval.graph.nodes import Hashes
from retrieval.types import Labels

SKETCH = 2**18  # counters of words, 1 MB; two of 10,000 rare words share one with another 1 time in 26
RECENT_LEAST = 256  # chunks that may differ from the large layer before both are made one
RECENT_SHARE = 1 / 8  # of the chunks, likewise: each is then merged about eight times while a corpus doubles


@dataclass(frozen=True, slots=True)
class Members:
    """Chunks that refer to some nodes: (m,) which node, which chunk, and whether the chunk is that thing."""

    nodes: NDArray[np.int64]  # places in what was asked
    labels: Labels
    are: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GraphState:
    """Entries of all chunks. `frequency`: how many chunks hold a word, by its number modulo `SKETCH`."""

    base: Layer = field(default_factory=lambda: Layer.of({}))
    recent: Layer = field(default_factory=lambda: Layer.of({}))
    live: BitMap64 = field(default_factory=BitMap64)
    dead: BitMap64 = field(default_factory=BitMap64)  # labels of `base` that left or have a newer entry in `recent`
    frequency: NDArray[np.int32] = field(default_factory=lambda: np.zeros(SKETCH, np.int32))

    def changed(self, removed: BitMap64, added: Mapping[int, ChunkEntry]) -> GraphState:
        """The state without the removed chunks and with these, which replace entries of the same label."""
        leaving = (removed | BitMap64(added)) & self.live
        leavers = np.array(list(leaving), np.int64)
        frequency = self.frequency.copy()
        for entry in self.entries(leaving).values():
            np.subtract.at(frequency, entry.words % SKETCH, 1)
        for entry in added.values():
            np.add.at(frequency, entry.words % SKETCH, 1)
        recent = self.recent.without(leavers) | dict(added)
        dead = self.dead | BitMap64(leavers[self.base.rows(leavers) >= 0].tolist())
        live = (self.live - removed) | BitMap64(added)
        if len(recent) + len(dead) > max(RECENT_LEAST, RECENT_SHARE * len(live)):
            whole = self.base.without(np.array(list(dead), np.int64)) | recent
            return GraphState(Layer.of(whole), Layer.of({}), live, BitMap64(), frequency)
        return GraphState(self.base, Layer.of(recent), live, dead, frequency)

    def compacted(self) -> GraphState:
        """The same with everything in one layer."""
        if not len(self.recent.labels) and not self.dead:
            return self
        whole = self.entries(self.live)
        return GraphState(Layer.of(whole), Layer.of({}), self.live, BitMap64(), self.frequency)

    def entries(self, labels: BitMap64) -> dict[int, ChunkEntry]:
        """What is kept of those of the labels that are held."""
        found: dict[int, ChunkEntry] = {}
        for label in labels:
            entry = self.entry(label)
            if entry is not None:
                found[label] = entry
        return found

    def entry(self, label: int) -> ChunkEntry | None:
        """What is kept of a chunk; None where it is not held."""
        if label not in self.live:
            return None
        asked = np.array([label], np.int64)
        row = int(self.recent.rows(asked)[0])
        return self.recent.entry(row) if row >= 0 else self.base.entry(int(self.base.rows(asked)[0]))

    def documents(self, labels: Labels) -> NDArray[np.int64]:
        """(n,) the document of each chunk, -1 where it is not held."""
        found = np.full(len(labels), -1, np.int64)
        for layer in (self.base, self.recent):
            rows = layer.rows(labels)
            found = np.where(rows >= 0, layer.documents[rows] if len(layer.labels) else -1, found)
        return found

    def words(self, labels: Labels) -> tuple[NDArray[np.int64], Words]:
        """((w,) places in `labels`, (w,) numbers) of the words of these chunks; none of what is not held."""
        owners, words = [], []
        newer = self.recent.rows(labels)
        older = np.where((newer < 0) & held(labels, self.live), self.base.rows(labels), -1)
        for layer, rows in ((self.base, older), (self.recent, newer)):
            places = np.flatnonzero(rows >= 0)
            which, at = gathered(layer.word_offsets[rows[places]], layer.word_offsets[rows[places] + 1])
            owners.append(places[which])
            words.append(layer.words[at])
        return np.concatenate(owners), np.concatenate(words)

    def members(self, nodes: Hashes, limit: int, allowed: Allowed = None) -> Members:
        """The allowed chunks that refer to these nodes; none of a node that more than `limit` chunks refer to.

        The limit counts every chunk, whoever may see it: no more can be learned from it than that a node is common.
        """
        kept, counts = [], np.zeros(len(nodes), np.int64)
        for layer, dead in ((self.base, self.dead), (self.recent, BitMap64())):
            starts, ends = layer.span(nodes)
            ends = np.where(ends - starts > limit + len(dead), starts + limit + len(dead) + 1, ends)
            which, places = gathered(starts, ends)
            labels, hashes = layer.owners[places], layer.by_hash[places]
            if len(dead):
                living = ~held(labels, dead)
                which, labels, hashes = which[living], labels[living], hashes[living]
            counts += np.bincount(which, minlength=len(nodes))
            kept.append((which, labels, hashes & 1))
        which, labels, are = (np.concatenate(parts) for parts in zip(*kept, strict=True))
        passing = counts[which] <= limit
        if allowed is not None:
            passing &= held(labels, allowed)
        return Members(which[passing], labels[passing], are[passing].astype(bool))

    def counts(self, nodes: Hashes) -> NDArray[np.int64]:
        """(n,) how many chunks refer to each node."""
        found = np.zeros(len(nodes), np.int64)
        for layer, dead in ((self.base, self.dead), (self.recent, BitMap64())):
            starts, ends = layer.span(nodes)
            if len(dead):
                which, places = gathered(starts, ends)
                found += np.bincount(which[~held(layer.owners[places], dead)], minlength=len(nodes))
            else:
                found += ends - starts
        return found

    def of_document(self, document: int) -> Labels:
        """The chunks of a document, in order."""
        old = self.base.of_document(document)
        if self.dead:
            old = old[~held(old, self.dead)]
        return np.sort(np.concatenate((old, self.recent.of_document(document))))


def held(labels: Labels, those: BitMap64) -> NDArray[np.bool_]:
    """(n,) whether each label is among those."""
    return np.fromiter((label in those for label in labels.tolist()), np.bool_, len(labels))


def no_graph() -> GraphState | None:
    """What a retriever that was given no graph answers to plans that ask for one: None."""
    return None
