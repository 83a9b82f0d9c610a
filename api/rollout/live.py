"""Searches of a collection whose plan is being exchanged: each by exactly one plan, the same for the same caller."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from api.rollout.assignment import Unit, is_chosen, unit_of
from api.rollout.shadow import Shadow
from api.rollout.tally import Tally, of_error, of_search
from api.serving.collection_runtime import CollectionRuntime
from api.serving.runtimes import Runtimes
from retrieval.catalog import Catalog, Collection
from retrieval.catalog.rollouts import RolloutRecord, Stage
from retrieval.errors import InvalidInputError
from retrieval.learned.plan_parts import missing_parts
from retrieval.plan import Plan
from retrieval.search.types import SearchRequest, SearchResult
from retrieval.stored_plan import stored_plan
from retrieval.types import Principal

SERVING, CANDIDATE = "serving", "candidate"


def arm_of(rollout: RolloutRecord, caller: str, session: str, query: str) -> str:
    """Which plan of a canary serves that request."""
    unit = unit_of(Unit(rollout.options["unit"]), caller, session, query)
    return CANDIDATE if is_chosen(rollout.id, unit, rollout.share) else SERVING


def judged_arm(
    catalog: Catalog,
    collection: Collection,
    rollout: RolloutRecord,
    plan: str | None,
    caller: str,
    session: str,
    query: str,
) -> str:
    """Whose answer a judgement is of, "" where it is of neither plan of a canary.

    `plan`: the digest that came with the answer, which may be older than the canary or its share; None: nobody says,
    and it counts for the plan that serves the caller now. `query` in the words of who asked.
    """
    if rollout.stage is not Stage.CANARY:
        return ""
    if plan is None:
        return arm_of(rollout, caller, session, query)
    arms = {SERVING: rollout.previous_id, CANDIDATE: rollout.plan_id}
    return next((arm for arm, number in arms.items() if stored_plan(catalog, collection, number).digest == plan), "")


class LiveSearch:
    """Searches by the plan that serves the caller. A candidate that fails costs its caller nothing but time.

    `served` hears what came of each, whatever way the caller came; evaluations and comparisons do not search here.
    """

    def __init__(self, runtimes: Runtimes, served: Callable[[SearchResult], None] = lambda result: None) -> None:
        self.tally = Tally()
        self.served = served
        self._runtimes = runtimes
        self._shadow = Shadow(runtimes, self.tally)

    def close(self) -> None:
        """End what runs in the background."""
        self._shadow.close()

    def search(
        self,
        runtime: CollectionRuntime,
        request: SearchRequest,
        principal: Principal,
        session: str = "",
        *,
        asked: str | None = None,
        plan: Plan | None = None,
    ) -> SearchResult:
        """Hits by what serves this caller now, or by the `plan` that the caller names.

        `asked`: the question in the caller's words, where the search's are others; feedback will name it by these.
        """
        if plan is None:
            result = self._search(runtime, request, principal, session, request.query if asked is None else asked)
        else:
            result = runtime.search(plan, request, principal)
        self.served(result)
        return result

    def _search(
        self, runtime: CollectionRuntime, request: SearchRequest, principal: Principal, session: str, asked: str
    ) -> SearchResult:
        serving, rollout, candidate = runtime.plans_now()
        if rollout is None or candidate is None:
            return runtime.search(serving, request, principal)
        if rollout.stage is Stage.SHADOW:
            result = runtime.search(serving, request, principal)
            if random.random() < rollout.share:  # noqa: S311  # which searches are compared is no secret
                self._shadow.offer(rollout, request, principal)
            return result
        if arm_of(rollout, principal.name, session, asked) == CANDIDATE:
            return self._by_candidate(runtime, rollout, candidate, serving, request, principal)
        return self._by_serving(runtime, rollout, serving, request, principal)

    def feedback(self, rollout: RolloutRecord, arm: str, rating: int) -> None:
        """Count a judgement of what that arm served."""
        self.tally.add(rollout, {(arm, "helpful" if rating > 0 else "unhelpful"): 1.0})

    def _by_candidate(
        self,
        runtime: CollectionRuntime,
        rollout: RolloutRecord,
        candidate: Plan,
        serving: Plan,
        request: SearchRequest,
        principal: Principal,
    ) -> SearchResult:
        try:
            result = runtime.search(candidate, request, principal)
            if missing := missing_parts(result.degraded):
                raise InvalidInputError(f"its {' and '.join(missing)} cannot be read, so that another plan answered")
        except Exception:  # whatever it is: where the serving plan can answer, the candidate is to blame
            result = runtime.search(serving, request, principal)
            self.tally.add(rollout, of_error(CANDIDATE))
            return replace(result, arm=SERVING)
        self.tally.add(rollout, of_search(rollout, CANDIDATE, result))
        return replace(result, arm=CANDIDATE)

    def _by_serving(
        self,
        runtime: CollectionRuntime,
        rollout: RolloutRecord,
        serving: Plan,
        request: SearchRequest,
        principal: Principal,
    ) -> SearchResult:
        try:
            result = runtime.search(serving, request, principal)
        except InvalidInputError:  # the request's own fault
            raise
        except Exception:  # counted, not hidden
            self.tally.add(rollout, of_error(SERVING))
            raise
        self.tally.add(rollout, of_search(rollout, SERVING, result))
        return replace(result, arm=SERVING)
