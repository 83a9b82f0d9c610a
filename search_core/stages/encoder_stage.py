"""The encoder tier: the language model itself is tuned where the corpus calls for it, and the corpus embedded anew.

First the encoder to begin from, where others than the one that serves were named: whichever ranks best untrained. Many
architectures for 30 steps, few go on to 90, one to all; then the share of the way to the trained weights, the export
that would serve, every chunk embedded by it, and the plan chosen anew. To serve, the collection must be embedded by it:
a generation beside the serving one, which who called the run builds (`Result.model`).

Whether it is kept is decided by cross-fitting the plan (`search_core.stages.cross_fitting`), for the best of many plans
is too good on the questions that chose it. Steps and share are chosen by vectors alone, on a sample of `choose`: to
choose them anew without each fold, the corpus would have to be embedded for each.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from infra.wording import counted
from retrieval.encoder import open_encoder
from retrieval.encoder.model_folder import sha256_of
from retrieval.errors import EncoderError
from retrieval.learned.files import ARTIFACTS
from retrieval.learned.plan_parts import without_parts
from search_core.candidate import Candidate, StageReport, TunedModel, is_better
from search_core.conditions import Conditions
from search_core.corpus.legs import Values
from search_core.corpus.snapshot import passage_of
from search_core.errors import ArchitectureError, BudgetError, SupervisionError, TrainingError, not_written
from search_core.questions.taught_questions import LABELLED, TAUGHT, taught_by
from search_core.spaces.architecture import Architecture
from search_core.spaces.space import SearchSpace
from search_core.stages.briefing import archive_trials, open_policy
from search_core.stages.cross_fitting import compare_learned
from search_core.stages.encoder_base import best_base
from search_core.stages.encoder_data import EncoderGround, encoder_ground, trainable
from search_core.stages.encoder_mapping import (
    LANGUAGE_STEPS,
    STEPS,
    feedback_space,
    language_space,
    training_of,
    trains_fast,
)
from search_core.stages.encoder_pace import PROBED, Pace, steps_within
from search_core.stages.halving import Outcome, Rung, halve
from search_core.stages.plan_tier import Progress
from search_core.stages.plans import plans_anew
from search_core.stages.recording import Recorder, Stopwatch
from search_core.time_decisions import ENCODER_STEPS
from search_core.tuning.checkpoint import TRAININGS, Checkpoint
from search_core.tuning.contrastive import Trained, Training
from search_core.tuning.export import write_model
from search_core.tuning.interpolation import interpolate
from search_core.tuning.training_model import TrainingModel, TrainingOptions

LANGUAGE_RUNGS = (Rung(1, 0.075), Rung(1, 0.225), Rung(1, 1.0))  # 30, 90 and all steps
FEEDBACK_RUNGS = (Rung(4, 1 / 9), Rung(2, 1 / 3), Rung(1, 1.0))
SHARES = (0.25, 0.5, 0.75, 1.0)  # of the way to the trained weights
MIN_LABELS = 200  # questions in `fit` from which an encoder learns from them
TIMED = 32  # chunks by which the time to embed all of them is foretold
EMBEDDING = 1.25  # times what is foretold is kept for it
PLAN_ANEW = 0.05  # of the budget is kept for choosing the plan once more
DECISION = "encoder.train"
SERVING = "serving"  # beside the shares: what the encoder that serves is worth, where another one was begun from
STOPPED = "the run was stopped before a training was scored"
SHORT = "the time did not suffice for a training in the run that this one repeats"


@dataclass(slots=True)
class _Stage:
    """The stage while it runs; `trainings` by architecture, of those that may go on."""

    conditions: Conditions
    start: Candidate
    ground: EncoderGround
    recorder: Recorder
    offset: float
    steps: int
    until: float  # the share of the budget that trainings may last to
    before: Values  # what the encoder that serves is worth
    has_moved: bool  # whether another encoder than that is the one to begin from
    trainings: dict[str, Training]
    halted: tuple[str, Trained] | None = None  # of the training that a stop ended: what was scored of it last
    trouble: str = ""  # why the last training that failed did

    def is_stopped(self) -> bool:
        """Whether a training is to end after this step. Raises where the run is not wanted any more."""
        self.conditions.wanted()
        return self.conditions.clock.is_stopped


def encoder_stage(
    conditions: Conditions, start: Candidate, best: float, share: float, progress: Progress
) -> tuple[Candidate, StageReport]:
    """The candidate with the tuned encoder where it is better on `choose`, else the start."""
    watch, recorder = Stopwatch(), Recorder(conditions, "encoder", "", progress, best)
    with tempfile.TemporaryDirectory(prefix="kb-encoder-") as scratch:
        try:
            found, reason, policy = _searched(conditions, start, recorder, share, Path(scratch) / "start")
            candidate = None if found is None else _embedded(conditions, start, *found)
        except (TrainingError, SupervisionError, EncoderError, BudgetError) as error:  # what was found before stands
            candidate, reason, policy = None, str(error), {}
        except ArchitectureError as error:
            candidate, reason, policy = None, f"the search space does not fit it: {error}", {}
        except OSError as error:
            raise not_written("a model", error) from error
    exact = not (recorder.trials and trains_fast(conditions.request.device, conditions.request.fast))
    if candidate is None:
        return start, recorder.report(watch, reason=reason, policy=policy, deterministic=exact)
    steps = found[0].steps or None if found is not None else None
    swept, choice = plans_anew(conditions, candidate, share, progress)
    made = candidate
    values, before = compare_learned(
        conditions, start, choice, lambda fold, plan: made.under(plan).values(fold, conditions.spec.metric)
    )
    gain, kept = float(values.mean() - before.mean()), is_better(values, before, conditions.choosing)
    chance = "" if kept else f"{gain:+.4f} on {counted(len(before), 'question')} is no gain beyond chance"
    reason = "; ".join(one for one in (chance, reason) if one)
    report = recorder.report(
        watch, kept=kept, reason=reason, gain=gain, best=swept, policy=policy, deterministic=exact, steps=steps
    )
    return (replace(swept, crossed=values) if kept else start), report


def _searched(
    conditions: Conditions, start: Candidate, recorder: Recorder, share: float, scratch: Path
) -> tuple[tuple[_Stage, Architecture, Trained] | None, str, Mapping[str, Any]]:
    """The architecture and its training that went furthest; None with the reason why there is none."""
    if DECISION not in {decision.name for decision in conditions.space.decisions}:
        return None, "the search space has no decision about it", {}
    trainable(conditions.collection.encoder, conditions.data_dir)
    until = share - EMBEDDING * _seconds_to_embed(conditions) / conditions.clock.budget - PLAN_ANEW
    if conditions.clock.left(until) <= 0:
        return None, _unless_stopped(conditions, "the time does not suffice to embed the collection"), {}
    serving = encoder_ground(conditions, start, scratch / "serving")
    ground, before, ranking = best_base(conditions, serving, scratch)
    has_moved = ground is not serving
    space, rungs, whole = _way(conditions, ground)
    if space is None and not has_moved:
        return None, _nothing_calls(ground), {}
    stage = _Stage(conditions, start, ground, recorder, recorder.best, 0, until, before, has_moved, {})
    if space is None:
        return _untrained_base(stage), _nothing_calls(ground), {}
    recorder.policy, policy = open_policy(conditions, "encoder", space)
    stage.steps = whole
    try:
        stage.steps = _steps(stage, space, rungs, ranking)
    except BudgetError as error:
        if not has_moved:
            raise
        stage.steps = 0
        return _untrained_base(stage), str(error), policy.report()
    clock = conditions.clock
    done = halve(policy, rungs, lambda asked, rung: _trial(stage, asked, rung), clock, until, keeps_time=True)
    archive_trials(conditions, "encoder", policy, [outcome.trial for _, outcomes in done for outcome in outcomes])
    last = next((outcome for outcome in done[-1][1] if outcome.made is not None), None) if done else None
    if last is None or last.made is None:
        reason = _unless_stopped(conditions, stage.trouble or "the time did not suffice, or nothing could be trained")
        return (_untrained_base(stage) if has_moved else None), reason, policy.report()
    asked = last.trial.architecture
    if stage.halted is not None and stage.halted[0] == asked.digest:
        trained = stage.halted[1]
        return (stage, asked, trained), f"stopped after {len(trained.losses)} of {stage.steps} steps", policy.report()
    return (stage, asked, last.made.trained()), "", policy.report()


def _untrained_base(stage: _Stage) -> tuple[_Stage, Architecture, Trained]:
    """The encoder to begin from, as it is."""
    asked = feedback_space(stage.conditions.space).default()
    weights = TrainingModel(stage.ground.start, _options(stage, asked)).weights()
    return stage, asked, Trained(weights, (), 0.0)


def _unless_stopped(conditions: Conditions, reason: str) -> str:
    return STOPPED if conditions.clock.is_stopped else reason


def _nothing_calls(ground: EncoderGround) -> str:
    return (
        f"the encoder knows {1 - ground.unknown_share:.0%} of the words, and "
        f"{counted(len(ground.fit), 'judged question is', 'judged questions are')} "
        f"too few to learn from (expected {MIN_LABELS}); without labels, tuning did not pay where it was measured"
    )


def _way(conditions: Conditions, ground: EncoderGround) -> tuple[SearchSpace | None, tuple[Rung, ...], int]:
    """What the corpus calls for: a language to learn, judged questions to learn from, or nothing."""
    judged = conditions.supervision.judged and len(ground.fit) >= MIN_LABELS
    if ground.pieces:
        return language_space(conditions.space, judged=judged), LANGUAGE_RUNGS, LANGUAGE_STEPS
    if judged:
        return feedback_space(conditions.space), FEEDBACK_RUNGS, STEPS
    return None, (), 0


def _seconds_to_embed(conditions: Conditions) -> float:
    """How long all chunks take, foretold from some of them."""
    chunks = conditions.snapshot.chunks
    some = chunks[:: max(1, len(chunks) // TIMED)][:TIMED]
    watch = Stopwatch()
    conditions.encoder.encode_passages([passage_of(chunk) for chunk in some])
    return watch.seconds / len(some) * len(chunks)


def _steps(stage: _Stage, space: SearchSpace, rungs: tuple[Rung, ...], ranking: float) -> int:
    """Of the longest training, as many as the time allows. Raises `BudgetError` where these are too few.

    `ranking`: seconds that it takes to rank the pool once.
    """
    clock, reason = stage.conditions.clock, SHORT

    def measured() -> int | None:
        nonlocal reason
        pace = Pace(_seconds_a_step(stage, space), ranking)
        try:
            if clock.is_stopped:
                raise BudgetError(STOPPED)
            return steps_within(clock.left(stage.until), pace, rungs, len(SHARES), stage.steps)
        except BudgetError as error:
            reason = str(error)
            return None

    steps = stage.conditions.timed.number(ENCODER_STEPS, measured)
    if steps is None:
        raise BudgetError(reason)
    return steps


def _seconds_a_step(stage: _Stage, space: SearchSpace) -> float:
    """Measured by a training that is thrown away, of all weights: the slowest that the space has."""
    ground, seed = stage.ground, stage.conditions.request.seed
    asked = space.default()
    training = Training(ground.start, ground.examples(asked, stage.start, seed), _options(stage, asked), seed)
    training.run_to(1, math.inf)
    watch = Stopwatch()
    training.run_to(PROBED, math.inf, is_stopped=stage.is_stopped)
    return watch.seconds / (PROBED - 1)


def _trial(stage: _Stage, asked: Architecture, rung: Rung) -> Outcome[Training] | None:
    """None where the run is stopped before the training has its steps: it is not scored, and so is no trial."""
    watch, conditions = Stopwatch(), stage.conditions
    chosen = {name: value for name, value in asked.choices if name.startswith("encoder.")}
    architecture = conditions.space.complete(stage.start.architecture.as_dict() | chosen)
    plan, recorder = stage.start.plan, stage.recorder
    try:
        training = stage.trainings.get(asked.digest) or _begun(stage, asked)
        known = conditions.log.peek(architecture.digest, rung.fidelity)
        steps = round(stage.steps * rung.fidelity)
        if len(training.losses) > steps and (known is None or known["reward"] is None):
            training = _begun(stage, asked, afresh=True)  # its state is ahead of a log that was altered
        stage.trainings[asked.digest] = training
        if len(training.losses) > steps and known is not None:
            reward = float(known["reward"])  # a resumed run: what was trained since is kept, and cannot be scored then
        else:
            scored = training.trained()
            training.run_to(steps, conditions.clock.left(stage.until), is_stopped=stage.is_stopped)
            if conditions.clock.is_stopped and len(training.losses) < steps:
                stage.halted = (asked.digest, scored)
                return None
            reward = stage.offset + float((stage.ground.score(training.model) - stage.before).mean())
    except TrainingError as error:
        stage.trouble = str(error)
        stage.trainings.pop(asked.digest, None)
        return Outcome(recorder.add(architecture, plan, rung.fidelity, None, watch, asked), None)
    return Outcome(recorder.add(architecture, plan, rung.fidelity, reward, watch, asked), training)


def _begun(stage: _Stage, asked: Architecture, *, afresh: bool = False) -> Training:
    """A training from its first step, or from where a run that was killed left it."""
    ground, seed, options = stage.ground, stage.conditions.request.seed, _options(stage, asked)
    path = stage.conditions.folder / TRAININGS / f"{asked.digest}.safetensors"
    if afresh:
        path.unlink(missing_ok=True)
    checkpoint = Checkpoint(path, _trained_on(stage, asked, options))
    return Training(ground.start, ground.examples(asked, stage.start, seed), options, seed, checkpoint)


def _options(stage: _Stage, asked: Architecture) -> TrainingOptions:
    first_new = _rows(stage.ground.base) if stage.ground.pieces else None
    request = stage.conditions.request
    return training_of(asked, first_new, stage.steps, request.device, request.threads, fast=request.fast)


def _trained_on(stage: _Stage, asked: Architecture, options: TrainingOptions) -> str:
    """What a training's state belongs to: the same corpus, questions, weights to begin with, options and seed."""
    ground, conditions = stage.ground, stage.conditions
    labels = [[one.question, sorted(one.judgements.items())] for one in ground.fit]
    start = sha256_of(ground.start / "model.safetensors")
    about = [conditions.snapshot.digest, labels, start, asdict(options), asked.to_dict(), conditions.request.seed]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _rows(base: Path) -> int:
    """Rows of the embedding table."""
    from safetensors import safe_open

    with safe_open(base / "model.safetensors", "np") as file:
        name = next(key for key in file.keys() if key.endswith("word_embeddings.weight"))
        return int(file.get_slice(name).get_shape()[0])


