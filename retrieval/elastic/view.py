"""What both views on Elasticsearch have in common: one index, shared by all processes, and how far it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyroaring import BitMap64

from retrieval.elastic.index import ElasticIndex
from retrieval.elastic.terms import label_queries
from retrieval.types import IndexedChunk, ViewBatch

CHUNKS = {"exists": {"field": "label"}}  # everything but the place


class ElasticView:
    """A `SharedView`. One thread of one process applies; any number search."""

    def __init__(self, index: ElasticIndex) -> None:
        self.index = index
        self._seq = 0

    @property
    def seq(self) -> int:
        """The last operation applied, as this process knows it."""
        return self._seq

    @property
    def shared_name(self) -> str:
        """The name of the index."""
        return self.index.name.alias

    def __len__(self) -> int:
        return self.count(BitMap64())

    def count(self, but: BitMap64) -> int:
        """How many chunks there are without the labels `but`."""
        return self.index.count({"bool": {"filter": CHUNKS, "must_not": label_queries(list(but))}} if but else CHUNKS)

    def labels(self) -> BitMap64:
        """All labels held."""
        return self.index.labels()

    def newer_than(self, seq: int) -> dict[int, int]:
        """Label -> version of the chunks whose version is beyond that operation."""
        return self.index.newer_than(seq)

    @property
    def refused_by(self) -> int:
        """The newest version that refused a part of the last batch as older; 0: nothing was refused."""
        return self.index.refused_by

    def differing(self, chunks: Sequence[IndexedChunk]) -> BitMap64:
        """Labels of those of the chunks that are held with other words or filter fields, or without a digest."""
        held = self.index.digests([chunk.label for chunk in chunks])
        return BitMap64([c.label for c in chunks if c.label in held and held[c.label] != self._digest(c)])

    def resume(self) -> int:
        """Read from the index how far it is, making it where it is absent."""
        self.observe(self.index.resume())
        return self._seq

    def restart(self) -> None:
        """Delete the index and make an empty one."""
        self.index.drop()
        self.resume()

    def is_current(self) -> bool:
        """Whether the index is as this process left it. Raises `ViewLostError` where it is gone."""
        return self.index.is_current()

    def check(self) -> None:
        """Nothing, where the index can be searched; else raises `OutageError` or `ViewLostError`."""
        self.index.check()

    def observe(self, seq: int) -> None:
        """Take note of how far another process has brought the index."""
        if seq < self._seq:
            self._goes_back()
        self._seq = seq

    def apply(self, batch: ViewBatch) -> None:
        """Bring the index to `batch.seq`; searchable when this returns.

        Raises `OutageError`, `ViewLostError` or `ViewOvertakenError`; then `resume` comes first.
        """
        self.index.write(self._lines(batch), batch.seq)
        self._seq = self.index.place

    def mend(self, batch: ViewBatch) -> None:
        """Write what a batch of a rebuild says, whoever applies meanwhile; how far the index is stays as it is.

        Of each chunk the newer state wins, by its version. Raises `OutageError` or `ViewLostError`.
        """
        self.index.write_beside(self._lines(batch))
        self._goes_back()

    def save(self) -> None:
        """Nothing: what was applied is durable already."""

    def close(self) -> None:
        """Nothing: the connections are the server's."""

    def _goes_back(self) -> None:
        """What was read of the index may be wrong: chunks were mended, or others have their labels now."""

    def _digest(self, chunk: IndexedChunk) -> int:
        """What the index keeps of the chunk, as a number: what the kind of view says."""
        raise NotImplementedError

    def _lines(self, batch: ViewBatch) -> Iterator[bytes]:
        """The batch as lines of a bulk: what the kind of view says."""
        raise NotImplementedError
