"""The steps of a rollout, whoever takes them: begin, advance, stop, roll back. Each is written to the audit log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from api.knowledge_base import KnowledgeBase
from api.plans.fitting_plan import require_fitting, require_servable
from api.rollout.assignment import Unit
from retrieval.answer.choice import ENDPOINT
from retrieval.catalog import Collection
from retrieval.catalog.rollouts import DEFAULT_SHARE, RolloutRecord, Stage
from retrieval.errors import ConflictError, InvalidInputError, NotFoundError
from retrieval.plan import Plan
from retrieval.stored_plan import serving_plan, stored_plan


def begin(
    kb: KnowledgeBase,
    collection: Collection,
    plan_id: int | None,
    by: str,
    *,
    stage: Stage = Stage.SHADOW,
    share: float = DEFAULT_SHARE,
    unit: Unit = Unit.SESSION,
    advance_after: int = 0,
    answer_ms: float = 0.0,
    reason: str = "",
) -> RolloutRecord:
    """A rollout of that plan. Raises `NotFoundError`, `ConflictError` where one runs, `InvalidInputError`.

    `answer_ms`: what an answer of another answer model may take; 0: 1.3 times what answers take now.
    """
    if stage not in (Stage.SHADOW, Stage.CANARY):
        raise InvalidInputError(f"stage is {stage.value!r}; a rollout begins with shadow or canary")
    _check_share(share)
    if stage is Stage.CANARY and share == 1.0 and advance_after:
        raise InvalidInputError(
            "share is 1, so that no search is left to what serves, and advance_after asks for a comparison with it; "
            "expected a smaller share, such as 0.5, or advance_after 0"
        )
    plan = stored_plan(kb.catalog, collection, plan_id)
    require_servable(kb, collection, plan)
    options = {"unit": unit.value, "advance_after": advance_after}
    options |= _of_answers(plan, serving_plan(kb.catalog, collection), stage, answer_ms)
    if collection.name in kb.runtimes.open_names():
        kb.runtime(collection.name).prepare(plan)
    rollout = kb.catalog.rollouts.begin(collection, plan_id, stage, share, options, by, reason)
    _told(kb, collection, rollout, by, "begin", {"stage": stage.value, "share": share, "reason": reason})
    return rollout


def _of_answers(plan: Plan, serving: Plan, stage: Stage, answer_ms: float) -> dict[str, Any]:
    """The options of a rollout that exchanges the answer model; none for others."""
    if plan.answer == serving.answer:
        return {}
    if stage is Stage.SHADOW and replace(plan, answer=serving.answer) == serving:
        raise InvalidInputError(
            "this plan changes who answers and nothing else, and answers are not given twice in the background; "
            "begin with stage canary"
        )
    is_endpoint = [one.answer is not None and one.answer.generator == ENDPOINT for one in (plan, serving)]
    if is_endpoint == [True, False] and not answer_ms:
        raise InvalidInputError(
            "this plan lets an endpoint answer, which takes longer than what answers now; say how long an answer may "
            "take: answer_ms (--answer-ms), such as 5000"
        )
    return {"answers": True, "answer_ms": answer_ms}


def advance(
    kb: KnowledgeBase, collection: Collection, rollout: RolloutRecord, share: float | None, by: str, reason: str
) -> RolloutRecord:
    """From shadow to a share, from a share to a larger one where that is named, else to everybody.

    A canary begins with the share that is named, else with `DEFAULT_SHARE` or the shadow's where that is smaller: to
    compare much in the background puts nobody at risk, to serve it does. Raises `ConflictError` where it has ended, or
    another moved it at the same moment; `InvalidInputError` for a share that is none or not larger.
    """
    _check_runs(rollout, collection)
    if share is not None:
        _check_share(share)
        _check_larger(rollout, share)
    if rollout.stage is Stage.CANARY and share is None:
        require_fitting(kb, collection, rollout.plan_id)
        done = kb.catalog.plans.complete(collection, rollout, by, reason)
    else:
        wanted = min(rollout.share, DEFAULT_SHARE) if share is None else share
        done = kb.catalog.rollouts.move(rollout, Stage.CANARY, wanted, reason)
    return _moved(kb, collection, rollout, by, "advance", reason, done)


def stop(kb: KnowledgeBase, collection: Collection, rollout: RolloutRecord, by: str, reason: str) -> RolloutRecord:
    """End it: what served goes on to serve; one that has reached everybody gives way to the plan before.

    Raises `ConflictError` where there is nothing to stop any more, another plan was promoted since, or the plan before
    cannot serve.
    """
    if rollout.stage is Stage.FULL:
        require_fitting(kb, collection, rollout.previous_id)
        kb.catalog.plans.take_back(collection, rollout, by, reason or "its rollout was taken back")
        _told(kb, collection, rollout, by, "take back", {"reason": reason, "plan": rollout.previous_id})
        return kb.catalog.rollouts.get(collection, rollout.id)
    _check_runs(rollout, collection)
    done = kb.catalog.rollouts.move(rollout, Stage.STOPPED, 0.0, reason or "stopped by hand")
    return _moved(kb, collection, rollout, by, "stop", reason, done)


def roll_back(kb: KnowledgeBase, collection: Collection, rollout: RolloutRecord, by: str, reason: str) -> None:
    """End it because of what was counted; nothing where another process did so already."""
    if kb.catalog.rollouts.move(rollout, Stage.ROLLED_BACK, 0.0, f"{rollout.stage.value}: {reason}"):
        _told(kb, collection, rollout, by, "roll back", {"reason": reason, "stage": rollout.stage.value})


def newest(kb: KnowledgeBase, collection: Collection, seen: str | None = None) -> RolloutRecord:
    """The rollout that runs, or the last one. Raises `NotFoundError`, or `ConflictError` at another stage than `seen`.

    Of two who saw the same stage only one moves it: the second would skip what the first had begun.
    """
    for rollout in kb.catalog.rollouts.page(collection, 1):
        if seen not in (None, rollout.stage):
            raise ConflictError(f"rollout {rollout.id} is {rollout.stage.value} by now, not {seen}; look at it again")
        return rollout
    raise NotFoundError(f"no plan of collection {collection.name!r} was ever rolled out")


def _moved(
    kb: KnowledgeBase, collection: Collection, rollout: RolloutRecord, by: str, act: str, reason: str, done: bool
) -> RolloutRecord:
    now = kb.catalog.rollouts.get(collection, rollout.id)
    if not done:
        raise ConflictError(f"rollout {rollout.id} was moved to {now.stage.value} at the same moment; look at it again")
    _told(kb, collection, now, by, act, {"stage": now.stage.value, "share": now.share, "reason": reason})
    return now


def _told(
    kb: KnowledgeBase, collection: Collection, rollout: RolloutRecord, by: str, act: str, detail: dict[str, Any]
) -> None:
    """Write it down, and let this process's searches know at once; others notice within half a second."""
    target = f"{collection.name}/{rollout.plan_id or 'default'}"
    kb.catalog.audit.record(by, f"plans.rollout {act}", target, {"rollout": rollout.id, **detail})
    if collection.name in kb.runtimes.open_names():
        kb.runtime(collection.name).refresh()


def _check_runs(rollout: RolloutRecord, collection: Collection) -> None:
    if not rollout.runs:
        raise ConflictError(
            f"rollout {rollout.id} of collection {collection.name!r} is {rollout.stage.value}; it ended"
        )


def _check_share(share: float) -> None:
    if not 0.0 < share <= 1.0:
        raise InvalidInputError(f"share is {share}; expected a number above 0, up to 1")


def _check_larger(rollout: RolloutRecord, share: float) -> None:
    if rollout.stage is Stage.CANARY and share <= rollout.share:
        raise InvalidInputError(
            f"share is {share}, and the candidate has {rollout.share} already; expected more, or no share: everybody"
        )
