"""The graph view: follows the operation log like the other views, and can be dropped and built again like them."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.errors import ViewError
from retrieval.graph.build import word_numbers
from retrieval.graph.layer import ChunkEntry, Layer
from retrieval.graph.nodes import hashes_of
from retrieval.graph.state import SKETCH, GraphState
from retrieval.types import IndexedChunk, ViewBatch
from retrieval.views.folder import Reached, lock_folder, read_manifest, replace_file, write_manifest

FORMAT = 2  # raised with any change of what a chunk is said to refer to: views built before are then rebuilt
TABLES_NAME = "graph.npz"
_COLUMNS = ("labels", "documents", "digests", "offsets", "hashes", "word_offsets", "words")


Referring = Callable[[Sequence[IndexedChunk]], Sequence[IndexedChunk]]


def _as_they_are(chunks: Sequence[IndexedChunk]) -> Sequence[IndexedChunk]:
    return chunks


class GraphView:
    """What every chunk refers to, and which words it holds. One thread applies; any number read `state` meanwhile.

    With a folder, this object is its only writer (else `ViewLockedError`); `read_only` loads the last snapshot, which
    further batches may be applied to in memory. Raises `ViewError` when the folder does not fit. `references` adds to
    chunks what they refer to beside their text, see `retrieval.catalog.references`.
    """

    def __init__(
        self, folder: Path | None, analyzer: Analyzer, *, read_only: bool = False, references: Referring = _as_they_are
    ) -> None:
        self._analyzer = analyzer
        self._references = references
        self._expected = {"kind": "graph", "format": FORMAT, "analyzer": analyzer.fingerprint}
        self._folder = folder
        self._may_save = folder is not None and not read_only
        self._lock = lock_folder(folder) if folder and self._may_save else None
        self.reached = Reached()
        self.state = GraphState()
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    @property
    def seq(self) -> int:
        """The last operation applied."""
        return self.reached.seq

    def __len__(self) -> int:
        return len(self.state.live)

    def labels(self) -> BitMap64:
        """All labels held."""
        return self.state.live.copy()

    def apply(self, batch: ViewBatch) -> None:
        """Bring the view to `batch.seq`; visible as a whole. Only what chunks that came or left refer to changes."""
        removed = BitMap64(batch.removed) & self.state.live
        added = self._entries(batch, removed)
        if removed or added:
            self.state = self.state.changed(removed, added)
        self.reached = self.reached.after(batch)

    def save(self) -> None:
        """Write the whole state; nothing is written in between."""
        if not self._folder or not self._may_save:
            return
        self.state = self.state.compacted()
        ((base, _),) = self.state.parts
        tables = io.BytesIO()
        np.savez(tables, **{name: getattr(base, name) for name in _COLUMNS})
        content = tables.getvalue()
        replace_file(self._folder / TABLES_NAME, content)
        manifest = {**self._expected, **self.reached.written(), "checksum": zlib.crc32(content)}
        write_manifest(self._folder, manifest)

    def close(self) -> None:
        """Give up the folder; what was not saved is replayed at the next start."""
        if self._lock is not None:
            self._lock.release()

    def _entries(self, batch: ViewBatch, removed: BitMap64) -> dict[int, ChunkEntry]:
        """Entries of the chunks that came or changed; one that comes again as it was is not read again."""
        found: dict[int, ChunkEntry] = {}
        for chunk in self._references(batch.added):
            digest = _digest(chunk)
            known = None if chunk.label in removed else self.state.entry(chunk.label)
            if known is None or known.digest != digest:
                found[chunk.label] = self._entry(chunk, digest)
        return found

    def _entry(self, chunk: IndexedChunk, digest: int) -> ChunkEntry:
        passage = "\n".join((chunk.title, chunk.heading, chunk.text))
        words = word_numbers(set(self._analyzer.query_tokens(passage))).astype(np.uint32)
        return ChunkEntry(chunk.document, digest, hashes_of(chunk), words)

    def _load(self) -> None:
        manifest = read_manifest(self._folder, self._expected) if self._folder else None
        if manifest is None or self._folder is None:
            return
        path = self._folder / TABLES_NAME
        try:
            content = path.read_bytes()
            tables = np.load(io.BytesIO(content)) if zlib.crc32(content) == manifest["checksum"] else None
        except (OSError, ValueError) as error:
            raise ViewError(
                f"{path} cannot be read ({error}); delete {self._folder} and the view is rebuilt"
            ) from error
        if tables is None:
            raise ViewError(f"{path} is not what its manifest names; delete {self._folder} and the view is rebuilt")
        base = Layer.made(*(tables[name] for name in _COLUMNS))
        frequency = np.bincount(base.words % SKETCH, minlength=SKETCH).astype(np.int32)
        self.state = GraphState(((base, BitMap64()),), BitMap64(base.labels.tolist()), frequency)
        self.reached = Reached.read(manifest)


def _digest(chunk: IndexedChunk) -> int:
    """63 bits of everything that an entry is made of."""
    metadata = chunk.metadata
    parts: tuple[Any, ...] = (
        chunk.document,
        chunk.title,
        chunk.heading,
        chunk.text,
        chunk.uri,
        chunk.links,
        chunk.hyperlinks,
        metadata.get("_key"),
        metadata.get("_source"),
    )
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big") >> 1
