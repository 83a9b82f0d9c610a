"""Whether a plan can serve a generation: the learned parts that it may name are of one encoder only."""

from __future__ import annotations

from api.knowledge_base import KnowledgeBase
from retrieval.catalog import Collection
from retrieval.errors import ConflictError, InvalidInputError
from retrieval.plan import DEFAULT_PLAN, Plan
from retrieval.plan_parts import named_parts, require_parts, without_parts
from retrieval.stored_plan import serving_plan, stored_plan


def require_fitting(kb: KnowledgeBase, collection: Collection, plan_id: int | None) -> None:
    """Before a plan comes back: that what it has learned is of the encoder which serves now. Raises `ConflictError`."""
    try:
        require_parts(
            stored_plan(kb.catalog, collection, plan_id), kb.settings.data_dir, collection.encoder_fingerprint
        )
    except InvalidInputError as error:
        raise ConflictError(
            f"plan {plan_id} cannot serve collection {collection.name!r} now: {error}; return to the generation of its "
            f"encoder first (`kb generations list -c {collection.name}`), or promote another plan (`kb plans promote`)"
        ) from error


def back_to_former(kb: KnowledgeBase, collection: Collection, by: str, reason: str) -> int | None:
    """Return to the plan that served before; its number. Raises `ConflictError` where none did, or it does not fit."""
    last = kb.catalog.plans.last_switch(collection)
    if last is not None:
        require_fitting(kb, collection, last.previous_id)
    return kb.catalog.plans.roll_back(collection, by, reason)


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
        by = f"generation {mine.generation}"
        reason = f"of the encoder that is replaced: {parts}"
        kb.catalog.plans.promote(collection, _stored(kb, collection, bare, by), by, reason)
    return parts


def _stored(kb: KnowledgeBase, collection: Collection, plan: Plan, by: str) -> int | None:
    """The number of that very plan, which is stored where it is new."""
    if plan.digest == DEFAULT_PLAN.digest:
        return None
    for known in kb.catalog.plans.all(collection):
        if known.digest == plan.digest:
            return known.id
    return kb.catalog.plans.add(collection, "without learned parts", plan.to_dict(), plan.digest, by).id
