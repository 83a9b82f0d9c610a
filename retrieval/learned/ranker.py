"""The learned ranker: candidates are ordered by a weighted sum of what a search knows of their documents.

Learning to rank with a linear model (Joachims 2002; Metzler and Croft 2007), learned from judged questions by
`search_core.tuning.ranker`. It stands on the plan's own scores: weights of zero leave the order as it is. All features
come from what a search has read already, ranks, scores and vectors, so that it costs a millisecond and no text.

Kept as `retrieval.learned.files` keeps learned parts: `ranker.safetensors` and `ranker.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.dense.products import inner_products
from retrieval.errors import InvalidInputError
from retrieval.learned.files import LearnedFile, read_learned, write_learned
from retrieval.ranking.fusion import Candidates, VectorLookup
from retrieval.types import Labels, Vector

KIND = "ranker"  # of learned part
FEATURES = (
    "words_rank",  # the reciprocal rank of the document's best passage, 0 where the leg did not find it
    "vectors_rank",
    "words",  # BM25 of the best passage, as a share of the best candidate's
    "words_second",  # of the second best passage
    "vectors",  # cosine of the best passage, as a share of the best candidate's
    "vectors_second",
    "near_two",  # mean cosine with the first two candidates, as a share of the best
    "near_five",
    "near_ten",  # of the whole document with the first ten documents
    "whole",  # cosine of the whole document
    "apart",  # cosine with the question less what all questions have in common
    "usual",  # cosine with the mean of the collection: how little it says that others do not
    "length",  # logarithm of the number of passages
)
PASSAGES = 16  # of a document, its first, that stand for the whole

Scores = NDArray[np.float64]


class Lookup(NamedTuple):
    """Where a search looks up what it knows of passages and documents."""

    vectors_of: VectorLookup
    document_of: Callable[[int], int | None]  # the label of a passage -> its document
    passages_of: Callable[[Sequence[int]], Sequence[Sequence[int]]]  # documents -> the labels of each one's passages


@dataclass(frozen=True, slots=True)
class Ranker:
    """Weights of standardised features, in units of the plan's best score. Raises `InvalidInputError` for odd arrays.

    `corpus` and `questions` (dim,) are the mean vectors of the collection and of the questions that it was learned
    from; `mean` and `deviation` (features,) are those of the features.
    """

    encoder: str  # its fingerprint
    dim: int
    weights: NDArray[np.float32]  # (features,)
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    corpus: NDArray[np.float32]
    questions: NDArray[np.float32]
    taught: tuple[str, ...] = ()  # hashes of the questions it was learned from

    def __post_init__(self) -> None:
        for name, array in self.tensors.items():
            expected = (self.dim,) if name in ("corpus", "questions") else (len(FEATURES),)
            if array.shape != expected:
                raise InvalidInputError(f"ranker tensor {name} has shape {array.shape}; expected {expected}")
            if not np.isfinite(array).all():
                raise InvalidInputError(f"ranker tensor {name} has values that are no numbers; tune again")
        if not (self.deviation > 0).all():
            raise InvalidInputError("ranker tensor deviation has values of 0 or less; tune again")

    @property
    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """All of them, by name."""
        names = ("weights", "mean", "deviation", "corpus", "questions")
        return {name: getattr(self, name) for name in names}

    def gains(self, features: Scores) -> Scores:
        """(n,) what is added to scores between 0 and 1, from (n, features)."""
        gains: Scores = ((features - self.mean) / self.deviation) @ self.weights.astype(np.float64)
        return gains


def order(ranker: Ranker, candidates: Candidates, vector: Vector, lookup: Lookup) -> Candidates:
    """The candidates in the order that was learned; all passages of a document gain what the document gains.

    `vector` (dim,): the question's, as the dense leg is asked. Where there are no vectors they stay as they are.
    """
    told = read_features(ranker.corpus, ranker.questions, candidates, vector, lookup)
    if told is None:
        return candidates
    return candidates.with_gains(told.spread * ranker.gains(told.features)[told.group])


@dataclass(frozen=True, slots=True)
class Told:
    """What a search knows of the documents among its candidates, the first ones first."""

    features: Scores  # (documents, features)
    group: NDArray[np.int64]  # (candidates,) the row of each one's document
    scores: Scores  # (documents,) of each one's best passage: 0 for what says nothing, 1 for the best of all
    spread: float  # of the plan's scores, that 0 to 1 stands for
    first: NDArray[np.int64]  # (documents,) the place of its first candidate


def read_features(
    corpus: Vector, questions: Vector, candidates: Candidates, vector: Vector, lookup: Lookup
) -> Told | None:
    """The features of the candidates; None where there are none, or no vectors to compare."""
    labels, scores = candidates.scored()
    if not len(labels) or not len(vector):
        return None
    vectors = lookup.vectors_of(labels)
    found = _Documents(labels, lookup)
    (words_rank, bm25), (vectors_rank, _) = candidates.in_leg(0), candidates.in_leg(1)
    passages = _passages(found.numbers, labels[found.first], lookup)
    whole = _Whole(passages, lookup)
    if not vectors.shape[1] == whole.dim == len(vector):  # the dense leg has fallen silent
        return None
    words, second_words = found.two_best(bm25)
    nearest, second_nearest = found.two_best(inner_products(vectors, vector))
    low = min(0.0, float(scores.min()))
    spread = float(scores.max()) - low or 1.0

    def near(to: Vector) -> Scores:
        return _shares(found.best(inner_products(vectors, to)))

    features = np.stack(
        (
            found.best(words_rank),
            found.best(vectors_rank),
            _shares(words),
            _shares(second_words, words),
            _shares(nearest),
            _shares(second_nearest, nearest),
            near(vectors[:2].mean(axis=0)),
            near(vectors[:5].mean(axis=0)),
            _shares(whole.near(whole.mean_of_first(10))),
            _shares(whole.near(vector)),
            near(vector - questions),
            inner_products(vectors[found.first], corpus),
            np.log([len(labels) for labels in passages]),
        ),
        axis=1,
    )
    return Told(features, found.group, (scores[found.first] - low) / spread, spread, found.first)


class _Documents:
    """The documents of some labels, in the order of their first ones.

    `numbers` (documents,); `group` (labels,) the row of each one's document; `first` (documents,) the place of its
    first label. A label whose document is not known yet is a document of its own, by a number below 0.
    """

    def __init__(self, labels: Labels, lookup: Lookup) -> None:
        rows: dict[int, int] = {}
        group = []
        for label in labels.tolist():
            document = lookup.document_of(label)
            group.append(rows.setdefault(-1 - label if document is None else document, len(rows)))
        self.numbers = list(rows)
        self.group = np.array(group, np.int64)
        self._sorted = np.argsort(self.group, kind="stable")
        self._starts = np.searchsorted(self.group[self._sorted], np.arange(len(rows)))
        self._sizes = np.diff(self._starts, append=len(group))
        self.first = self._sorted[self._starts]

    def best(self, values: NDArray[np.floating[Any]]) -> Scores:
        """(documents,) the best of each one's values (labels,)."""
        return np.maximum.reduceat(values[self._sorted], self._starts).astype(np.float64)

    def two_best(self, values: NDArray[np.floating[Any]]) -> tuple[Scores, Scores]:
        """((documents,), (documents,)) the best of each one's values, and the second best, 0 where there is but one."""
        falling = values[np.lexsort((-values, self.group))].astype(np.float64)
        second = falling[np.minimum(self._starts + 1, len(falling) - 1)]
        return falling[self._starts], np.where(self._sizes > 1, second, 0.0)


