"""Which tiers a run goes through, and until which share of its budget each may last.

`plan` chooses how both legs become one ranking, `adapter` learns a map of query vectors, `graph` a network over the
corpus graph, `encoder` tunes the language model itself; each is dearer than the one before. `ranker` learns to order
what these find, and `precedents` remembers judged questions by the vectors of the encoder that was found; so both come
last.
"""

from __future__ import annotations

from collections.abc import Mapping

from search_core.errors import BudgetError, SearchCoreError

TIERS = ("plan", "adapter", "graph", "encoder", "ranker", "precedents")
MIN_BUDGET: Mapping[str, float] = {  # seconds
    "plan": 5.0,
    "ranker": 10.0,
    "adapter": 20.0,
    "graph": 30.0,
    "encoder": 60.0,
    "precedents": 10.0,
}
BY_BUDGET = (  # from seconds on
    (900.0, ("plan", "adapter", "encoder", "ranker", "precedents")),
    (60.0, ("plan", "adapter", "ranker", "precedents")),
    (0.0, ("plan",)),
)
_WEIGHTS: Mapping[str, float] = {
    "plan": 2.0,
    "ranker": 0.5,
    "adapter": 2.0,
    "graph": 3.0,
    "encoder": 8.0,
    "precedents": 0.5,
}
ENDING = 1.5  # as much again is kept for the sealed questions, latency and writing


def parse_tiers(text: str, budget_seconds: float) -> tuple[str, ...]:
    """The tiers in the order they are gone through; "" or "auto" is what the budget allows.

    The graph tier must be asked for: on the sets measured it did not pay (docs/search-core-measured.md). The plan tier
    is part of every run. Raises `SearchCoreError` for a tier that is not known, `BudgetError` where the time is too
    short.
    """
    if text in ("", "auto"):
        return next(tiers for least, tiers in BY_BUDGET if budget_seconds >= least)
    asked = {name.strip() for name in text.split(",") if name.strip()}
    unknown = sorted(asked - set(TIERS))
    if unknown:
        raise SearchCoreError(f"tier {unknown[0]!r} is not known; expected some of {', '.join(TIERS)}, with commas")
    chosen = tuple(name for name in TIERS if name in asked | {"plan"})
    for name in chosen:
        if budget_seconds < MIN_BUDGET[name]:
            raise BudgetError(
                f"budget {budget_seconds:g} s is too short for the {name} tier; expected at least "
                f"{MIN_BUDGET[name]:g} s, or leave the tier out"
            )
    return chosen


def shares(tiers: tuple[str, ...]) -> dict[str, float]:
    """For each tier the share of the budget until which it may last; what one leaves over is the next one's."""
    whole = sum(_WEIGHTS[name] for name in tiers) + ENDING
    ends: dict[str, float] = {}
    spent = 0.0
    for name in tiers:
        spent += _WEIGHTS[name]
        ends[name] = spent / whole
    return ends
