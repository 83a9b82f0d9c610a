"""A proven plan goes out: it serves at once, or by a rollout that begins in shadow or with a share."""

from __future__ import annotations

from retrieval.catalog import Catalog, Collection
from retrieval.catalog.rollouts import BEGIN_OPTIONS, DEFAULT_SHARE, Stage
from retrieval.errors import ConflictError
from search_core.reasons import Reason, ReasonCode

AT_ONCE = "none"
WAYS = (AT_ONCE, Stage.SHADOW.value, Stage.CANARY.value)


def go_out(
    catalog: Catalog,
    collection: Collection,
    plan_id: int,
    way: str,
    by: str,
    reason: str,
    answer_ms: float | None = None,
) -> tuple[Reason, ...]:
    """Empty where the plan serves now, else why it does not yet, or why not at all.

    `answer_ms`: it exchanges the answer model, whose answers may take so long.
    """
    options = BEGIN_OPTIONS if answer_ms is None else {**BEGIN_OPTIONS, "answers": True, "answer_ms": answer_ms}
    if way == AT_ONCE:
        catalog.plans.promote(collection, plan_id, by, reason)
        return ()
    begun = next((one for one in catalog.rollouts.running(collection.id) if one.plan_id == plan_id), None)
    if begun is None:  # else by this run, before it was killed
        try:
            begun = catalog.rollouts.begin(collection, plan_id, Stage(way), DEFAULT_SHARE, options, by, reason)
        except ConflictError as error:
            refused = f"plan {plan_id} is proven, but its rollout cannot begin: {error}"
            return (Reason(ReasonCode.ROLLOUT_REFUSED, refused),)
        about = {"rollout": begun.id, "stage": way}
        catalog.audit.record(by, "plans.rollout begin", f"{collection.name}/{plan_id}", about)
    out = f"plan {plan_id} goes out step by step: rollout {begun.id} began as {way}; see `kb plans status`"
    return (Reason(ReasonCode.ROLLOUT_BEGAN, out),)
