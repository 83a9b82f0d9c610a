"""The task `answer`: which answer model serves a collection, proven on questions with known answers.

questions ─▶ race of sentences, readers, endpoint and its prompts ─▶ the best asked the sealed questions beside what
serves ─▶ gate ─▶ artifact ─▶ the serving plan with another answer model, or the reasons why not
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from infra.commit import DISTRIBUTION, running_commit
from infra.settings import Settings
from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.choice import READER, READERS, AnswerChoice
from retrieval.answer.reader_folder import read_folder
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.rollouts import Stage
from retrieval.encoder.model_folder import sha256_of
from retrieval.errors import InvalidInputError
from retrieval.plan import Plan
from search_core.answering.models import Models
from search_core.answering.prices import Prices
from search_core.answering.questions import (
    MIN_SEALED,
    AskedQuestion,
    Questions,
    links_of,
    of_collection,
    of_files,
    read_files,
    shared_documents,
    split,
)
from search_core.answering.race import MAX_FAILURES, Entry, Standing, entered, over_latency, race, row
from search_core.answering.replies import Replies
from search_core.answering.run import AnswerRun
from search_core.answering.scoring import Scored, summary
from search_core.answering.unlearnt import Unlearnt, unlearnt
from search_core.artifact.artifacts import RUN_ARTIFACT, RUNS, write_artifact
from search_core.artifact.card import write_answer_card
from search_core.corpus.snapshot import read_snapshot
from search_core.errors import SupervisionError
from search_core.log.experiment_log import ExperimentLog, trajectory
from search_core.log.run_start import begin, by_run, incumbent_of
from search_core.proof.earlier_tests import begin_test, notes_of
from search_core.proof.gate import Verdict, judge
from search_core.proof.promotion import promote, store_once
from search_core.proof.reasons import ANSWERER_NOT_BEATEN, Reason, ReasonCode, not_asked
from search_core.questions.supervision import choose_set, stored_answers
from search_core.request import ANSWER_TASK
from search_core.result import Result
from search_core.spaces.plan_mapping import architecture_of
from search_core.stages.recording import Stopwatch
from search_core.time_decisions import TimeDecisions

REPLIES = Path(RUNS, "replies.jsonl")  # in the data folder: what an endpoint said, in any run
NOT_COMPARED = "the run ended before every model had answered a question, so nothing was compared; give it more time"
ROLLOUT_LATENCY_FACTOR = 1.3  # of the 95th percentile on the sealed questions; the same slack as for searches

T = TypeVar("T")


def tune_answers(run: AnswerRun, progress: Callable[[dict[str, Any]], None]) -> Result:
    """The whole task. Raises `SearchCoreError` where nothing can be compared; what serves is untouched then."""
    if run.request.rollout == Stage.SHADOW.value:
        raise InvalidInputError(
            "rollout is 'shadow', but answers are not given twice in the background; expected canary, or none: at once"
        )
    against = run.request.against
    serving = incumbent_of(run.catalog, run.collection, run.record)
    plan = serving if against is None else Plan.from_dict(against)
    questions = _questions(run, plan)
    settings = run.collection.settings
    analyzer = Analyzer(settings.dictionary, settings.synonyms)
    replies = Replies(run.settings.data_dir / REPLIES)
    models = Models(run.settings, run.encoder, analyzer, replies, questions.left_out)
    stands_on = [plan.digest, *_stands_on(questions)]
    begun = begin(run.catalog.experiments, run.record, stands_on, lambda: 0, [one.text for one in questions.sealed])
    timed = TimeDecisions.of(run.clock, begun.timed, run.catalog.experiments, run.record)
    questions = replace(questions, notes=(*questions.notes, *begun.notes))
    entries = entered(models, _serving(run.settings, plan))
    log = ExperimentLog(run.catalog.experiments, run.record.id, run.folder, seed=run.request.seed)
    try:
        told = _teller(run, plan, log, progress, len(questions.choose))
        standing = race(entries, models, questions.choose, timed, told, run.spec.latency_ms)
        return _concluded(run, plan, questions, models, standing, log, timed)
    finally:
        log.close()
        for entry in entries:
            entry.close()


def _questions(run: AnswerRun, plan: Plan) -> Questions:
    request = run.request
    if request.answers:
        texts = request.queries or {}
        own = [EvalQuery(key, texts.get(key, ""), {}, tuple(answers)) for key, answers in request.answers.items()]
        return _asked_here(run, plan, own, "given with their answers")
    chosen = choose_set(run.catalog, run.collection, request.eval_set, answered=True)
    if chosen.record is not None:
        known = stored_answers(run.catalog, chosen.record)
        found = _asked_here(run, plan, known.questions, known.origin)
        return replace(found, notes=(*chosen.notes, *found.notes))
    if run.settings.reader_questions:
        files = run.settings.reader_questions
        new = _unlearnt(run, plan, read_files(files), lambda one: one.passage, lambda one: one.article)
        found = split(of_files(new.questions, request.seed), f"of the files {files}", request.seed)
        return replace(found, notes=(*chosen.notes, *new.notes), left_out=new.left_out)
    raise SupervisionError(
        "there are no questions with known answers: name an evaluation set that has answers, give --answers with "
        "--queries, or name SQuAD files in KB_READER_QUESTIONS"
    )


def _stands_on(questions: Questions) -> list[object]:
    """What decides the score of an answer, beside who gives it."""
    asked = (*questions.choose, *questions.sealed)
    return [[one.key, one.text, one.answers, [passage.text for passage in one.passages]] for one in asked]


def _asked_here(run: AnswerRun, plan: Plan, questions: Sequence[EvalQuery], origin: str) -> Questions:
    """The collection's own questions, with the passages that its serving plan finds."""
    new = _unlearnt(run, plan, questions, lambda one: one.text, lambda one: links_of(one)[-1])
    snapshot = read_snapshot(run.catalog, run.collection)
    try:
        asked = of_collection(snapshot, plan, run.encoder, new.questions, run.settings.data_dir)
    finally:
        snapshot.close()
    found = split(asked, origin, run.request.seed)
    return replace(found, notes=(*new.notes, *shared_documents(found, new.questions)), left_out=new.left_out)


