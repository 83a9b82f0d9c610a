"""The learned parts of a plan that serves: what a run compares with answers as searches do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from retrieval.contracts import Encoder
from retrieval.learned.adapter import QueryAdapter, load_adapter
from retrieval.learned.files import ARTIFACTS, Part
from retrieval.learned.precedents import Precedents, load_precedents
from retrieval.learned.ranker import Ranker, load_ranker
from retrieval.plan import Plan
from search_core.corpus.legs import CachedLegs

Parts = tuple[QueryAdapter | None, Ranker | None, Precedents | None]


def served_parts(plan: Plan, encoder: Encoder, data_dir: Path) -> Parts:
    """The plan's adapter, ranker and precedents, None for what it lacks.

    Raises `InvalidInputError` for what cannot serve.
    """
    remembered = None if plan.precedents is None else plan.precedents.name
    adapter = _loaded(load_adapter, plan.adapter, encoder, data_dir)
    ranker = _loaded(load_ranker, plan.ranker, encoder, data_dir)
    return adapter, ranker, _loaded(load_precedents, remembered, encoder, data_dir)


def as_served(legs: CachedLegs, parts: Parts) -> CachedLegs:
    """The legs as a plan with these parts asks them."""
    adapter, ranker, precedents = parts
    served = legs if adapter is None else legs.with_query_vectors(adapter.apply(legs.query_vectors))
    served = served if ranker is None else replace(served, ranker=ranker)
    return served if precedents is None else served.remembering(precedents, None)


def _loaded(
    load: Callable[[Path, str, int | None], Part], name: str | None, encoder: Encoder, data_dir: Path
) -> Part | None:
    return None if name is None else load(data_dir / ARTIFACTS / name, encoder.fingerprint, encoder.dim)
