"""Plans that are good somewhere: tried first, whatever the policy."""

from __future__ import annotations

from typing import Any

from search_core.spaces.architecture import Architecture
from search_core.spaces.decision import Decision
from search_core.spaces.scalar import Scalar, same
from search_core.spaces.space import SearchSpace

PLAIN = 8  # of the first ones: each leg alone and both together, a second's work


def portfolio(space: SearchSpace) -> list[Architecture]:
    """Each leg alone, reciprocal ranks, weights from words to vectors, without feedback, with the corpus graph."""
    rows: list[dict[str, Any]] = [
        {},
        {"fusion": "sparse"},
        {"fusion": "dense"},
        {"fusion": "rrf", "dense_weight": 0.5},
        {"feedback": 0.0},
        *({"dense_weight": weight} for weight in (0.3, 0.5, 0.9)),
        *({"dense_weight": weight, "feedback": 0.0, "normalisation": "min-max"} for weight in (0.3, 0.5, 0.7)),
        {"sparse_depth": 200, "dense_depth": 200, "feedback": 0.3},
        *({"diffusion.edges": edges} for edges in ("dense", "words", "structure")),
        {"diffusion.edges": "dense", "diffusion.strength": 0.35, "feedback": 0.0},
        *({"diffusion.edges": "links", "diffusion.strength": strength} for strength in (0.2, 0.5)),
        *({"diffusion.edges": edges, "diffusion.strength": 0.5} for edges in ("hyperlinks", "foreign-keys")),
    ]
    known = {decision.name: decision for decision in space.decisions}
    return [
        space.complete({name: value for name, value in row.items() if _has(known.get(name), value)}) for row in rows
    ]


def _has(decision: Decision | None, value: Scalar) -> bool:
    return decision is not None and any(same(one, value) for one in decision.values)