def _shares(values: Scores, of: Scores | None = None) -> Scores:
    """The values as shares of the best one (`of`: of those); as they are where that is not above 0."""
    best = float((values if of is None else of).max())
    return values / best if best > 0 else values


def _passages(documents: Sequence[int], own: Labels, lookup: Lookup) -> list[Sequence[int]]:
    """Of each document its passages; what is of no known document stands alone."""
    return [found or (label,) for found, label in zip(lookup.passages_of(documents), own.tolist(), strict=True)]


class _Whole:
    """Documents as the mean of the vectors of their first passages."""

    def __init__(self, passages: Sequence[Sequence[int]], lookup: Lookup) -> None:
        told = [labels[:PASSAGES] for labels in passages]
        self._sizes = np.array([len(labels) for labels in told])
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._vectors = lookup.vectors_of(np.array([label for labels in told for label in labels], np.int64))

    @property
    def dim(self) -> int:
        """Of the vectors."""
        return int(self._vectors.shape[1])

    def near(self, to: Vector) -> Scores:
        """(documents,) the mean cosine of each one's passages."""
        cosines = inner_products(self._vectors, to).astype(np.float64)
        means: Scores = np.add.reduceat(cosines, self._starts) / self._sizes
        return means

    def mean_of_first(self, count: int) -> Vector:
        """(dim,) of the first documents."""
        sizes = self._sizes[:count]
        weights = np.repeat(1.0 / (sizes * len(sizes)), sizes).astype(np.float32)
        return np.asarray(weights @ self._vectors[: len(weights)], np.float32)


def write_ranker(folder: Path, ranker: Ranker) -> None:
    """Write both files into `folder`, which is made if need be."""
    about = {"features": list(FEATURES), "taught": list(ranker.taught)}
    write_learned(folder, KIND, LearnedFile(ranker.tensors, ranker.encoder, ranker.dim, about))


def load_ranker(folder: Path, encoder: str, dim: int | None) -> Ranker:
    """The verified ranker of a folder, for vectors of `dim` (None: any) by the encoder of that fingerprint.

    Raises `InvalidInputError` naming the folder where it is missing, altered, made for another encoder, or weighs
    other features than this release reads.
    """
    read = read_learned(folder, KIND, encoder, dim)
    if read.about.get("features") != list(FEATURES):
        raise InvalidInputError(f"ranker {folder.name} weighs other features than this release reads; tune again")
    try:
        return Ranker(encoder, read.dim, **read.tensors, taught=tuple(map(str, read.about.get("taught", ()))))
    except TypeError as error:
        raise InvalidInputError(f"ranker {folder.name} has other tensors than expected; tune again") from error
