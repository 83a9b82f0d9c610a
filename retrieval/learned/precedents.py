"""Precedents: earlier questions with the documents that answered them, remembered for questions that are near.

How likely a document answers a question is estimated from the judged questions around it, each weighted by how near it
is (Nadaraya 1964, Watson 1964), as if one more question at the cosine `STRANGE` had been answered by nothing: far from
all that was ever asked the estimate goes to 0, and a search is what it was.

Kept as `retrieval.learned.files` keeps learned parts: vectors of questions and keys of documents, no text of a
question.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

from retrieval.contracts import Allowed
from retrieval.dense.products import inner_products
from retrieval.errors import InvalidInputError
from retrieval.graph.layer import gathered
from retrieval.learned.files import LearnedFile, read_learned, write_learned
from retrieval.plan import PrecedentStep
from retrieval.ranking.fusion import Candidates, PrecedentPart, VectorLookup
from retrieval.types import Vector, Vectors

KIND = "precedents"  # of learned part
BREADTH = 0.05  # of cosine: by so much farther, a question counts a third as much (1/e)
STRANGE = 0.5  # the cosine at which a question that nothing answered is assumed
NEIGHBOURS = 100  # earlier questions that are looked at; farther ones weigh nothing
MAX_LIFTED = 100  # documents that are lifted
MIN_SHARE = 0.001  # of the share; less lifts nothing
SAME = 0.99  # cosine from which two questions are one, where a question must not answer itself

UNFOUND = 20  # documents that no leg found and that join
PASSAGES = 50  # of such a document, its first, among which the nearest is looked for

ChunksOf = Callable[[str], BitMap64]  # a document's key -> the labels of its chunks


@dataclass(frozen=True, slots=True)
class Precedent:
    """A document that answered near questions: the share of them by weight, 0 to 1, and the nearest one's cosine."""

    key: str
    share: float
    nearest: float


@dataclass(frozen=True, slots=True)
class Precedents:
    """(n, dim) unit vectors of questions; documents at places[starts[i]:starts[i + 1]] answered question i.

    Raises `InvalidInputError` where the arrays do not fit each other.
    """

    encoder: str  # its fingerprint
    vectors: Vectors
    starts: NDArray[np.int64]  # (n + 1,)
    places: NDArray[np.int64]
    documents: tuple[str, ...]

    def __post_init__(self) -> None:
        fits = (
            self.vectors.ndim == 2
            and self.starts.shape == (len(self.vectors) + 1,)
            and self.places.ndim == 1
            and (int(self.starts[0]), int(self.starts[-1])) == (0, len(self.places))
            and bool((np.diff(self.starts) >= 0).all())
            and bool(((0 <= self.places) & (self.places < len(self.documents))).all())
            and bool(np.isfinite(self.vectors).all())
        )
        if not fits:
            raise InvalidInputError("precedents have arrays that do not fit each other; tune again")

    @property
    def dim(self) -> int:
        """Of the vectors."""
        return int(self.vectors.shape[1])

    @classmethod
    def of(cls, encoder: str, vectors: Vectors, answered: Sequence[Collection[str]]) -> Precedents:
        """From vectors (n, dim) of questions and, for each, the keys of the documents that answered it."""
        documents = tuple(sorted({key for keys in answered for key in keys}))
        place_of = {key: place for place, key in enumerate(documents)}
        places = [sorted(place_of[key] for key in keys) for keys in answered]
        starts = np.cumsum([0, *map(len, places)]).astype(np.int64)
        flat = np.array([place for some in places for place in some], np.int64)
        return cls(encoder, np.ascontiguousarray(vectors, np.float32), starts, flat, documents)

    def near(self, vector: Vector, *, without: Sequence[int] = ()) -> tuple[Precedent, ...]:
        """What answered questions near this one (dim,), the likeliest first.

        `without`: remembered questions that count as if they had not been asked; for evaluation.
        """
        cosines = inner_products(self.vectors, vector).astype(np.float64)
        if len(without):
            cosines[list(without)] = -1.0
        rows = np.arange(len(cosines))
        if len(rows) > NEIGHBOURS:
            rows = np.argpartition(-cosines, NEIGHBOURS)[:NEIGHBOURS]
        weights = np.exp((cosines[rows] - 1.0) / BREADTH)
        least = MIN_SHARE * (whole := float(weights.sum()) + np.exp((STRANGE - 1.0) / BREADTH))
        heavy = weights >= least / max(1, len(rows))  # all the others together weigh less than what lifts anything
        rows, weights = rows[heavy], weights[heavy]
        which, at = gathered(self.starts[rows], self.starts[rows + 1])
        if not len(which):
            return ()
        places = self.places[at]
        shares = np.bincount(places, weights[which]) / whole
        closest = np.full(len(shares), -1.0)
        np.maximum.at(closest, places, cosines[rows[which]])
        known = np.flatnonzero(shares >= MIN_SHARE)
        best = known[np.lexsort((known, -shares[known]))[:MAX_LIFTED]]
        told = zip(best.tolist(), shares[best].tolist(), closest[best].tolist(), strict=True)
        return tuple(Precedent(self.documents[place], share, nearest) for place, share, nearest in told)