def _unlearnt(
    run: AnswerRun, plan: Plan, found: Sequence[T], known_by: Callable[[T], str], group: Callable[[T], str]
) -> Unlearnt[T]:
    serving = _serving(run.settings, plan).reader
    return unlearnt(found, known_by, group, run.settings.data_dir / READERS, serving)


def _serving(settings: Settings, plan: Plan) -> AnswerChoice:
    """What answers now: by the plan, else by the settings."""
    reader = settings.reader if settings.generator == READER else ""
    return plan.answer or AnswerChoice(settings.generator, reader)


def _teller(
    run: AnswerRun, plan: Plan, log: ExperimentLog, progress: Callable[[dict[str, Any]], None], questions: int
) -> Callable[[Entry, int], None]:
    """Writes each round of each model down as a trial, and says it; `questions`: how many all of them are."""
    architecture = architecture_of(plan, run.space)
    chosen = architecture.to_dict() | {"digest": architecture.digest}
    best, watch = 0.0, Stopwatch()

    def tell(entry: Entry, count: int) -> None:
        nonlocal best, watch
        mean, share = round(entry.mean(count), 6), count / questions
        best = max(best, mean)
        shown = replace(plan, answer=entry.choice)
        body = {
            "tier": ANSWER_TASK,
            "policy": "race",
            "architecture": chosen | {"digest": shown.digest},
            "plan": shown.digest,
            "answer": entry.choice.to_dict(),
            "fidelity": share,
            "reward": mean,
            "whole": mean if count == questions else None,
            "seconds": round(watch.seconds, 4),
            "cpu_seconds": round(watch.cpu_seconds, 4),
        }
        watch = Stopwatch()
        if log.recall(shown.digest, share) is None:
            log.append(body)
        progress({"tier": ANSWER_TASK, "trial": log.count, "best": best, "left": run.clock.left()})

    return tell


