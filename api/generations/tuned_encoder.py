"""Lets a tuned encoder serve: the collection embedded by it as a generation beside, one pointer moved, then the plan.

The search core proves the encoder and leaves it in a folder (`Result.model`); it may not know of generations. While one
is built every change is embedded by both encoders, so that nothing is missing when the pointer moves.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from api.generations.build import Report, build_generation
from api.generations.options import ReindexOptions
from api.generations.reindex import activate_generation
from api.knowledge_base import KnowledgeBase
from api.plans.fitting_plan import by_generation
from api.serving.collection_runtime import RECORD_SECONDS
from retrieval.catalog import Collection
from retrieval.catalog.experiments import ExperimentState
from retrieval.catalog.generations import Generation
from retrieval.errors import InvalidInputError
from retrieval.learned.plan_parts import named_parts, require_parts
from retrieval.plan import Plan
from retrieval.stored_plan import serving_plan, stored_plan
from search_core.proof.reasons import OTHER_PLAN_OR_ENCODER, Reason, ReasonCode, to_fields


def let_serve(kb: KnowledgeBase, collection: str, experiment: str, result: dict[str, Any], report: Report) -> Any:
    """The experiment's result, promoted or with the reason why not. Ended in the midst, it can be called again.

    `report` is asked once more when the generation is about to take over: a job that was cancelled by then changes
    nothing. What an administrator lets serve while the generation is built stays: it is ready then and waits. Raises
    `ConflictError` while another generation of the collection is being built.
    """
    figures: tuple[int, int | None] = (0, None)

    def told(done: int, total: int | None) -> None:
        nonlocal figures
        figures = (done, total)
        report(done, total)

    record = kb.catalog.collections.get(collection)
    compared = result.get("compared_encoder") or record.encoder_fingerprint  # results of before did not tell
    if (reason := _overtaken(kb, record, experiment, result, compared)) is not None:
        return _finished(kb, experiment, result | to_fields((reason,)))
    if record.encoder_fingerprint == kb.open_encoder(result["model"]).fingerprint:  # ended when only the plan was left
        return _promoted(kb, record, experiment, result)
    options = ReindexOptions(encoder=result["model"], activate=False, eval_set=None)  # sealed questions decided
    generation = build_generation(kb, collection, options, told)
    mine = kb.catalog.collections.seen_by(record.id, generation.id)
    try:
        require_parts(_plan(result), kb.settings.data_dir, mine.encoder_fingerprint)
    except InvalidInputError as error:
        return _finished(kb, experiment, result | to_fields((Reason(ReasonCode.PART_UNFIT, str(error)),)))
    if (reason := _overtaken(kb, record, experiment, result, compared)) is not None:
        waiting = f"generation {generation.id} is embedded by the new encoder: `kb generations activate` lets it serve"
        return _finished(kb, experiment, result | to_fields((Reason(ReasonCode.OVERTAKEN, f"{reason}; {waiting}"),)))
    activate_generation(kb, collection, generation.id, wanted=lambda: report(*figures))
    return _promoted(kb, kb.catalog.collections.get(collection), experiment, result)


def _promoted(kb: KnowledgeBase, serving: Collection, experiment: str, result: dict[str, Any]) -> dict[str, Any]:
    """The plan follows its encoder, which serves."""
    if named_parts(_plan(result)):
        time.sleep(2 * RECORD_SECONDS)  # other processes look for the generation that often; no other can serve it
    reason = f"sealed questions: {result['lift']:+.4f}, p = {result['p_value']:.4f}; generation {serving.generation}"
    kb.catalog.plans.promote(serving, result["plan"]["id"], f"experiment {experiment}", reason)
    kb.runtime(serving.name).refresh()  # searches of this process follow at once, others within a second
    return _finished(kb, experiment, result | to_fields(()) | {"promoted": True, "generation": serving.generation})


def _overtaken(
    kb: KnowledgeBase, record: Collection, experiment: str, result: Mapping[str, Any], compared: str
) -> Reason | None:
    """Why this must not go on: another plan or encoder serves than was compared with. The tuned one may by now.

    Where that took over and gave way again, somebody decided so.
    """
    now = kb.catalog.collections.get(record.name)
    incumbent = str(result["incumbent"]["digest"])
    if serving_plan(kb.catalog, now).digest != incumbent and not _stripped(kb, now, result, incumbent):
        return OTHER_PLAN_OR_ENCODER
    if now.encoder_fingerprint == kb.open_encoder(result["model"]).fingerprint:
        return None
    began = kb.catalog.experiments.get(now, experiment).created_at
    for one in reversed(_made_by(kb, now, result)):
        if one.activated_at is not None and one.activated_at >= began:
            return Reason(
                ReasonCode.OVERTAKEN,
                f"generation {one.id}, embedded by the new encoder, took over and another one serves since; "
                "`kb generations` shows both",
            )
    return None if now.encoder_fingerprint == compared else OTHER_PLAN_OR_ENCODER


def _stripped(kb: KnowledgeBase, now: Collection, result: Mapping[str, Any], incumbent: str) -> bool:
    """Whether the plan that was compared with serves without its learned parts, since the tuned encoder takes over."""
    last = kb.catalog.plans.last_switch(now)
    if last is None or last.plan_id != now.plan_id:
        return False
    if stored_plan(kb.catalog, now, last.previous_id).digest != incumbent:
        return False
    return last.by in {by_generation(one.id) for one in _made_by(kb, now, result)}


def _made_by(kb: KnowledgeBase, collection: Collection, result: Mapping[str, Any]) -> list[Generation]:
    fingerprint = kb.open_encoder(result["model"]).fingerprint
    return [one for one in kb.catalog.generations.all(collection) if one.fingerprint == fingerprint]


def _plan(result: Mapping[str, Any]) -> Plan:
    """What the experiment found, as its result tells it."""
    return Plan.from_dict({name: value for name, value in result["plan"].items() if name not in ("digest", "id")})


def _finished(kb: KnowledgeBase, experiment: str, result: dict[str, Any]) -> dict[str, Any]:
    kb.catalog.experiments.finish(experiment, ExperimentState.FINISHED, result)
    return result
