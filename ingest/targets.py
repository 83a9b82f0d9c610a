"""What changes are prepared for: how each active generation cuts a document, and what embeds its passages."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ingest.contracts import CHUNKERS, Chunker
from retrieval.catalog import Catalog
from retrieval.catalog.collections import FIRST_CHUNKING
from retrieval.catalog.generations import Generation, GenerationState
from retrieval.contracts import Encoder
from retrieval.errors import ConflictError, EncoderError, InvalidInputError
from retrieval.types import Chunk, Document

logger = logging.getLogger(__name__)

OpenEncoder = Callable[[str], Encoder]


@dataclass(frozen=True, slots=True)
class CuttingTarget:
    """One way of cutting and the number that its chunks carry."""

    number: int
    chunker: Chunker

    def cut(self, document: Document) -> Sequence[Chunk]:
        """The chunks of the document in order."""
        chunks: Sequence[Chunk] = self.chunker.chunk(document)
        if not chunks and document.title:  # a title alone can still be found
            return (Chunk(0, document.text, 0, len(document.text)),)
        return chunks


@dataclass(frozen=True, slots=True)
class EmbeddingTarget:
    """An encoder and the cuttings whose passages it embeds."""

    encoder: Encoder
    cuttings: frozenset[int]


@dataclass(frozen=True, slots=True)
class Targets:
    """What a commit of this epoch carries; the serving generation's cutting and encoder come first."""

    epoch: int | None
    cuttings: tuple[CuttingTarget, ...]
    embeddings: tuple[EmbeddingTarget, ...]


class TargetSource(Protocol):
    """Says what changes are to be prepared for."""

    def current(self) -> Targets:
        """The targets as last read."""
        ...

    def invalidate(self) -> None:
        """Drop what was read; the next `current` reads the catalog again. Called when a commit was refused."""
        ...


class FixedTargets:
    """One chunker and one encoder, whatever generations there are: for a catalog that has no others."""

    def __init__(self, chunker: Chunker, encoder: Encoder) -> None:
        number = frozenset({FIRST_CHUNKING})
        self._targets = Targets(None, (CuttingTarget(FIRST_CHUNKING, chunker),), (EmbeddingTarget(encoder, number),))

    def current(self) -> Targets:
        """Always the same."""
        return self._targets

    def invalidate(self) -> None:
        """Nothing to read again."""


class LiveTargets:
    """The targets of one collection, read from the catalog once and again when the writer finds them outdated."""

    def __init__(self, catalog: Catalog, collection_id: int, open_encoder: OpenEncoder) -> None:
        self._catalog = catalog
        self._collection_id = collection_id
        self._open_encoder = open_encoder
        self._guard = threading.Lock()
        self._targets: Targets | None = None

    def current(self) -> Targets:
        """The targets as last read.

        Raises `EncoderError` when the serving generation's encoder cannot be opened, `ConflictError` when it changed.
        """
        with self._guard:
            if self._targets is None:
                self._targets = self._read()
            return self._targets

    def invalidate(self) -> None:
        """See `TargetSource`."""
        with self._guard:
            self._targets = None

    def _read(self) -> Targets:
        active = self._catalog.generations.active(self._collection_id)
        cuttings = {one.chunking: cutting_of(one) for one in active.generations}
        embeddings: dict[str, EmbeddingTarget] = {}
        for one in active.generations:
            encoder = self._encoder(one)
            if encoder is not None:
                cut = embeddings[one.fingerprint].cuttings if one.fingerprint in embeddings else frozenset()
                embeddings[one.fingerprint] = EmbeddingTarget(encoder, cut | {one.chunking})
        return Targets(active.epoch, tuple(cuttings.values()), tuple(embeddings.values()))

    def _encoder(self, generation: Generation) -> Encoder | None:
        """The generation's encoder; None where another than the serving one's is no longer what it was."""
        try:
            encoder = self._open_encoder(generation.encoder)
        except EncoderError as error:
            if generation.state is GenerationState.SERVING:
                raise
            logger.warning("generation %d misses embeddings until its encoder opens: %s", generation.id, error)
            return None
        if encoder.fingerprint == generation.fingerprint:
            return encoder
        if generation.state is GenerationState.SERVING:
            raise ConflictError(f"encoder {generation.encoder} is no longer what embedded the collection: `kb reindex`")
        logger.warning("generation %d misses embeddings: encoder %s has changed", generation.id, generation.encoder)
        return None


def cutting_of(generation: Generation) -> CuttingTarget:
    """How that generation cuts."""
    return CuttingTarget(generation.chunking, chunker_of(generation.settings))


def chunker_of(settings: Mapping[str, Any]) -> Chunker:
    """The chunker that a generation's settings name. Raises `InvalidInputError` where they do not fit it."""
    try:
        return CHUNKERS.create(settings["chunker"], max_tokens=settings["chunk_tokens"])
    except ValueError as error:
        raise InvalidInputError(f"chunk_tokens is {settings['chunk_tokens']}: {error}") from error
