"""What goes from stage to stage: an architecture with its plan, its models, and what both legs answer by them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.catalog.eval_sets import EvalQuery
from retrieval.contracts import Encoder
from retrieval.learned.adapter import QueryAdapter
from retrieval.learned.precedents import Precedents
from retrieval.learned.ranker import Ranker
from retrieval.plan import Plan, PrecedentStep
from search_core.corpus.legs import CachedLegs, Values
from search_core.corpus.served_parts import Parts, as_served
from search_core.questions.evidence import Evidence
from search_core.spaces.architecture import Architecture
from search_core.spaces.plan_mapping import architecture_of, plan_space
from search_core.spaces.space import SearchSpace

STANDARD_ERRORS = 1.0  # that a gain must exceed: the one-standard-error rule (Breiman et al. 1984, 3.4.3)


@dataclass(frozen=True, slots=True)
class TunedModel:
    """An encoder made in this run: its folder, opened, and what its making reported."""

    folder: Path
    encoder: Encoder
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Legs are of all questions; who scores says which of them he means."""

    architecture: Architecture
    plan: Plan
    base: CachedLegs  # without adapter
    legs: CachedLegs  # with it
    encoder: Encoder
    adapter: QueryAdapter | None = None
    model: TunedModel | None = None  # None: the collection's own encoder
    precedents: Precedents | None = None
    ranker: Ranker | None = None
    crossed: Values | None = field(default=None, compare=False)
    """(choose,) what it is worth on questions that did not choose its plan, nor what was learned; gone once it is
    another one. None: nobody has chosen it by these."""

    def values(self, places: tuple[int, ...], metric: str) -> Values:
        """(places,) what it is worth on these questions."""
        return self.legs.only(places).score(self.plan, metric)

    def with_plan(self, architecture: Architecture, plan: Plan) -> Candidate:
        """The same models under another plan."""
        return self._with(architecture=architecture, plan=plan)

    def under(self, plan: Plan) -> Candidate:
        """The same models under a plan that was made for others, to compare with these."""
        own = self.plan
        return self._with(plan=replace(plan, adapter=own.adapter, ranker=own.ranker, precedents=own.precedents))

    def only(self, places: tuple[int, ...]) -> Candidate:
        """The same for some of the questions."""
        return self._with(base=self.base.only(places), legs=self.legs.only(places))

    def _with(self, **changes: Any) -> Candidate:
        return replace(self, crossed=None, **changes)

    def with_adapter(self, adapter: QueryAdapter, architecture: Architecture) -> Candidate:
        """The same with this adapter before the dense leg, whose answers are asked again."""
        legs = self.base.with_query_vectors(adapter.apply(self.base.query_vectors))
        plan = replace(self.plan, adapter=adapter_name(adapter))
        return self._with(architecture=architecture, plan=plan, legs=legs, adapter=adapter)

    def with_ranker(self, ranker: Ranker, architecture: Architecture) -> Candidate:
        """The same with this ranker in place of the one that it may have."""
        return self._ranked(ranker, replace(self.plan, ranker=ranker_name(ranker)), architecture)

    def without_ranker(self, architecture: Architecture) -> Candidate:
        """The same without the ranker that it has."""
        return self._ranked(None, replace(self.plan, ranker=None), architecture)

    def ranked_as(self, other: Candidate) -> Candidate:
        """The same with the ranker of another candidate of the same encoder."""
        return self._ranked(other.ranker, replace(self.plan, ranker=other.plan.ranker), other.architecture)

    def _ranked(self, ranker: Ranker | None, plan: Plan, architecture: Architecture) -> Candidate:
        base, legs = replace(self.base, ranker=ranker), replace(self.legs, ranker=ranker)
        return self._with(architecture=architecture, plan=plan, base=base, legs=legs, ranker=ranker)

    def with_precedents(self, precedents: Precedents, asked: Sequence[str] | None) -> Candidate:
        """The same with these questions remembered, as strongly as its plan says; `asked`: their texts, if known."""
        base = self.base.remembering(precedents, asked)
        name = precedents_name(precedents)
        step = PrecedentStep(name) if self.plan.precedents is None else replace(self.plan.precedents, name=name)
        return self._with(
            plan=replace(self.plan, precedents=step),
            base=base,
            legs=replace(self.legs, remembered=base.remembered),
            precedents=precedents,
        )

    def with_strength(self, strength: float, architecture: Architecture) -> Candidate:
        """The same with what is remembered counting so much."""
        assert self.plan.precedents is not None
        plan = replace(self.plan, precedents=replace(self.plan.precedents, strength=strength))
        return self.with_plan(architecture, plan)

    def remembering_as(self, other: Candidate) -> Candidate:
        """The same with what another candidate of the same encoder remembers, and as strongly."""
        remembered = other.base.remembered
        return self._with(
            architecture=other.architecture,
            plan=replace(self.plan, precedents=other.plan.precedents),
            base=replace(self.base, remembered=remembered),
            legs=replace(self.legs, remembered=remembered),
            precedents=other.precedents,
        )