def lift(
    step: PrecedentStep,
    candidates: Candidates,
    precedents: Sequence[Precedent],
    chunks_of: ChunksOf,
    vector: Vector,
    vectors_of: VectorLookup | None,
    allowed: Allowed = None,
) -> Candidates:
    """The candidates with what earlier answers give them, as a share of what lies between the best score and nothing.

    Of the likeliest documents that no leg found, the passage nearest to the question (the first without `vectors_of`)
    joins from the lowest score on. What the caller may not see, by `allowed`, is neither lifted nor joins.
    """
    labels, scores = candidates.scored()
    if not precedents or step.strength == 0.0:
        return candidates
    floor, best = (float(scores.min()), float(scores.max())) if len(scores) else (0.0, 1.0)
    spread = best - min(0.0, floor)
    known = BitMap64(labels.tolist())
    parts: dict[int, PrecedentPart] = {}
    unfound: list[tuple[PrecedentPart, list[int]]] = []
    for one in precedents:
        mine = chunks_of(one.key) if allowed is None else chunks_of(one.key) & allowed
        part = PrecedentPart(spread * step.strength * one.share, one.share, one.nearest)
        held = mine & known
        parts.update(dict.fromkeys(held, part))
        if mine and not held and len(unfound) < UNFOUND:
            unfound.append((part, list(mine[:PASSAGES])))
    nearest = _nearest([passages for _, passages in unfound], vector, vectors_of)
    parts.update(zip(nearest, (part for part, _ in unfound), strict=True))
    return candidates.with_precedents(parts, floor)


def _nearest(groups: Sequence[Sequence[int]], vector: Vector, vectors_of: VectorLookup | None) -> list[int]:
    """Of each document's passages the one nearest to the question, its first where that cannot be told."""
    flat = np.array([label for labels in groups for label in labels], np.int64)
    if vectors_of is None or not len(vector) or not len(flat):
        return [min(labels) for labels in groups]
    vectors = vectors_of(flat)
    if vectors.shape[1] != len(vector):  # the dense leg has fallen silent
        return [min(labels) for labels in groups]
    cosines = dict(zip(flat.tolist(), inner_products(vectors, vector).tolist(), strict=True))
    return [max(labels, key=lambda label: (cosines[label], -label)) for labels in groups]


def write_precedents(folder: Path, precedents: Precedents) -> None:
    """Write both files into `folder`, which is made if need be."""
    keys = np.frombuffer(json.dumps(precedents.documents, ensure_ascii=False).encode(), np.uint8)
    tensors: Mapping[str, NDArray[np.generic]] = {
        "vectors": precedents.vectors,
        "starts": precedents.starts,
        "places": precedents.places,
        "documents": keys,
    }
    about = {"questions": len(precedents.vectors), "answering": len(precedents.documents)}
    write_learned(folder, KIND, LearnedFile(tensors, precedents.encoder, precedents.dim, about))


def load_precedents(folder: Path, encoder: str, dim: int | None) -> Precedents:
    """The verified precedents of a folder. Raises `InvalidInputError` as `read_learned` does."""
    read = read_learned(folder, KIND, encoder, dim)
    try:
        documents = tuple(json.loads(read.tensors["documents"].tobytes()))
        vectors, starts, places = (read.tensors[name] for name in ("vectors", "starts", "places"))
        precedents = Precedents(encoder, vectors, starts, places, documents)
    except (KeyError, ValueError) as error:
        raise InvalidInputError(f"precedents {folder.name} lack an array: {error}; tune again") from error
    if precedents.dim != read.dim:
        raise InvalidInputError(
            f"precedents {folder.name} have vectors of {precedents.dim} dimensions, not of {read.dim}; tune again"
        )
    return precedents
