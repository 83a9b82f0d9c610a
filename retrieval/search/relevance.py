"""How likely a search found what it was asked for, on a scale that means the same for every query.

Scores of a fused ranking are relative: the best of a hundred passages that have nothing to do with the question scores
like the best of a hundred that answer it. What is absolute is known to each leg: the cosine with the nearest passage,
and BM25 as a share of the most that it could give for these words (Bruch, Gai and Ingber 2023). A logistic model over
both says how likely the hits are about the query; its weights, and how well it tells questions of seven collections
from those of the others, are what `tests.benchmarks.bench_relevance` prints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

BM25_MOST = 2.2  # times its inverse document frequency, the most a word gives: k1 + 1
FEW = 0.3  # below it, what was found is probably about something else


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the logistic model. `unread_words` is of the words' share as far as the encoder cannot read the query."""

    bias: float
    cosine: float = 0.0
    words: float = 0.0
    unread_words: float = 0.0
    held: float = 0.0


BOTH = Weights(bias=-7.0, cosine=10.0, words=1.5, unread_words=33.0, held=3.7)
WORDS = Weights(bias=-4.3, words=7.6, held=5.2)
VECTORS = Weights(bias=-7.0, cosine=16.0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a search found, in absolute terms; a leg that was not asked, or did not answer, gives None.

    `cosine`: of the nearest hit, 0 for texts of unlike subjects. `words`: BM25 of the best hit as a share of the most
    for these words. `held`: the share of the query's words, by inverse document frequency, that some hit holds.
    `coverage`: the share of the query's letters that the encoder can read. All from 0 to 1.
    """

    cosine: float | None
    words: float | None
    held: float
    coverage: float

    @property
    def relevance(self) -> float:
        """The estimated probability, 0 to 1, that the hits are about the query."""
        if self.cosine is None and self.words is None:
            return 0.0
        weights = VECTORS if self.words is None else WORDS if self.cosine is None else BOTH
        cosine, words = max(self.cosine or 0.0, 0.0) * self.coverage, self.words or 0.0
        score = (
            weights.bias
            + weights.cosine * cosine
            + weights.words * words
            + weights.unread_words * (1.0 - self.coverage) * words
            + weights.held * self.held
        )
        return 1.0 / (1.0 + math.exp(-score))


def rarities(tokens: Sequence[str], frequencies: Mapping[str, int], chunks: int) -> dict[str, float]:
    """Token -> inverse document frequency, as BM25 has it (Robertson and Zaragoza 2009)."""
    counts = {token: min(frequencies.get(token, 0), chunks) for token in tokens}
    return {token: math.log(1 + (chunks - count + 0.5) / (count + 0.5)) for token, count in counts.items()}


def share_of_words(best: float, rarity: Mapping[str, float]) -> float:
    """BM25 of the best hit as a share of the most that any passage could have; 0 for a query without words."""
    most = BM25_MOST * sum(rarity.values())
    return min(best / most, 1.0) if most else 0.0


def share_held(rarity: Mapping[str, float], texts: Sequence[str], tokens: Callable[[str], Sequence[str]]) -> float:
    """The share of the query's words that one of the texts holds, rare ones counting more."""
    held = frozenset[str]().union(*(tokens(text) for text in texts))
    whole = sum(rarity.values())
    return sum(value for token, value in rarity.items() if token in held) / whole if whole else 0.0
