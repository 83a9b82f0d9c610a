"""The Plan: every choice a search makes between query and hits, as one value to store, compare and serve."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from retrieval.answer.choice import AnswerChoice
from retrieval.artifact_name import check_name
from retrieval.errors import InvalidInputError

PLAN_VERSION = 1  # of the JSON form; raised when a field changes its meaning
MAX_NEIGHBOURS, MAX_STEPS = 100, 5  # of diffusion: beyond that everything is everybody's neighbour
DEFAULT_STRENGTH = 0.5  # of precedents
MAX_DEPTH = 10_000  # candidates of one leg; beyond that a search is an export


class FusionMethod(StrEnum):
    """How the two legs become one ranking."""

    CONVEX = "convex"  # weighted sum of normalised scores
    RRF = "rrf"  # weighted reciprocal ranks
    SPARSE = "sparse"  # words only
    DENSE = "dense"  # vectors only


class Normalisation(StrEnum):
    """How a leg's scores become comparable with the other's; used by `FusionMethod.CONVEX` only."""

    BEST = "best"  # 0 for a passage that says nothing, 1 for the first candidate
    MIN_MAX = "min-max"  # 0 for the last candidate, 1 for the first
    Z_SCORE = "z-score"  # standard deviations above the mean of the candidates
    BOUNDS = "bounds"  # what the score could be at least and at most in theory


@dataclass(frozen=True, slots=True)
class RerankStep:
    """Score the first `depth` fused candidates again with the reranker registered under `name`."""

    name: str
    depth: int = 50


class DiffusionEdges(StrEnum):
    """Over which edges of the corpus graph scores flow, see retrieval/graph and docs/graph.md."""

    DENSE = "dense"  # near vectors
    WORDS = "words"  # shared rare words
    STRUCTURE = "structure"  # one document
    LINKS = "links"  # titles, names, hyperlinks and foreign keys; what no leg found may join
    HYPERLINKS = "hyperlinks"  # of these, the links in documents alone
    FOREIGN_KEYS = "foreign-keys"  # of these, the joins of source rows alone


@dataclass(frozen=True, slots=True)
class DiffusionStep:
    """Let scores flow over the corpus graph after fusion."""

    edges: DiffusionEdges
    neighbours: int = 10  # of a candidate that take part
    strength: float = 0.2  # 0 to below 1: the share of a score that comes over edges
    steps: int = 1  # how often scores flow on

    def __post_init__(self) -> None:
        _check_whole("plan.diffusion.neighbours", self.neighbours, MAX_NEIGHBOURS)
        _check_whole("plan.diffusion.steps", self.steps, MAX_STEPS)
        if not 0.0 <= self.strength < 1.0:  # also what is not a number
            raise InvalidInputError(
                f"plan.diffusion.strength is {self.strength!r}; expected a number from 0 to below 1"
            )


@dataclass(frozen=True, slots=True)
class PrecedentStep:
    """Lift what answered earlier questions near this one, after fusion; see retrieval/learned/precedents.py."""

    name: str  # the artifact that remembers them
    strength: float = DEFAULT_STRENGTH  # of a score's whole range, what a document gains that answered all of them

    def __post_init__(self) -> None:
        check_name(self.name, "plan.precedents.name")
        _check_share("plan.precedents.strength", self.strength)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to search. Equal plans have equal digests; raises `InvalidInputError` for values that make no sense."""

    sparse_depth: int = 100  # chunks asked of the sparse leg
    dense_depth: int = 100  # chunks asked of the dense leg
    fusion: FusionMethod = FusionMethod.CONVEX
    normalisation: Normalisation = Normalisation.BEST
    dense_weight: float = 0.7  # 0 to 1; the sparse leg has the rest. docs/quality.md: best with any set left out
    adaptive: bool = True  # give the dense leg weight only as far as its encoder knows the query's letters
    feedback: float = 0.15  # 0 to 1; how much a candidate gains by likeness to the first ones, 0: none
    feedback_top: int = 2  # the first candidates that others are compared with
    rerank: RerankStep | None = None
    top: int = 10  # hits returned unless the request says otherwise
    adapter: str | None = None  # the artifact whose query adapter maps the query vector, see adapter.py
    ranker: str | None = None  # the artifact whose learned ranker orders the candidates at last, see ranker.py
    diffusion: DiffusionStep | None = None  # scores flow over the corpus graph; None: they do not
    precedents: PrecedentStep | None = None  # earlier questions that are remembered; None: none are
    answer: AnswerChoice | None = None  # who answers from what is found; None: as the settings say

    def __post_init__(self) -> None:
        for name in ("sparse_depth", "dense_depth", "feedback_top", "top"):
            _check_whole(f"plan.{name}", getattr(self, name))
        if self.rerank is not None:
            _check_whole("plan.rerank.depth", self.rerank.depth)
        for name in ("dense_weight", "feedback"):
            _check_share(f"plan.{name}", getattr(self, name))
        for name in ("adapter", "ranker"):
            if getattr(self, name) is not None:
                check_name(getattr(self, name), f"plan.{name}")

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that differ when any choice differs."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the version first; what came later and is None is left out: digests stay equal."""
        values = {"version": PLAN_VERSION, **asdict(self)}
        for name in ("adapter", "ranker", "diffusion", "precedents", "answer"):
            if values[name] is None:
                del values[name]
        return values

    def to_json(self) -> str:
        """One line with sorted keys, so that equal plans are equal text."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Plan:
        """The inverse of `to_dict`; missing fields take their defaults. Raises `InvalidInputError` naming the field."""
        values = dict(values)
        version = values.pop("version", PLAN_VERSION)
        if version != PLAN_VERSION:
            raise InvalidInputError(f"plan.version is {version!r}; this release reads {PLAN_VERSION}: save it again")
        _check_known("plan", values, {field.name for field in fields(cls)})
        return cls(**{name: _READERS[name](f"plan.{name}", value) for name, value in values.items()})

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The inverse of `to_json`. Raises `InvalidInputError` for broken JSON, unknown fields and wrong values."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:  # the latter nested too deep; a number of thousands of digits
            raise InvalidInputError(f"plan is not JSON ({error}); expected an object like {cls().to_json()}") from error
        if not isinstance(values, dict):
            raise InvalidInputError(f"plan is a JSON {type(values).__name__}; expected an object with named fields")
        return cls.from_dict(values)


def _check_known(thing: str, values: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(values) - known)
    if unknown:
        raise InvalidInputError(f"{thing} has unknown field {unknown[0]!r}; known: {', '.join(sorted(known))}")


def _check_whole(thing: str, value: int, most: int = MAX_DEPTH) -> None:
    if not 1 <= value <= most:
        raise InvalidInputError(f"{thing} is {value}; expected a whole number from 1 to {most}")


def _check_share(thing: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:  # also what is not a number
        raise InvalidInputError(f"{thing} is {value!r}; expected a number from 0 to 1")


def _whole(thing: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInputError(f"{thing} is {value!r}; expected a whole number")
    return value


def _number(thing: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInputError(f"{thing} is {value!r}; expected a number")
    try:
        return float(value)
    except OverflowError as error:
        raise InvalidInputError(f"{thing} is a whole number beyond all others; expected a number") from error


def _truth(thing: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInputError(f"{thing} is {value!r}; expected true or false")
    return value


def _fusion(thing: str, value: Any) -> FusionMethod:
    return FusionMethod(_choice(thing, value, FusionMethod))


def _normalisation(thing: str, value: Any) -> Normalisation:
    return Normalisation(_choice(thing, value, Normalisation))


def _choice(thing: str, value: Any, choices: type[StrEnum]) -> str:
    if not isinstance(value, str) or value not in {choice.value for choice in choices}:
        raise InvalidInputError(f"{thing} is {value!r}; expected one of {', '.join(c.value for c in choices)}")
    return value


def _artifact(thing: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise InvalidInputError(f"{thing} is {value!r}; expected null or an artifact's id")
    return value


def _answer(thing: str, value: Any) -> AnswerChoice | None:
    return None if value is None else AnswerChoice.from_dict(thing, value)


def _rerank(thing: str, value: Any) -> RerankStep | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise InvalidInputError(f'{thing} is {value!r}; expected null or {{"name": "...", "depth": 50}}')
    _check_known(thing, value, {field.name for field in fields(RerankStep)})
    return RerankStep(value["name"], _whole(f"{thing}.depth", value.get("depth", RerankStep("").depth)))


def _diffusion(thing: str, value: Any) -> DiffusionStep | None:
    if value is None:
        return None
    if not isinstance(value, dict) or "edges" not in value:
        raise InvalidInputError(f'{thing} is {value!r}; expected null or {{"edges": "links", "strength": 0.2}}')
    readers: Mapping[str, Callable[[str, Any], Any]] = {
        "edges": _edges,
        "neighbours": _whole,
        "strength": _number,
        "steps": _whole,
    }
    _check_known(thing, value, set(readers))
    return DiffusionStep(**{name: readers[name](f"{thing}.{name}", one) for name, one in value.items()})


def _precedents(thing: str, value: Any) -> PrecedentStep | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise InvalidInputError(f'{thing} is {value!r}; expected null or {{"name": "...", "strength": 0.5}}')
    _check_known(thing, value, {field.name for field in fields(PrecedentStep)})
    strength = _number(f"{thing}.strength", value.get("strength", DEFAULT_STRENGTH))
    return PrecedentStep(value["name"], strength)


def _edges(thing: str, value: Any) -> DiffusionEdges:
    return DiffusionEdges(_choice(thing, value, DiffusionEdges))


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "sparse_depth": _whole,
    "dense_depth": _whole,
    "fusion": _fusion,
    "normalisation": _normalisation,
    "dense_weight": _number,
    "adaptive": _truth,
    "feedback": _number,
    "feedback_top": _whole,
    "rerank": _rerank,
    "top": _whole,
    "adapter": _artifact,
    "ranker": _artifact,
    "diffusion": _diffusion,
    "precedents": _precedents,
    "answer": _answer,
}

DEFAULT_PLAN = Plan()
