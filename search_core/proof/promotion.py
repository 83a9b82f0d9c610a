"""A proven plan is stored and goes out: it serves at once, or by a rollout that begins in shadow or with a share."""

from __future__ import annotations

from retrieval.catalog import Catalog, Collection
from retrieval.catalog.rollouts import BEGIN_OPTIONS, DEFAULT_SHARE, Stage
from retrieval.errors import ConflictError
from retrieval.plan import Plan
from retrieval.stored_plan import serving_plan
from search_core.proof.gate import Verdict
from search_core.proof.reasons import OTHER_ENCODER, OTHER_PLAN, Reason, ReasonCode
from search_core.request import AT_ONCE


def store_once(catalog: Catalog, collection: Collection, name: str, plan: Plan, by: str) -> int:
    """The plan's number. A run that is repeated does not store its plan twice."""
    for known in catalog.plans.all(collection):
        if (known.name, known.digest) == (name, plan.digest):
            return known.id
    return catalog.plans.add(collection, name, plan.to_dict(), plan.digest, by).id


def check_way(catalog: Catalog, collection: Collection, way: str) -> None:
    """Raises `ConflictError` where a proven plan could not go out this way, since another one does already."""
    if way != AT_ONCE and catalog.rollouts.running(collection.id):
        raise ConflictError(f"a rollout of {collection.name!r} runs already; stop it, or tune with rollout none")


def promote(
    catalog: Catalog,
    collection: Collection,
    plan_id: int,
    incumbent: Plan,
    verdict: Verdict,
    *,
    way: str,
    by: str,
    any_encoder: bool = False,
    answer_ms: float | None = None,
) -> tuple[bool, tuple[Reason, ...]]:
    """Whether the plan serves now, else why not. `collection`: as it was when the run began.

    `incumbent`: the plan that was compared with; `any_encoder`: what was proven holds for others too. `answer_ms`: as
    in `go_out`.
    """
    now = catalog.collections.get(collection.name)
    if now.plan_id == plan_id:
        return True, ()  # by this run, before it was killed
    if serving_plan(catalog, now) != incumbent:
        return False, (OTHER_PLAN,)
    if not any_encoder and now.encoder_fingerprint != collection.encoder_fingerprint:
        return False, (OTHER_ENCODER,)
    reason = f"sealed questions: {verdict.lift:+.4f}, p = {verdict.p_value:.4f}"
    pending = go_out(catalog, now, plan_id, way, by, reason, answer_ms)
    return not pending, pending


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
    see = f"see `kb plans status -c {collection.name}`"
    out = f"plan {plan_id} goes out step by step: rollout {begun.id} began as {way}; {see}"
    return (Reason(ReasonCode.ROLLOUT_BEGAN, out),)