def serving(plan: Plan, legs: CachedLegs, encoder: Encoder, parts: Parts, space: SearchSpace) -> Candidate:
    """What serves now, as the first candidate of a run in that space; `legs`: without its parts."""
    adapter, ranker, precedents = parts
    base = as_served(legs, (None, ranker, precedents))
    architecture = architecture_of(plan, plan_space(space))
    served = as_served(base, (adapter, None, None))
    return Candidate(architecture, plan, base, served, encoder, adapter=adapter, precedents=precedents, ranker=ranker)


@dataclass(frozen=True, slots=True)
class StageReport:
    """What a stage did. `best` is as it would serve, kept or not; `reason` says why not, or why it was left out."""

    tier: str
    trials: int
    seconds: float
    cpu_seconds: float
    kept: bool
    reason: str = ""
    gain: float | None = None  # on the questions that it chose by, over what came in
    best: Candidate | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    deterministic: bool = True  # whether the same run ends in the same bytes
    steps: int | None = None  # of the longest training of an encoder

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the candidate is its architecture's digest."""
        return {
            "tier": self.tier,
            "trials": self.trials,
            "seconds": round(self.seconds, 2),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "kept": self.kept,
            "reason": str(self.reason),
            **({} if self.steps is None else {"steps": self.steps}),
            "gain": None if self.gain is None else round(self.gain, 5),
            "architecture": None if self.best is None else self.best.architecture.digest,
            "policy": dict(self.policy),
            "deterministic": self.deterministic,
        }


def adapter_name(adapter: QueryAdapter) -> str:
    """The artifact's id, from what it holds: the same adapter has the same name, and so its plan the same digest."""
    return _named("adapter", adapter)


def ranker_name(ranker: Ranker) -> str:
    """The artifact's id, from what it holds, as an adapter's."""
    return _named("ranker", ranker)


def _named(kind: str, part: QueryAdapter | Ranker) -> str:
    digest = hashlib.sha256(f"{part.encoder} {part.dim}".encode())
    for name, array in part.tensors.items():
        digest.update(name.encode() + np.ascontiguousarray(array, np.float32).tobytes())
    return f"{kind}-{digest.hexdigest()[:16]}"


def precedents_name(precedents: Precedents) -> str:
    """The artifact's id, from what it holds, as an adapter's."""
    digest = hashlib.sha256("\n".join((precedents.encoder, *precedents.documents)).encode())
    for array in (precedents.vectors, precedents.starts, precedents.places):
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"precedents-{digest.hexdigest()[:16]}"


def is_better(values: Values, before: Values, questions: Sequence[EvalQuery]) -> bool:
    """Whether the paired gain on these questions exceeds `STANDARD_ERRORS` of its standard errors; less is noise.

    What is asked several times counts once, and questions about one document are no independent evidence.
    """
    if not np.any(values - before):
        return False
    evidence = Evidence.of(questions)
    gain, error = evidence.gain(evidence.once(values - before))
    return gain > STANDARD_ERRORS * error


def is_better_bet(values: Values, before: Values, questions: Sequence[EvalQuery]) -> bool:
    """Whether the mean gain on these questions, which chose nothing of what they compare, is above zero.

    Of a fair estimate the sign is the better bet for the run to go on with, and the sealed questions ask for proof. To
    ask for a standard error here as well threw away what gained: on cranfield, all of eight parts that were not kept
    would have been worth more on sealed questions.
    """
    evidence = Evidence.of(questions)
    return evidence.gain(evidence.once(values - before))[0] > 0
