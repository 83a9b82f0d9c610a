"""What the hits of a search say of how relevant they are, read from the legs' own scores and the hits' texts.

Only texts that the caller may read are looked at. How rare a word is, is counted over the whole collection, as BM25 is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from retrieval.analysis.analyzer import Analyzer
from retrieval.contracts import Encoder
from retrieval.encoder import cosine_scale
from retrieval.errors import OutageError, ViewError
from retrieval.ranking.fusion import LegPart
from retrieval.search.relevance import Evidence, rarities, share_held, share_of_words
from retrieval.search.types import Hit
from retrieval.types import passage_text
from retrieval.views.contract import Views


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as it was searched for, the share of its letters that the encoder reads, and the legs that answered."""

    query: str
    coverage: float
    legs: Collection[str]


def evidence_of(asked: Asked, hits: Sequence[Hit], views: Views, analyzer: Analyzer, encoder: Encoder) -> Evidence:
    """What these hits of a search say; without words where the words index has fallen silent meanwhile."""
    tokens = list(dict.fromkeys(analyzer.tokens(asked.query)))
    legs = set(asked.legs)
    try:
        counts = views.sparse.frequencies(tokens) if "sparse" in legs else {}
    except (OutageError, ViewError):
        counts, legs = {}, legs - {"sparse"}
    rarity = rarities(tokens, counts, len(views.attributes))
    texts = [passage_text(hit.chunk.title, hit.chunk.heading, hit.chunk.text) for hit in hits]
    cosine = _best(hit.fused.dense for hit in hits)
    return Evidence(
        cosine=cosine_scale.of_passage(encoder, asked.query, cosine) if "dense" in legs else None,
        words=share_of_words(_best(hit.fused.sparse for hit in hits), rarity) if "sparse" in legs else None,
        held=share_held(rarity, texts, analyzer.tokens),
        coverage=asked.coverage,
    )


def _best(parts: Iterable[LegPart | None]) -> float:
    return max((part.score for part in parts if part is not None and part.score is not None), default=0.0)
