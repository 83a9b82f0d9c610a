"""One part of the graph's tables: what some chunks refer to, by chunk and by node, in arrays that never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

from retrieval.graph.nodes import Hashes
from retrieval.types import Labels

Words = NDArray[np.uint32]
Offsets = NDArray[np.int64]

_NO_HASHES, _NO_WORDS = np.empty(0, np.int64), np.empty(0, np.uint32)


@dataclass(frozen=True, slots=True)
class ChunkEntry:
    """What the graph keeps of a chunk. `digest` differs when anything the entry is made of does."""

    document: int
    digest: int
    hashes: Hashes  # (n,) rising, see `nodes.Reference.hash`
    words: Words  # (m,) rising


@dataclass(frozen=True, slots=True)
class Layer:
    """Entries of chunks by rising label, and the same references by rising hash. Row i of `hashes` begins at offset i.

    About 24 bytes a reference and 4 a word.
    """

    labels: Labels  # (n,)
    documents: NDArray[np.int64]  # (n,)
    digests: NDArray[np.int64]  # (n,)
    offsets: Offsets  # (n + 1,)
    hashes: Hashes  # (k,) by chunk
    word_offsets: Offsets  # (n + 1,)
    words: Words  # (w,) by chunk
    by_hash: Hashes  # (k,) rising
    owners: Labels  # (k,) the chunk of each
    by_document: Labels  # (n,) labels by document, then by label
    document_order: NDArray[np.int64]  # (n,) the document of each of these

    @classmethod
    def of(cls, entries: Mapping[int, ChunkEntry]) -> Layer:
        """The layer of these entries, by label."""
        labels = sorted(entries)
        ordered = [entries[label] for label in labels]
        return cls.made(
            np.array(labels, np.int64),
            np.array([one.document for one in ordered], np.int64),
            np.array([one.digest for one in ordered], np.int64),
            _offsets([len(one.hashes) for one in ordered]),
            np.concatenate([_NO_HASHES, *(one.hashes for one in ordered)]),
            _offsets([len(one.words) for one in ordered]),
            np.concatenate([_NO_WORDS, *(one.words for one in ordered)]),
        )

    @classmethod
    def made(
        cls,
        labels: Labels,
        documents: NDArray[np.int64],
        digests: NDArray[np.int64],
        offsets: Offsets,
        hashes: Hashes,
        word_offsets: Offsets,
        words: Words,
    ) -> Layer:
        """The layer of tables by chunk; those by node and by document are made from them."""
        owners = np.repeat(labels, np.diff(offsets))
        order = np.lexsort((owners, hashes))
        in_documents = np.lexsort((labels, documents))
        return cls(
            labels,
            documents,
            digests,
            offsets,
            hashes,
            word_offsets,
            words,
            hashes[order],
            owners[order],
            labels[in_documents],
            documents[in_documents],
        )

    def without(self, dead: BitMap64) -> dict[int, ChunkEntry]:
        """The entries but those of these labels."""
        return {int(label): self.entry(row) for row, label in enumerate(self.labels.tolist()) if label not in dead}

    def entry(self, row: int) -> ChunkEntry:
        """The entry in this row."""
        return ChunkEntry(
            int(self.documents[row]),
            int(self.digests[row]),
            self.hashes[self.offsets[row] : self.offsets[row + 1]],
            self.words[self.word_offsets[row] : self.word_offsets[row + 1]],
        )

    def row(self, label: int) -> int:
        """The row of a label, -1 where it is not here."""
        at = int(self.labels.searchsorted(label))
        return at if at < len(self.labels) and self.labels[at] == label else -1

    def rows(self, labels: Labels) -> NDArray[np.int64]:
        """(n,) the row of each label, -1 where it is not here."""
        if not len(self.labels):
            return np.full(len(labels), -1, np.int64)
        rows = np.searchsorted(self.labels, labels).clip(max=len(self.labels) - 1)
        return np.where(self.labels[rows] == labels, rows, -1)

    def span(self, nodes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the references to each node begin and end in `by_hash` and `owners`."""
        return np.searchsorted(self.by_hash, nodes), np.searchsorted(self.by_hash, nodes | 1, side="right")

    def of_document(self, document: int) -> Labels:
        """The chunks of a document, in order."""
        low, high = np.searchsorted(self.document_order, [document, document + 1])
        return self.by_document[low:high]


def gathered(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(which span, place) of every place in the spans, span by span."""
    lengths = ends - starts
    which = np.repeat(np.arange(len(starts)), lengths)
    shifts = starts - np.cumsum(lengths) + lengths  # from the place in all spans to the place in the tables
    return which, np.arange(len(which)) + shifts[which]


def _offsets(lengths: Sequence[int]) -> Offsets:
    offsets: Offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(np.array(lengths, np.int64), out=offsets[1:])
    return offsets
