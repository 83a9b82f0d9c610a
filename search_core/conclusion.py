"""The end of a run: the sealed questions are opened once, the artifact is written, the finalist serves or does not."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from infra.commit import DISTRIBUTION, running_commit
from retrieval.plan import DEFAULT_PLAN
from search_core.artifact.artifacts import RUN_ARTIFACT, Artifact, write_artifact
from search_core.artifact.card import write_card
from search_core.conditions import Conditions
from search_core.log.experiment_log import trajectory
from search_core.log.run_start import by_run
from search_core.proof.earlier_tests import begin_test, notes_of
from search_core.proof.gate import Verdict, judge
from search_core.proof.latency import compare_latency
from search_core.proof.promotion import promote, store_once
from search_core.proof.reasons import (
    NOT_BEATEN,
    NOT_EMBEDDED,
    NOT_JUDGED,
    Reason,
    ReasonCode,
    not_asked,
)
from search_core.questions.question_kinds import kinds_of
from search_core.questions.splits import document_links
from search_core.repeats import groups_of
from search_core.request import AT_ONCE
from search_core.result import Result
from search_core.spaces.drawing import describe
from search_core.stages.finalist import Finalist
from search_core.stages.plan_tier import untried
from search_core.stages.publishing import model_name, publish
from search_core.stages.sealed import SealedScores, stages_on_sealed

REPORTED = ("ndcg@10", "mrr@10", "recall@10")
NOT_STEP_BY_STEP = (
    "a tuned encoder cannot go out step by step, for it needs vectors of its own; see `kb reindex --encoder` with the "
    "model of this run, then `kb plans promote {} -c {}`"
)


def conclude(conditions: Conditions, finalist: Finalist) -> Result:
    """Test, write, promote where it is proven. Nothing serves where the run is not wanted any more."""
    scores = SealedScores(conditions)
    verdict = _verdict(conditions, finalist, scores)
    conditions.wanted()
    reasons = _reasons(conditions, finalist, verdict)
    metrics = _metrics(conditions, finalist, scores)
    conditions.log.end()
    trials = conditions.catalog.experiments.trials(conditions.record.id)
    went = trajectory(trials)
    conditions.wanted()
    stages = stages_on_sealed(conditions, finalist, scores)
    conditions.wanted()
    manifest = _manifest(conditions, finalist, verdict, metrics, stages, len(trials))
    artifact = _artifact(conditions, finalist, verdict, reasons, manifest)
    plan_id = None
    if not _is_what_serves(conditions, finalist):
        name, by = f"tuned-{conditions.record.id[:8]}", by_run(conditions.record)
        plan_id = store_once(conditions.catalog, conditions.collection, name, finalist.plan, by)
    conditions.wanted()
    promoted, reasons = _promoted(conditions, finalist, plan_id, reasons, verdict)
    return Result(
        experiment=conditions.record.id,
        best=finalist.architecture,
        space=conditions.space,
        plan=finalist.plan,
        incumbent=conditions.incumbent,
        artifact=artifact,
        verdict=verdict,
        metrics=metrics,
        leaderboard=finalist.leaderboard,
        promoted=promoted,
        plan_id=plan_id,
        reasons=reasons,
        supervision=manifest["supervision"],
        stages=tuple(manifest["stages"]),
        earlier_runs=conditions.earlier_runs,
        timed=conditions.timed.to_dict(),
        model=model_name(conditions, finalist.candidate),
        trials=len(trials),
        trajectory=went,
        seconds=conditions.clock.seconds,
        cpu_seconds=conditions.clock.cpu_seconds,
        folder=artifact.folder,
    )


def _verdict(conditions: Conditions, finalist: Finalist, scores: SealedScores) -> Verdict:
    metric, sealed = conditions.spec.metric, conditions.split.sealed
    before, after = (scores.values(one.legs, one.plan, metric) for one in (finalist.serving, finalist.candidate))
    latency = compare_latency(conditions.catalog, finalist.serving, finalist.candidate, sealed)
    kinds = [kinds_of(conditions.legs.questions[place]) for place in sealed]
    is_known = finalist.candidate.model is None  # by its plan's digest, which names what was learned by its content
    candidate = (finalist.plan.digest, conditions.incumbent.digest, metric) if is_known else ()
    return judge(
        before,
        after,
        kinds,
        seed=conditions.request.seed,
        texts=_sealed_texts(conditions),
        links=document_links([conditions.legs.questions[place] for place in sealed], scores.documents),
        latency=latency,
        bound_ms=conditions.spec.latency_ms,
        earlier_tests=begin_test(conditions.catalog.experiments, conditions.collection, conditions.record, candidate),
    )


def _sealed_texts(conditions: Conditions) -> list[str]:
    return [conditions.legs.questions[place].text for place in conditions.split.sealed]


def _is_what_serves(conditions: Conditions, finalist: Finalist) -> bool:
    """The same plan by the same encoder; another encoder is something new under any plan."""
    return finalist.plan == conditions.incumbent and finalist.candidate.model is None


def _reasons(conditions: Conditions, finalist: Finalist, verdict: Verdict) -> tuple[Reason, ...]:
    if not conditions.log.count:
        return (Reason(ReasonCode.UNTRIED, untried(conditions.clock)),)
    if _is_what_serves(conditions, finalist):
        return _given_up(finalist) or (NOT_BEATEN,)
    return verdict.reasons if conditions.supervision.judged else (NOT_JUDGED, *verdict.reasons)


def _given_up(finalist: Finalist) -> tuple[Reason, ...]:
    """Why stages gave up what was better than what serves; empty where none was."""
    return tuple(stage.reason for stage in finalist.stages if isinstance(stage.reason, Reason))


def _metrics(conditions: Conditions, finalist: Finalist, scores: SealedScores) -> dict[str, dict[str, float]]:
    asked = {"default": (conditions.legs, DEFAULT_PLAN), "tuned": (finalist.legs, finalist.plan)}
    if conditions.incumbent != DEFAULT_PLAN:
        asked["serving"] = (finalist.serving.legs, finalist.serving.plan)
    reported = dict.fromkeys((conditions.spec.metric, *REPORTED))
    return {
        name: {metric: round(float(scores.values(legs, plan, metric).mean()), 5) for metric in reported}
        for name, (legs, plan) in asked.items()
    }


def _manifest(
    conditions: Conditions,
    finalist: Finalist,
    verdict: Verdict,
    metrics: dict[str, Any],
    stages: list[dict[str, Any]],
    trials: int,
) -> dict[str, Any]:
    snapshot, supervision, split = conditions.snapshot, conditions.supervision, conditions.split
    parts = {"fit": len(split.fit), "choose": len(split.choose), "sealed": len(split.sealed)}
    return {
        "kind": "retrieval-plan",
        "collection": conditions.collection.name,
        "encoder": conditions.collection.encoder,
        "encoder_fingerprint": conditions.collection.encoder_fingerprint,
        "seq": snapshot.seq,
        "documents": snapshot.documents,
        "chunks": len(snapshot.chunks),
        "data_sha256": snapshot.digest,
        "version": metadata.version(DISTRIBUTION),
        "commit": running_commit(),
        "seed": conditions.request.seed,
        "task": conditions.spec.to_dict(),
        "metric": conditions.spec.metric,
        "metrics": metrics,
        "verdict": verdict.to_dict(),
        "architecture": finalist.architecture.to_dict(),
        "policy": dict(finalist.policy),
        "tiers": list(conditions.tiers),
        "earlier_runs": conditions.earlier_runs,
        "stages": stages,
        "supervision": {
            "origin": supervision.origin,
            "judged": supervision.judged,
            "questions": len(supervision.questions),
            "split": parts | {"by_document": split.by_document, "shared": split.shared},
            "notes": [
                *supervision.notes,
                *notes_of(verdict.earlier_tests),
                *_shared(conditions),
                *_repeated(conditions),
            ],
        },
        "trials": trials,
        "seconds": round(conditions.clock.seconds, 2),
        "cpu_seconds": round(conditions.clock.cpu_seconds, 2),
    }


def _artifact(
    conditions: Conditions, finalist: Finalist, verdict: Verdict, reasons: tuple[Reason, ...], manifest: dict[str, Any]
) -> Artifact:
    publish(conditions, finalist.candidate)
    does = describe(finalist.architecture, conditions.space)
    card = write_card(conditions.collection.name, does, finalist.plan, verdict, reasons, manifest)
    return write_artifact(conditions.folder / RUN_ARTIFACT, finalist.plan, manifest, card)


def _shared(conditions: Conditions) -> tuple[str, ...]:
    shared = conditions.split.shared
    if not shared:
        return ()
    return (f"{shared:.0%} of the sealed questions share a relevant document with questions that were worked with",)


def _repeated(conditions: Conditions) -> tuple[str, ...]:
    texts = _sealed_texts(conditions)
    copies = len(texts) - len(groups_of(texts))
    if not copies:
        return ()
    return (f"{copies} of the {len(texts)} sealed questions ask what another one asks; the test counts each once",)


def _promoted(
    conditions: Conditions, finalist: Finalist, plan_id: int | None, reasons: tuple[Reason, ...], verdict: Verdict
) -> tuple[bool, tuple[Reason, ...]]:
    if reasons or plan_id is None:
        return False, reasons
    name = conditions.collection.name
    if finalist.candidate.model is not None and conditions.request.promote:
        if conditions.request.rollout == AT_ONCE:
            return False, (NOT_EMBEDDED,)
        return False, (Reason(ReasonCode.NOT_STEP_BY_STEP, NOT_STEP_BY_STEP.format(plan_id, name)),)
    if not conditions.request.promote:
        return False, (not_asked(plan_id, name, model_name(conditions, finalist.candidate)),)
    return promote(
        conditions.catalog,
        conditions.collection,
        plan_id,
        conditions.incumbent,
        verdict,
        way=conditions.request.rollout,
        by=by_run(conditions.record),
    )
