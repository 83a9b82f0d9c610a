"""Whether a plan can serve a collection: one check for whoever lets a stored plan serve.

The learned parts that it may name are of one encoder only, its reranker is a model that has to load, and who answers by
it has to be there.
"""

from __future__ import annotations

from api.knowledge_base import KnowledgeBase
from api.serving.answerers import require_answerer
from retrieval.catalog import Collection
from retrieval.catalog.plans import ANY
from retrieval.catalog.schema import utc_now
from retrieval.errors import ConflictError, InvalidInputError
from retrieval.learned.plan_parts import named_parts, require_parts, without_parts
from retrieval.plan import DEFAULT_PLAN, Plan
from retrieval.ranking.rerank import require_reranker
from retrieval.stored_plan import serving_plan, stored_plan

AGAIN_SECONDS = 10.0  # a second roll-back this soon is of somebody who does not know of the first


def require_servable(kb: KnowledgeBase, collection: Collection, plan: Plan) -> None:
    """Before a plan begins to serve: that searches and answers by it can be given. Raises `InvalidInputError`."""
    _require_searchable(kb, collection, plan)
    require_answerer(kb.settings, plan.answer)


def require_fitting(kb: KnowledgeBase, collection: Collection, plan_id: int | None) -> None:
    """Before a plan comes back: that searches by it can be given. Raises `ConflictError`.

    A reader that is gone keeps no plan from coming back: sentences stand in for it.
    """
    try:
        _require_searchable(kb, collection, stored_plan(kb.catalog, collection, plan_id))
    except InvalidInputError as error:
        raise ConflictError(
            f"plan {plan_id or 'default'} cannot serve collection {collection.name!r} now: {error}; return to the "
            f"generation of its encoder first, if it was another (`kb generations list -c {collection.name}`), or "
            "promote another plan (`kb plans promote`)"
        ) from error


def _require_searchable(kb: KnowledgeBase, collection: Collection, plan: Plan) -> None:
    require_parts(plan, kb.settings.data_dir, collection.encoder_fingerprint)
    require_reranker(plan)


def back_to_former(
    kb: KnowledgeBase, collection: Collection, by: str, reason: str, seen: int | None = ANY
) -> int | None:
    """Return to the plan that served before `seen`; its number.

    Raises `ConflictError` where none did, where it does not fit, where another plan than `seen` serves, or where nobody
    says what he saw and somebody went back just now: to go back from there would be to return to what was left.
    """
    last = kb.catalog.plans.last_switch(collection)
    if last is None:
        return kb.catalog.plans.roll_back(collection, by, reason)
    require_fitting(kb, collection, last.previous_id)
    undone = kb.catalog.plans.came_back(collection) if seen == ANY else None
    if undone is not None and (ago := (utc_now() - undone.at).total_seconds()) < AGAIN_SECONDS:
        raise ConflictError(
            f"plan {undone.plan_id or 'default'} came back {max(0.0, ago):.0f} s ago, by {undone.by}; to let plan "
            f"{undone.previous_id or 'default'} serve again, promote it, or say which plan you return from (`from`)"
        )
    return kb.catalog.plans.roll_back(collection, by, reason, seen=last.plan_id if seen == ANY else seen)


def without_foreign_parts(kb: KnowledgeBase, collection: Collection, mine: Collection) -> tuple[Plan, str | None]:
    """The plan that is to serve generation `mine`, and what was left out since it is of the encoder replaced."""
    plan = serving_plan(kb.catalog, collection)
    parts = named_parts(plan)
    if not parts or mine.encoder_fingerprint == collection.encoder_fingerprint:
        return plan, None
    try:
        require_parts(plan, kb.settings.data_dir, mine.encoder_fingerprint)
    except InvalidInputError:
        return without_parts(plan), ", ".join(parts.values())
    return plan, None


def leave_foreign_parts_out(kb: KnowledgeBase, collection: Collection, mine: Collection) -> str | None:
    """Before generation `mine` takes over, promote the plan without learned parts that cannot serve it; these."""
    bare, parts = without_foreign_parts(kb, collection, mine)
    if parts is not None:
        by = by_generation(mine.generation)
        reason = f"of the encoder that is replaced: {parts}"
        kb.catalog.plans.promote(collection, _stored(kb, collection, bare, by), by, reason)
    return parts


def by_generation(generation: int) -> str:
    """Who promotes the plan that a generation takes over with, where it is another."""
    return f"generation {generation}"


def _stored(kb: KnowledgeBase, collection: Collection, plan: Plan, by: str) -> int | None:
    """The number of that very plan, which is stored where it is new."""
    if plan.digest == DEFAULT_PLAN.digest:
        return None
    for known in kb.catalog.plans.all(collection):
        if known.digest == plan.digest:
            return known.id
    return kb.catalog.plans.add(collection, "without learned parts", plan.to_dict(), plan.digest, by).id
