"""A plan by its number in the catalog."""

from __future__ import annotations

from retrieval.catalog import Catalog, Collection
from retrieval.plan import DEFAULT_PLAN, Plan


def stored_plan(catalog: Catalog, collection: Collection, plan_id: int | None) -> Plan:
    """The plan of that number; None is the default. Raises `NotFoundError`."""
    return DEFAULT_PLAN if plan_id is None else Plan.from_dict(catalog.plans.get(collection, plan_id).body)


def serving_plan(catalog: Catalog, collection: Collection) -> Plan:
    """The plan that serves the collection, as its record says."""
    return stored_plan(catalog, collection, collection.plan_id)
