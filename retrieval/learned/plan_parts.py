"""The learned parts that a plan names: before it serves, that each of them can."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from retrieval.artifact_name import check_name
from retrieval.learned.adapter import load_adapter
from retrieval.learned.files import ARTIFACTS
from retrieval.learned.precedents import load_precedents
from retrieval.learned.ranker import load_ranker
from retrieval.plan import Plan


def named_parts(plan: Plan) -> dict[str, str]:
    """Kind -> artifact's id, of those that the plan has."""
    remembered = None if plan.precedents is None else plan.precedents.name
    parts = {"adapter": plan.adapter, "ranker": plan.ranker, "precedents": remembered}
    return {kind: name for kind, name in parts.items() if name is not None}


def require_parts(plan: Plan, data_dir: Path, encoder: str) -> None:
    """That what the plan names, if anything, can serve a collection of that encoder.

    Raises `InvalidInputError` where it is missing, altered or foreign.
    """
    for kind, name in named_parts(plan).items():
        LOADERS[kind](data_dir / ARTIFACTS / check_name(name, f"plan.{kind}"), encoder, None)


def missing_parts(degraded: Iterable[str]) -> list[str]:
    """The kinds of learned parts that a search went without, of what it says that it lacked: another plan answered."""
    return [kind for kind in degraded if kind in LOADERS]


def without_parts(plan: Plan) -> Plan:
    """The same without any."""
    return replace(plan, adapter=None, ranker=None, precedents=None)


LOADERS: dict[str, Callable[[Path, str, int | None], object]] = {
    "adapter": load_adapter,
    "ranker": load_ranker,
    "precedents": load_precedents,
}  # kind -> what reads and verifies such a part of a folder
