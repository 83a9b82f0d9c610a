"""Brings a generation up to what the catalog holds: cuts what it lacks, embeds what it lacks, in small pieces.

Changes committed meanwhile carry its chunks and embeddings themselves, so what is left only shrinks; a process killed
at any moment leaves what is done, and the next one goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ingest.targets import CuttingTarget
from retrieval.catalog import Catalog, Collection
from retrieval.catalog.batching import in_parts
from retrieval.catalog.recutting import Uncut
from retrieval.contracts import Encoder
from retrieval.types import Vector

DOCUMENTS_PER_COMMIT = 50
PASSAGES_PER_COMMIT = 64
PASSAGES_PER_CALL = 8  # some 50 ms of one core; between two calls the pace may rest

Progress = Callable[[int], None]  # hears how many documents were cut, or passages embedded


@dataclass(slots=True)
class Pace:
    """Works for `share` of the time and rests for the remainder, so that searches find the processor free."""

    share: float = 1.0
    _began: float = 0.0

    def begin(self) -> None:
        """Work begins here."""
        self._began = time.monotonic()

    def rest(self) -> None:
        """Rest in proportion to the work since the last rest."""
        worked = time.monotonic() - self._began
        if self.share < 1.0:
            time.sleep(worked * (1.0 - self.share) / self.share)
        self.begin()


def cut_missing(
    catalog: Catalog,
    collection: Collection,
    cutting: CuttingTarget,
    progress: Progress = lambda _: None,
    pace: Pace | None = None,
) -> int:
    """Cut every document that has no chunks of this cutting; how many there were."""
    pace = pace or Pace()
    total = 0
    while True:
        skipped = found = 0
        for documents in _pages(catalog, collection):
            pace.begin()
            cuts = []
            for one in documents:
                cuts.append((one, cutting.cut(one.document)))
                pace.rest()
            skipped += catalog.recutting.store(collection, cuts)
            found += sum(1 for _, chunks in cuts if chunks)
            progress(len(documents))
            pace.rest()
        total += found
        if not skipped:
            return total


def embed_missing(
    catalog: Catalog,
    collection: Collection,
    encoder: Encoder,
    progress: Progress = lambda _: None,
    pace: Pace | None = None,
) -> int:
    """Embed every passage of the collection's generation that its encoder has not embedded; how many there were."""
    pace = pace or Pace()
    total = 0
    for batch in catalog.embeddings.missing_passages(collection):
        for part in in_parts(list(batch.items()), PASSAGES_PER_COMMIT):
            vectors: dict[str, Vector] = {}
            pace.begin()
            for call in in_parts(part, PASSAGES_PER_CALL):
                encoded = encoder.encode_passages([passage for _, passage in call])
                vectors.update(zip((key for key, _ in call), encoded, strict=True))
                pace.rest()
            catalog.embeddings.store(encoder.fingerprint, vectors)
            total += len(vectors)
            progress(len(vectors))
            pace.rest()
    return total


def _pages(catalog: Catalog, collection: Collection) -> Iterator[list[Uncut]]:
    after = 0
    while documents := catalog.recutting.uncut(collection, DOCUMENTS_PER_COMMIT, after):
        yield documents
        after = documents[-1].number
