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
from api.serving.collection_runtime import RECORD_SECONDS
from retrieval.catalog import Collection
from retrieval.catalog.experiments import ExperimentState
from retrieval.errors import InvalidInputError
from retrieval.plan import Plan
from retrieval.plan_parts import named_parts, require_parts
from retrieval.stored_plan import serving_plan
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
    if _is_overtaken(kb, record, result, compared):
        return _finished(kb, experiment, result | to_fields((OTHER_PLAN_OR_ENCODER,)))
    if record.encoder_fingerprint == kb.open_encoder(result["model"]).fingerprint:  # ended when only the plan was left
        return _promoted(kb, record, experiment, result)
    options = ReindexOptions(encoder=result["model"], activate=False, eval_set=None)  # sealed questions decided
    generation = build_generation(kb, collection, options, told)
    mine = kb.catalog.collections.seen_by(record.id, generation.id)
    try:
        require_parts(_plan(result), kb.settings.data_dir, mine.encoder_fingerprint)
    except InvalidInputError as error:
        return _finished(kb, experiment, result | to_fields((Reason(ReasonCode.PART_UNFIT, str(error)),)))
    if _is_overtaken(kb, record, result, compared):
        waiting = f"generation {generation.id} is embedded by the new encoder: `kb generations activate` lets it serve"
        overtaken = Reason(ReasonCode.OVERTAKEN, f"{OTHER_PLAN_OR_ENCODER}; {waiting}")
        return _finished(kb, experiment, result | to_fields((overtaken,)))
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


def _is_overtaken(kb: KnowledgeBase, record: Collection, result: Mapping[str, Any], compared: str) -> bool:
    """Whether another plan or encoder serves than was compared with; the tuned one does where this goes on."""
    now = kb.catalog.collections.get(record.name)
    if serving_plan(kb.catalog, now).digest != str(result["incumbent"]["digest"]):
        return True
    return now.encoder_fingerprint not in (compared, kb.open_encoder(result["model"]).fingerprint)


def _plan(result: Mapping[str, Any]) -> Plan:
    """What the experiment found, as its result tells it."""
    return Plan.from_dict({name: value for name, value in result["plan"].items() if name not in ("digest", "id")})


def _finished(kb: KnowledgeBase, experiment: str, result: dict[str, Any]) -> dict[str, Any]:
    kb.catalog.experiments.finish(experiment, ExperimentState.FINISHED, result)
    return result