def _embedded(
    conditions: Conditions, start: Candidate, stage: _Stage, asked: Architecture, trained: Trained
) -> Candidate:
    """The best share of the trained weights as a served encoder, and what both legs answer by it."""
    share, scores, weights = _best_share(stage, asked, trained)
    report = _report(stage, asked, trained, share, scores)
    target = _named(conditions, stage, weights, report)
    encoder = open_encoder(
        str(target), conditions.data_dir / "models", conditions.precision, conditions.request.threads
    )
    vectors = encoder.encode_passages([passage_of(chunk) for chunk in conditions.snapshot.chunks])
    base = conditions.legs.embedded_by(encoder, vectors)
    chosen = {name: value for name, value in asked.choices if name.startswith("encoder.")}
    trained_as = chosen | {"encoder.interpolation": share} if share else {DECISION: "none"}
    choices = start.architecture.as_dict() | trained_as | {"adapter": "none"}
    architecture = conditions.space.complete(choices)
    model = TunedModel(target, encoder, report)
    return Candidate(architecture, without_parts(start.plan), base, base, encoder, None, model)


def _best_share(stage: _Stage, asked: Architecture, trained: Trained) -> tuple[float, dict[str, float], dict[str, Any]]:
    """Of the shares that rank the pool best, the smallest; none of the way only where the base itself is new."""
    model = TrainingModel(stage.ground.start, _options(stage, asked))
    first = model.weights()
    scores: dict[float, float] = {}
    for share in (0.0,) * stage.has_moved + SHARES * bool(trained.losses):
        model.load(interpolate(first, trained.weights, share))
        scores[share] = round(float(stage.ground.score(model).mean()), 4)
    best = max(scores, key=lambda share: (scores[share], -share))
    serving = {SERVING if stage.has_moved else "0.0": round(float(stage.before.mean()), 4)}
    shown = serving | {str(share): value for share, value in scores.items()}
    return best, shown, interpolate(first, trained.weights, best)


