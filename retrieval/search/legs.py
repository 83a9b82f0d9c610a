"""The legs of one search: one that does not answer is left out, and the result says so."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from retrieval.contracts import server_part
from retrieval.errors import OutageError, RetrievalError, ViewError
from retrieval.plan import FusionMethod, Plan
from retrieval.ranking.fusion import VectorLookup
from retrieval.types import Labels, Ranking, Vectors
from retrieval.views.contract import Views

logger = logging.getLogger(__name__)

_OF_ONE_LEG = {FusionMethod.SPARSE: ("sparse",), FusionMethod.DENSE: ("dense",)}


def legs_of(fusion: FusionMethod) -> tuple[str, ...]:
    """The legs that this way of fusing asks."""
    return _OF_ONE_LEG.get(fusion, ("sparse", "dense"))


class Legs:
    """Asks the legs of a plan; one that fails is left out, and the result says so."""

    def __init__(self, views: Views, plan: Plan) -> None:
        self._views = views
        self._health = views.health
        self._wanted = legs_of(plan.fusion)
        self._silent: dict[str, str] = {}  # leg -> why it did not answer

    def ask(self, leg: str, search: Callable[[], Ranking]) -> Ranking:
        """The leg's ranking; an empty one where the plan does not want it or it does not answer."""
        if leg not in self._wanted:
            return Ranking.empty()
        if self._health.is_down(leg):
            self._silent[leg] = self._health.troubles().get(leg, "it was down a moment ago")
            return Ranking.empty()
        try:
            return search()
        except (OutageError, ViewError) as error:
            self._falls_silent(leg, error)
            return Ranking.empty()

    def lookup(self, vectors: VectorLookup) -> VectorLookup | None:
        """What gives vectors back for feedback; None where the dense leg is of no use now."""
        if "dense" not in self._wanted or "dense" in self._silent:
            return None

        def looked_up(labels: Labels) -> Vectors:
            try:
                return vectors(labels)
            except (OutageError, ViewError) as error:
                self._falls_silent("dense", error)
                return np.zeros((len(labels), 1), np.float32)  # likeness 0 to everything: no feedback

        return looked_up

    def require_one(self) -> None:
        """Nothing, where a leg answered. Raises `OutageError` where none did."""
        if len(self._silent) == len(self._wanted):
            reasons = "; ".join(f"{leg}: {reason}" for leg, reason in self._silent.items())
            raise OutageError(f"no leg of the search answers ({reasons}); try again later")

    def degraded(self) -> tuple[str, ...]:
        """The legs of the plan that did not answer, or that answered from an older state."""
        troubles = self._health.troubles()
        return tuple(leg for leg in self._wanted if leg in self._silent or leg in troubles)

    def _falls_silent(self, leg: str, error: RetrievalError) -> None:
        self._silent[leg] = str(error)
        is_remembered = server_part(getattr(self._views, leg)) is not None  # its follower sees when it is back
        if not is_remembered or self._health.goes_down(leg, str(error)):
            logger.warning("searches go on without the %s leg: %s", leg, error)
