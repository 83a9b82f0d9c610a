"""The corpus as it was at one operation: what a search over architectures reads while the corpus goes on changing."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.catalog import Catalog, Collection
from retrieval.contracts import Encoder, Lexicon
from retrieval.graph.state import GraphState
from retrieval.graph.view import GraphView
from retrieval.learned.ranker import Lookup
from retrieval.search.spelling import Vocabulary
from retrieval.sparse import SparseView
from retrieval.types import IndexedChunk, Labels, Vectors, ViewBatch, passage_text
from search_core.errors import CorpusError


class LazyGraph:
    """The graph of some chunks, as the view that serves makes it; built at the first call, then kept. Thread-safe."""

    def __init__(self, chunks: Sequence[IndexedChunk], analyzer: Analyzer, seq: int) -> None:
        self._chunks = chunks
        self._analyzer = analyzer
        self._seq = seq
        self._state: GraphState | None = None
        self._building = threading.Lock()

    def __call__(self) -> GraphState:
        """The whole graph."""
        with self._building:
            if self._state is None:
                view = GraphView(None, self._analyzer)
                view.apply(ViewBatch(max(self._seq, 1), [], self._chunks))
                self._state = view.state
            return self._state


def no_links() -> GraphState:
    """The graph of a corpus of which nothing is known but vectors and words: empty."""
    return GraphState()


@dataclass(frozen=True, slots=True)
class CorpusSnapshot:
    """Chunks by rising label, their vectors (n, dim) and a words index over them, all as of operation `seq`."""

    collection: Collection
    seq: int
    chunks: tuple[IndexedChunk, ...]
    labels: Labels
    vectors: Vectors
    words: SparseView
    graph: Callable[[], GraphState] = no_links  # made when it is first asked for
    _by_label: dict[int, IndexedChunk] = field(init=False, repr=False)
    _passages: dict[int, list[int]] = field(init=False, repr=False)  # document -> labels, rising

    def __post_init__(self) -> None:
        # Dictionaries, as the views that serve have them: a search here must not take longer than it will.
        passages: dict[int, list[int]] = {}
        for chunk in self.chunks:
            passages.setdefault(chunk.document, []).append(chunk.label)
        object.__setattr__(self, "_by_label", {chunk.label: chunk for chunk in self.chunks})
        object.__setattr__(self, "_passages", passages)

    @property
    def documents(self) -> int:
        """How many documents the chunks belong to."""
        return len(self._passages)

    @property
    def digest(self) -> str:
        """SHA-256 over labels, document keys and texts: what was learned from, for the manifest."""
        digest = hashlib.sha256()
        for chunk in self.chunks:
            for part in (str(chunk.label), key_of(chunk), chunk.title, chunk.heading, chunk.text):
                digest.update(part.encode() + b"\0")
        return digest.hexdigest()

    def rows(self, labels: Labels) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """(n,) where these labels stand in `chunks` and `vectors`. They must be there."""
        return np.searchsorted(self.labels, labels)

    def chunk_of(self, label: int) -> IndexedChunk:
        """The chunk of that label, which must be there."""
        return self._by_label[label]

    def document_of(self, label: int) -> int:
        """The document of a chunk, which must be there."""
        return self._by_label[label].document

    def labels_of(self, document: int) -> list[int]:
        """The chunks of a document."""
        return self._passages.get(document, [])

    def passages_of(self, documents: Sequence[int]) -> list[list[int]]:
        """The chunks of each document."""
        return [self.labels_of(document) for document in documents]

    def vectors_of(self, labels: Labels) -> Vectors:
        """(n, dim) the vectors of these chunks: a `retrieval.ranking.fusion.VectorLookup`."""
        return self.vectors[self.rows(labels)]

    def vocabulary(self, encoder: Encoder) -> Vocabulary:
        """The words by which a search for somebody who sees everything corrects a query."""

        def texts(labels: Sequence[int]) -> list[str]:
            return [self.chunk_of(label).words for label in labels]

        settings = self.collection.settings
        lexicon = encoder if isinstance(encoder, Lexicon) else None
        return Vocabulary(self.words, Analyzer(settings.dictionary, settings.synonyms), texts, lexicon=lexicon)

    @property
    def lookup(self) -> Lookup:
        """What a learned ranker looks up."""
        return Lookup(self.vectors_of, self.document_of, self.passages_of)

    def close(self) -> None:
        """Give up the words index."""
        self.words.close()


def key_of(chunk: IndexedChunk) -> str:
    """The key of the chunk's document."""
    return str(chunk.metadata["_key"])


def passage_of(chunk: IndexedChunk) -> str:
    """What an encoder reads of a chunk, as `ingest` gives it."""
    return passage_text(chunk.title, chunk.heading, chunk.text)


def texts_by_key(snapshot: CorpusSnapshot) -> dict[str, str]:
    """What each document says, folded and without spaces, by its key: equal documents are seen as equal."""
    found: dict[str, list[str]] = {}
    for chunk in snapshot.chunks:
        found.setdefault(key_of(chunk), []).append(chunk.text)
    return {key: "".join(" ".join(parts).casefold().split()) for key, parts in found.items()}


def read_snapshot(catalog: Catalog, collection: Collection) -> CorpusSnapshot:
    """The collection as it is now. Raises `CorpusError` where there is nothing to search, or not all of it is embedded.

    The words index is the one that serves an embedded collection, in memory, so scores are those of serving.
    """
    analyzer = Analyzer(collection.settings.dictionary, collection.settings.synonyms)
    words = SparseView(None, analyzer)
    chunks: list[IndexedChunk] = []
    seq = 0
    for batch in catalog.log.everything(collection, BitMap64(), BitMap64()):
        words.apply(batch)
        chunks.extend(catalog.references.of(collection, batch.added))
        seq = max(seq, batch.version)
    words.save()
    chunks.sort(key=lambda chunk: chunk.label)
    try:
        _check(collection.name, chunks)
    except CorpusError:
        words.close()
        raise
    vectors = np.stack([chunk.vector for chunk in chunks if chunk.vector is not None])
    labels = np.array([chunk.label for chunk in chunks], np.int64)
    return CorpusSnapshot(collection, seq, tuple(chunks), labels, vectors, words, LazyGraph(chunks, analyzer, seq))


def _check(name: str, chunks: list[IndexedChunk]) -> None:
    if not chunks:
        raise CorpusError(f"collection {name!r} is empty: there is nothing to tune; ingest documents first")
    bare = sum(chunk.vector is None for chunk in chunks)
    if bare:
        raise CorpusError(
            f"{bare} of {len(chunks)} chunks of collection {name!r} have no vector yet; "
            f"`kb verify --repair --collection {name}` makes them"
        )