def _concluded(
    run: AnswerRun,
    plan: Plan,
    questions: Questions,
    models: Models,
    standing: Standing,
    log: ExperimentLog,
    timed: TimeDecisions,
) -> Result:
    before, after, asked = _sealed(run, questions.sealed, models, standing)
    verdict = judge(
        _quality(before),
        _quality(after),
        [question.kinds for question in asked],
        seed=run.request.seed,
        texts=[question.text for question in asked],
        links=[[question.group] for question in asked],
        earlier_tests=begin_test(run.catalog.experiments, run.collection, run.record),
    )
    chosen = replace(plan, answer=standing.best.choice)
    reasons = (*_reasons(run, standing, verdict, after, models.prices), *_chance(standing))
    metrics = {
        name: summary(those, asked) | {"cost": models.prices.of_questions(those)}
        for name, those in (("serving", before), ("tuned", after))
    }
    metrics["default"] = metrics["serving"]
    log.end()
    trials = run.catalog.experiments.trials(run.record.id)
    board = sorted(
        (row(entry, questions.choose, models.prices) for entry in standing.entries),
        key=lambda one: -float(str(one["quality"])),
    )
    manifest = _manifest(run, questions, models, standing, verdict, metrics, board)
    card = write_answer_card(
        run.collection.name,
        standing.best.choice.describe(),
        seed=run.request.seed,
        verdict=verdict,
        reasons=reasons,
        board=board,
    )
    artifact = write_artifact(run.folder / RUN_ARTIFACT, chosen, manifest, card)
    plan_id = None
    if standing.best is not standing.incumbent:
        name = f"answers-{run.record.id[:8]}"
        plan_id = store_once(run.catalog, run.collection, name, chosen, by_run(run.record))
    run.wanted()
    promoted, reasons = _promoted(run, plan, plan_id, verdict, reasons, after)
    return Result(
        experiment=run.record.id,
        best=architecture_of(chosen, run.space),
        space=run.space,
        plan=chosen,
        incumbent=plan,
        artifact=artifact,
        verdict=verdict,
        metrics=metrics,
        leaderboard=tuple(board),
        promoted=promoted,
        plan_id=plan_id,
        reasons=reasons,
        supervision=manifest["supervision"],
        stages=(),
        earlier_runs=0,
        timed=timed.to_dict(),
        model=None,
        trials=len(trials),
        trajectory=trajectory(trials),
        seconds=run.clock.seconds,
        cpu_seconds=run.clock.cpu_seconds,
        folder=artifact.folder,
    )


def _sealed(
    run: AnswerRun, questions: Sequence[AskedQuestion], models: Models, standing: Standing
) -> tuple[list[Scored], list[Scored], list[AskedQuestion]]:
    """Both are asked question by question, `MIN_SEALED` or as many more as there is time for."""
    before: list[Scored] = []
    after: list[Scored] = []
    for question in questions:
        if run.clock.is_over and len(before) >= MIN_SEALED:
            break
        run.wanted()
        before.append(standing.incumbent.ask(question, models))
        same = standing.best is standing.incumbent
        after.append(before[-1] if same else standing.best.ask(question, models))
    return before, after, list(questions[: len(before)])


