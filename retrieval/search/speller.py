"""Corrects the queries of one collection, with the caller's rights; words that were seen are remembered for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from retrieval.analysis.analyzer import Analyzer
from retrieval.catalog import Catalog, Collection
from retrieval.contracts import Allowed, Encoder, Lexicon, Scope
from retrieval.errors import OutageError, ViewError
from retrieval.search.spelling import Correction, Vocabulary, corrections, suspects
from retrieval.types import Principal
from retrieval.views.contract import Views

logger = logging.getLogger(__name__)

REMEMBERED_SECONDS = 60.0
MAX_REMEMBERED = 20_000  # words, with whose


class Speller:
    """Thread-safe. Where the words do not answer there are no corrections; the search itself tells why."""

    def __init__(self, catalog: Catalog, encoder: Encoder, analyzer: Analyzer, views: Views) -> None:
        self._catalog = catalog
        self._lexicon = encoder if isinstance(encoder, Lexicon) else None
        self._analyzer = analyzer
        self._views = views
        self._held: set[tuple[frozenset[str] | None, str]] = set()  # (groups, None: sees all; word)
        self._forget_at = 0.0

    def corrections(
        self, collection: Collection, query: str, principal: Principal, rights: Allowed
    ) -> tuple[Correction, ...]:
        """Of a query by this caller, who may see the chunks of `rights`."""
        groups = None if rights is None else principal.groups
        held = self._remembered()
        words = [word for start, end in suspects(query) if (groups, word := query[start:end]) not in held]
        if not words or self._views.health.is_down("sparse"):
            return ()

        def texts(labels: Sequence[int]) -> list[str]:
            visible = self._catalog.documents.visible(collection, labels, principal)
            return [f"{chunk.title}\n{chunk.heading}\n{chunk.text}" for chunk in visible.values()]

        vocabulary = Vocabulary(self._views.sparse, self._analyzer, texts, rights, Scope(principal), self._lexicon)
        try:
            unheld = vocabulary.unheld(words)
            held.update((groups, word) for word in words if word not in unheld)
            return corrections(unheld, vocabulary)
        except (OutageError, ViewError) as error:
            logger.warning("a query goes uncorrected: %s", error)
            return ()

    def _remembered(self) -> set[tuple[frozenset[str] | None, str]]:
        now = time.monotonic()
        if now >= self._forget_at or len(self._held) > MAX_REMEMBERED:
            self._held, self._forget_at = set(), now + REMEMBERED_SECONDS
        return self._held