def _named(conditions: Conditions, stage: _Stage, weights: Mapping[str, Any], report: Mapping[str, Any]) -> Path:
    """The model's folder among the artifacts, by what it holds."""
    folder = conditions.data_dir / ARTIFACTS / f"encoder-{_digest(weights)}"
    write_model(stage.ground.start, folder, weights, report)
    return folder


def _digest(weights: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + np.ascontiguousarray(weights[name].detach().numpy()).tobytes())
    return digest.hexdigest()[:16]


def _report(
    stage: _Stage, asked: Architecture, trained: Trained, share: float, scores: Mapping[str, float]
) -> dict[str, Any]:
    options, losses, ground = _options(stage, asked), trained.losses, stage.ground
    labelled = ground.fit if losses and asked["encoder.pairs"] in ("feedback", "mixed") else ()
    return {
        "base": ground.name,
        "base_weights_sha256": sha256_of(ground.base / "model.safetensors"),
        "texts": len(ground.texts),
        LABELLED: len(labelled),
        TAUGHT: taught_by(ground.base, (one.question for one in labelled)),
        "unknown_share": round(ground.unknown_share, 4),
        "new_pieces": len(ground.pieces),
        "steps": len(losses),
        "first_loss": round(losses[0], 4) if losses else None,
        "last_loss": round(losses[-1], 4) if losses else None,
        "share": share,
        "held_out_ndcg@10": dict(scores),
        "rate": options.rate,
        "batch": options.batch,
        "lora_rank": options.lora_rank,
        "hard_negatives": int(asked["encoder.negatives"] == "mined"),
        "deterministic": not options.fast,
        "threads": options.threads,
        "device": options.device,
        "seed": stage.conditions.request.seed,
        "cpu_seconds": round(trained.cpu_seconds, 1),
    }
