"""What a search asks of the graph: a frozen state, replaced by each batch, so that no search sees half of one.

A few layers, each a multiple of all that came after it, with the labels of each that left it; so a chunk is written
again a few times for each layer, however many there are, as log-structured merge trees do it (O'Neil et al. 1996,
https://doi.org/10.1007/s002360050048). Whatever the state answers depends on the chunks that are there alone, not on
the way they came: a rebuilt graph answers the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

from retrieval.contracts import Allowed
from retrieval.graph.layer import ChunkEntry, Layer, Words, gathered
from retrieval.graph.nodes import Hashes
from retrieval.types import Labels

SKETCH = 2**18  # counters of words, 1 MB; two of 10,000 rare words share one with another 1 time in 26
MIN_LAYER = 64  # chunks up to which a layer takes in what comes: written in a third of a millisecond
LAYER_GROWTH = 8  # times what came after it a layer is larger, and its chunks more than those that left it

Part = tuple[Layer, BitMap64]  # a layer, and its labels that left or have a newer entry in a later one


@dataclass(frozen=True, slots=True)
class Members:
    """Chunks that refer to some nodes: (m,) which node, which chunk, and whether the chunk is that thing."""

    nodes: NDArray[np.int64]  # places in what was asked
    labels: Labels
    are: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GraphState:
    """Entries of all chunks. `frequency`: how many chunks hold a word, by its number modulo `SKETCH`."""

    parts: tuple[Part, ...] = field(default_factory=lambda: ((Layer.of({}), BitMap64()),))  # one or more, by age
    live: BitMap64 = field(default_factory=BitMap64)
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
        live = (self.live - removed) | BitMap64(added)
        parts = [(layer, dead | BitMap64(leavers[layer.rows(leavers) >= 0].tolist())) for layer, dead in self.parts]
        return GraphState(_folded([*parts, (Layer.of(added), BitMap64())]), live, frequency)

    def compacted(self) -> GraphState:
        """The same with everything in one layer."""
        if len(self.parts) == 1 and not self.parts[0][1]:
            return self
        return GraphState((_merged(self.parts),), self.live, self.frequency)

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
        for layer, dead in self.parts:
            row = layer.row(label)
            if row >= 0 and label not in dead:
                return layer.entry(row)
        return None

    def documents(self, labels: Labels) -> NDArray[np.int64]:
        """(n,) the document of each chunk, -1 where it is not held."""
        found = np.full(len(labels), -1, np.int64)
        for layer, dead in self.parts:
            places, rows = _living(layer, dead, labels)
            found[places] = layer.documents[rows]
        return found

    def words(self, labels: Labels) -> tuple[NDArray[np.int64], Words]:
        """((w,) places in `labels`, (w,) numbers) of the words of these chunks; none of what is not held."""
        owners, words = [], []
        for layer, dead in self.parts:
            places, rows = _living(layer, dead, labels)
            which, at = gathered(layer.word_offsets[rows], layer.word_offsets[rows + 1])
            owners.append(places[which])
            words.append(layer.words[at])
        return np.concatenate(owners), np.concatenate(words)

    def members(self, nodes: Hashes, limit: int, allowed: Allowed = None) -> Members:
        """The allowed chunks that refer to these nodes; none of a node that more than `limit` chunks refer to.

        The limit counts every chunk, whoever may see it: no more can be learned from it than that a node is common.
        """
        kept, counts = [], np.zeros(len(nodes), np.int64)
        for layer, dead in self.parts:
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
        for layer, dead in self.parts:
            starts, ends = layer.span(nodes)
            if len(dead):
                which, places = gathered(starts, ends)
                found += np.bincount(which[~held(layer.owners[places], dead)], minlength=len(nodes))
            else:
                found += ends - starts
        return found

    def of_document(self, document: int) -> Labels:
        """The chunks of a document, in order."""
        found = [(layer.of_document(document), dead) for layer, dead in self.parts]
        return np.sort(np.concatenate([labels[~held(labels, dead)] if dead else labels for labels, dead in found]))


def _living(layer: Layer, dead: BitMap64, labels: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(m,) places in `labels` of those that this layer answers for, (m,) their rows in it."""
    rows = layer.rows(labels)
    places = np.flatnonzero(rows >= 0)
    if dead:
        places = places[~held(labels[places], dead)]
    return places, rows[places]


def _folded(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The same in layers as they should be: neighbours that are too much of a size in one, few dead in each."""
    groups: list[list[Part]] = []
    for part in parts:
        group = [part]
        while groups and _count(groups[-1]) <= max(MIN_LAYER, LAYER_GROWTH * _count(group)):
            group = groups.pop() + group
        groups.append(group)
    return tuple(_merged(group) if len(group) > 1 or _is_worn(group[0]) else group[0] for group in groups)


def _count(parts: Sequence[Part]) -> int:
    return sum(len(layer.labels) - len(dead) for layer, dead in parts)


def _is_worn(part: Part) -> bool:
    return len(part[1]) * LAYER_GROWTH > len(part[0].labels)


def _merged(parts: Sequence[Part]) -> Part:
    entries: dict[int, ChunkEntry] = {}
    for layer, dead in parts:
        entries |= layer.without(dead)
    return Layer.of(entries), BitMap64()


def held(labels: Labels, those: BitMap64) -> NDArray[np.bool_]:
    """(n,) whether each label is among those."""
    return np.fromiter((label in those for label in labels.tolist()), np.bool_, len(labels))


def no_graph() -> GraphState | None:
    """What a retriever that was given no graph answers to plans that ask for one: None."""
    return None