def _quality(scored: Sequence[Scored]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([one.quality for one in scored], dtype=np.float64)


def _chance(standing: Standing) -> tuple[Reason, ...]:
    if not standing.questions:
        return (Reason(ReasonCode.NOT_COMPARED, NOT_COMPARED),)
    if standing.best is standing.incumbent:
        slow = f"; {standing.too_slow} others take longer than the task says" if standing.too_slow else ""
        return (Reason(ReasonCode.ANSWERER_NOT_BEATEN, f"{ANSWERER_NOT_BEATEN}{slow}"),)
    return ()


def _reasons(
    run: AnswerRun, standing: Standing, verdict: Verdict, after: Sequence[Scored], prices: Prices
) -> tuple[Reason, ...]:
    if standing.best is standing.incumbent:
        return ()
    found = list(verdict.reasons)
    median = float(np.median([one.milliseconds for one in after]))
    if run.spec.latency_ms is not None and median > run.spec.latency_ms:
        found.append(over_latency(median, run.spec.latency_ms))
    if prices.too_dear(after):
        cost = prices.of_questions(after)
        dear = f"1,000 questions would cost {cost:.4g}; KB_LLM_MOST_COST says at most {prices.most:g}"
        found.append(Reason(ReasonCode.OVER_COST, dear))
    failed = sum(one.failed for one in after)
    if failed > MAX_FAILURES * len(after):
        failing = f"{failed} of {len(after)} answers came from sentences because the endpoint failed"
        found.append(Reason(ReasonCode.ENDPOINT_FAILED, failing))
    return tuple(found)


def _promoted(
    run: AnswerRun,
    plan: Plan,
    plan_id: int | None,
    verdict: Verdict,
    reasons: tuple[Reason, ...],
    after: Sequence[Scored],
) -> tuple[bool, tuple[Reason, ...]]:
    if reasons or plan_id is None:
        return False, reasons
    if not run.request.promote:
        return False, (not_asked(plan_id, run.collection.name),)
    return promote(
        run.catalog,
        run.collection,
        plan_id,
        plan,
        verdict,
        way=run.request.rollout,
        by=by_run(run.record),
        any_encoder=True,
        answer_ms=_allowed_ms(run, after),
    )


def _allowed_ms(run: AnswerRun, after: Sequence[Scored]) -> float:
    """What an answer may take during a rollout: what the task says, else a little more than on the sealed questions."""
    if run.spec.latency_ms is not None:
        return run.spec.latency_ms
    return round(ROLLOUT_LATENCY_FACTOR * float(np.percentile([one.milliseconds for one in after], 95)), 1)


def _manifest(
    run: AnswerRun,
    questions: Questions,
    models: Models,
    standing: Standing,
    verdict: Verdict,
    metrics: Mapping[str, Any],
    board: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    choice = standing.best.choice
    reader = None
    if choice.generator == READER:
        folder = run.settings.data_dir / READERS / choice.reader
        reader = {"name": choice.reader, "manifest_sha256": sha256_of(folder / "manifest.json")}
        reader["precision"] = read_folder(folder).precision
    return {
        "kind": "answer-model",
        "collection": run.collection.name,
        "version": metadata.version(DISTRIBUTION),
        "commit": running_commit(),
        "seed": run.request.seed,
        "task": run.spec.to_dict(),
        "metric": "quality",
        "metrics": dict(metrics),
        "verdict": verdict.to_dict(),
        "answer": choice.to_dict(),
        "reader": reader,
        "leaderboard": [dict(one) for one in board],
        "cost": {
            "endpoint_calls": models.replies.asked,
            "tokens_about": round(models.replies.tokens_paid),
            "per_1000_questions": {name: values["cost"] for name, values in metrics.items()},
            "prices": {"prompt": models.prices.prompt, "completion": models.prices.completion},  # of a million tokens
        },
        "supervision": {
            "origin": questions.origin,
            "judged": True,
            "questions": len(questions.choose) + len(questions.sealed),
            "split": {"choose": len(questions.choose), "sealed": len(questions.sealed)},
            "notes": [*questions.notes, *notes_of(verdict.earlier_tests)],
        },
        "seconds": round(run.clock.seconds, 2),
        "cpu_seconds": round(run.clock.cpu_seconds, 2),
    }
