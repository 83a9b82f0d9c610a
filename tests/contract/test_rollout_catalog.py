"""Plans and rollouts in the catalog: SQLite and PostgreSQL keep the same; of two that act on one rollout, one does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import pytest

from retrieval.catalog import Catalog, Collection, schema
from retrieval.catalog.collections import GENERATION_SETTINGS
from retrieval.catalog.engine import writing
from retrieval.catalog.rollouts import RolloutRecord, Stage
from retrieval.catalog.schema import utc_now
from retrieval.errors import ConflictError, NotFoundError
from retrieval.plan import Plan


def stored(catalog: Catalog, collection: Collection, **choices: Any) -> int:
    plan = Plan(**choices)
    return catalog.plans.add(collection, "candidate", plan.to_dict(), plan.digest, "test").id


def begun(catalog: Catalog, collection: Collection, plan: int, stage: Stage = Stage.SHADOW) -> RolloutRecord:
    return catalog.rollouts.begin(collection, plan, stage, 0.1, {"unit": "session"}, "tester", "try it")


def test_plans_promote_and_roll_back(catalog: Catalog, handbook: Collection) -> None:
    with pytest.raises(ConflictError, match="nothing to roll back"):
        catalog.plans.roll_back(handbook, "me", "")
    first = catalog.plans.add(handbook, "one", {"a": 1}, "d1", "manual")
    second = catalog.plans.add(handbook, "two", {"a": 2}, "d2", "manual")
    catalog.plans.promote(handbook, first.id, "me", "better")
    catalog.plans.promote(handbook, second.id, "me", "better still")
    assert catalog.collections.get("handbook").plan_id == second.id
    assert catalog.plans.roll_back(handbook, "me", "worse") == first.id
    assert catalog.collections.get("handbook").plan_id == first.id
    with pytest.raises(NotFoundError):
        catalog.plans.promote(handbook, 999, "me", "")


def test_a_promotion_that_is_repeated_leaves_the_way_back(catalog: Catalog, handbook: Collection) -> None:
    first, second = (stored(catalog, handbook, top=top) for top in (5, 6))
    catalog.plans.promote(handbook, None, "me", "it serves already")
    assert catalog.plans.last_switch(handbook) is None
    for plan in (first, second, second, second):
        catalog.plans.promote(handbook, plan, "me", "")
    assert catalog.plans.within_reach(handbook)[first] == "it is one rollback away"
    with writing(catalog._engine) as connection:  # as former versions noted it
        repeated = {"plan_id": second, "previous_id": second, "by": "me", "reason": "", "at": utc_now()}
        connection.execute(schema.plan_switches.insert().values(collection_id=handbook.id, **repeated))
    assert catalog.plans.roll_back(handbook, "me", "") == first
    assert catalog.plans.roll_back(handbook, "me", "") == second


def test_what_may_serve_at_any_moment_is_told(catalog: Catalog, handbook: Collection) -> None:
    first, second, third = (stored(catalog, handbook, top=top) for top in (5, 6, 7))
    assert catalog.plans.within_reach(handbook) == {None: "it serves"}
    catalog.plans.promote(handbook, first, "me", "")
    catalog.plans.promote(handbook, second, "me", "")
    assert catalog.plans.within_reach(handbook) == {first: "it is one rollback away", second: "it serves"}
    begun(catalog, handbook, third)
    assert catalog.plans.within_reach(handbook)[third] == "it is being rolled out"
    catalog.plans.roll_back(handbook, "me", "")
    reach = catalog.plans.within_reach(handbook)
    assert (reach[first], reach[second], third in reach) == ("it serves", "it is one rollback away", False)


def test_one_rollout_runs_at_a_time_and_of_a_plan_that_does_not_serve(catalog: Catalog, handbook: Collection) -> None:
    plan = stored(catalog, handbook, top=5)
    first = begun(catalog, handbook, plan)
    assert (first.stage, first.share, first.plan_id, first.previous_id) == (Stage.SHADOW, 0.1, plan, None)
    assert first.runs and first.options == {"unit": "session"} and first.reference is None
    with pytest.raises(ConflictError, match=f"rollout {first.id} of collection 'handbook' runs"):
        begun(catalog, handbook, stored(catalog, handbook, top=6))
    assert catalog.rollouts.move(first, Stage.STOPPED, 0.0, "enough")
    assert catalog.rollouts.running() == []
    catalog.plans.promote(handbook, plan, "tester", "")
    with pytest.raises(ConflictError, match="serves 'handbook' already"):
        begun(catalog, handbook, plan)
    again = begun(catalog, handbook, stored(catalog, handbook, top=7))
    assert again.previous_id == plan
    assert [one.id for one in catalog.rollouts.page(handbook)] == [again.id, first.id]
    assert [one.id for one in catalog.rollouts.page(handbook, before=again.id)] == [first.id]
    assert catalog.rollouts.newest() == [again]


def test_of_two_who_move_it_one_does(catalog: Catalog, handbook: Collection) -> None:
    rollout = begun(catalog, handbook, stored(catalog, handbook, top=5))
    assert catalog.rollouts.move(rollout, Stage.CANARY, 0.5, "on")
    assert not catalog.rollouts.move(rollout, Stage.ROLLED_BACK, 0.0, "worse")
    assert not catalog.plans.complete(handbook, rollout, "tester", "late")
    assert catalog.collections.get("handbook").plan_id is None
    now = catalog.rollouts.get(handbook, rollout.id)
    assert (now.stage, now.share, now.reason, now.ended_at) == (Stage.CANARY, 0.5, "on", None)


def test_completing_switches_the_pointer_in_one_transaction(catalog: Catalog, handbook: Collection) -> None:
    plan = stored(catalog, handbook, top=5)
    rollout = begun(catalog, handbook, plan, Stage.CANARY)
    assert catalog.plans.complete(handbook, rollout, "tester", "good")
    assert catalog.collections.get("handbook").plan_id == plan
    ended = catalog.rollouts.get(handbook, rollout.id)
    assert (ended.stage, ended.share) == (Stage.FULL, 1.0) and ended.ended_at is not None and not ended.runs
    assert catalog.plans.roll_back(handbook, "tester", "") is None
    assert catalog.rollouts.get(handbook, rollout.id).stage is Stage.FULL


def test_only_its_own_switch_is_taken_back(catalog: Catalog, handbook: Collection) -> None:
    """Other plans served since: what served before the rollout is not what served before now."""
    plan, other = stored(catalog, handbook, top=5), stored(catalog, handbook, top=6)
    rollout = begun(catalog, handbook, plan, Stage.CANARY)
    assert catalog.plans.complete(handbook, rollout, "tester", "good")
    rollout = catalog.rollouts.get(handbook, rollout.id)
    for number in (other, plan):
        catalog.plans.promote(handbook, number, "tester", "")
    with pytest.raises(ConflictError, match="roll back instead"):
        catalog.plans.take_back(handbook, rollout, "tester", "")
    catalog.plans.promote(handbook, None, "tester", "")
    catalog.plans.promote(handbook, plan, "tester", "the same switch again, by hand")
    assert catalog.collections.get("handbook").plan_id == plan
    assert catalog.rollouts.get(handbook, rollout.id).stage is Stage.FULL


def test_what_was_seen_must_still_be_so(catalog: Catalog, handbook: Collection) -> None:
    good, bad = stored(catalog, handbook, top=5), stored(catalog, handbook, top=6)
    for plan in (good, bad):
        catalog.plans.promote(handbook, plan, "me", "")
    assert catalog.plans.roll_back(handbook, "me", "", seen=bad) == good
    with pytest.raises(ConflictError, match=f"plan {good} serves collection 'handbook' by now, not {bad}"):
        catalog.plans.roll_back(handbook, "another", "", seen=bad)
    with pytest.raises(ConflictError, match="not default"):
        catalog.plans.promote(handbook, bad, "another", "", seen=None)
    catalog.plans.promote(handbook, good, "me", "a repeated request", seen=bad)
    assert catalog.collections.get("handbook").plan_id == good


def test_a_plan_that_was_looked_at_for_another_generation_does_not_serve(
    catalog: Catalog, handbook: Collection
) -> None:
    plan = stored(catalog, handbook, top=5)
    rollout = begun(catalog, handbook, plan, Stage.CANARY)
    made_by = {name: asdict(handbook.settings)[name] for name in GENERATION_SETTINGS}
    made = catalog.generations.begin(handbook, "other", "another", made_by)
    catalog.generations.finish(handbook, made.id, {})
    catalog.generations.activate(handbook, made.id)
    with pytest.raises(ConflictError, match="took over meanwhile"):
        catalog.plans.promote(handbook, plan, "me", "")
    with pytest.raises(ConflictError, match="took over meanwhile"):
        catalog.plans.complete(handbook, rollout, "me", "")
    assert catalog.rollouts.get(handbook, rollout.id).stage is Stage.CANARY
    catalog.plans.promote(catalog.collections.get("handbook"), plan, "me", "")


def test_what_serves_already_ends_no_rollout(catalog: Catalog, handbook: Collection) -> None:
    rollout = begun(catalog, handbook, stored(catalog, handbook, top=5), Stage.CANARY)
    catalog.plans.promote(handbook, None, "tester", "a repeated request")
    assert catalog.rollouts.get(handbook, rollout.id).stage is Stage.CANARY


def test_another_plan_that_is_promoted_ends_it(catalog: Catalog, handbook: Collection) -> None:
    rollout = begun(catalog, handbook, stored(catalog, handbook, top=5), Stage.CANARY)
    other = stored(catalog, handbook, top=6)
    catalog.plans.promote(handbook, other, "tester", "")
    ended = catalog.rollouts.get(handbook, rollout.id)
    assert ended.stage is Stage.SUPERSEDED and ended.reason == f"plan {other} was promoted meanwhile"


def test_counts_of_all_processes_add_up(catalog: Catalog, handbook: Collection) -> None:
    rollout = begun(catalog, handbook, stored(catalog, handbook, top=5))

    def process(_: int) -> None:
        for _ in range(5):
            catalog.rollouts.add(rollout.id, Stage.SHADOW, {("candidate", "queries"): 2, ("pair", "overlap"): 0.5})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(process, range(4)))
    catalog.rollouts.add(rollout.id, Stage.CANARY, {("candidate", "queries"): 1})
    counts = catalog.rollouts.counts(rollout.id)
    assert counts[Stage.SHADOW] == {("candidate", "queries"): 40, ("pair", "overlap"): 10}
    assert counts[Stage.CANARY] == {("candidate", "queries"): 1}


def test_latencies_are_referred_to_until_others_are_or_it_moves(catalog: Catalog, handbook: Collection) -> None:
    rollout = begun(catalog, handbook, stored(catalog, handbook, top=5))
    assert catalog.rollouts.refer(rollout, {"p50": 3.0, "p95": 9.0})
    assert catalog.rollouts.refer(rollout, {"p50": 4.0, "p95": 8.0, "ms:7": 50.0})
    assert catalog.rollouts.move(rollout, Stage.CANARY, 0.1, "on")
    assert not catalog.rollouts.refer(rollout, {"p50": 5.0, "p95": 6.0})
    assert catalog.rollouts.get(handbook, rollout.id).reference == {"p50": 4.0, "p95": 8.0, "ms:7": 50.0}


def test_a_rollout_goes_with_its_collection(catalog: Catalog, handbook: Collection) -> None:
    rollout = begun(catalog, handbook, stored(catalog, handbook, top=5))
    catalog.rollouts.add(rollout.id, Stage.SHADOW, {("candidate", "queries"): 1})
    catalog.collections.drop("handbook")
    assert catalog.rollouts.running() == [] and catalog.rollouts.counts(rollout.id) == {}
    catalog.rollouts.add(rollout.id, Stage.SHADOW, {("candidate", "queries"): 1})  # what a process still had
    other = catalog.collections.create("other", "hash", "fp")
    with pytest.raises(NotFoundError, match=f"rollout {rollout.id} does not exist in collection 'other'"):
        catalog.rollouts.get(other, rollout.id)
