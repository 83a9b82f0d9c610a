"""The plan that a request names, and who may name what."""

from __future__ import annotations

from typing import Any

from api.access.callers import Caller
from api.dependencies import existing
from api.errors import forbidden
from api.knowledge_base import KnowledgeBase
from retrieval.catalog import Collection
from retrieval.catalog.keys import Scope
from retrieval.plan import DEFAULT_PLAN, Plan
from retrieval.ranking.rerank import named_model
from retrieval.stored_plan import stored_plan


def plan_of(kb: KnowledgeBase, collection: str, named: int | str | dict[str, Any], caller: Caller) -> Plan:
    """The plan a request names: a stored one's number, "default", or the plan itself. Raises `ApiError` 403."""
    if isinstance(named, str):
        return DEFAULT_PLAN
    if not isinstance(named, dict):
        return stored_plan(kb.catalog, existing(kb, collection), named)
    plan = Plan.from_dict(named)
    if named_model(plan) is not None:
        require_trust(kb, existing(kb, collection), plan, caller)
    return plan


def require_trust(kb: KnowledgeBase, collection: Collection, plan: Plan, caller: Caller) -> None:
    """Only an administrator has the server load a model that no stored plan names. Raises `ApiError` 403."""
    model = named_model(plan)
    if model is None or caller.scope.includes(Scope.ADMIN) or model in _known_models(kb, collection):
        return
    raise forbidden(
        f"plan.rerank.name is {model!r}, a model that no stored plan of {collection.name!r} reranks by; that takes an "
        "admin key"
    )


def _known_models(kb: KnowledgeBase, collection: Collection) -> set[str | None]:
    """Those of the stored plans: who stored them was trusted."""
    return {named_model(Plan.from_dict(stored.body)) for stored in kb.catalog.plans.all(collection)}
