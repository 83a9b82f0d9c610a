"""Which encoder a training begins from: the one that serves, or another one that was named and ranks better."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from retrieval.encoder.pretrained import pretrained_folder
from search_core.candidate import is_better
from search_core.conditions import Conditions
from search_core.corpus.legs import Values
from search_core.errors import TrainingError
from search_core.stages.encoder_data import EncoderGround, prepared_anew
from search_core.stages.encoder_mapping import feedback_space, training_of
from search_core.stages.recording import Stopwatch
from search_core.tuning.training_model import TrainingModel


def best_base(conditions: Conditions, serving: EncoderGround, scratch: Path) -> tuple[EncoderGround, Values, float]:
    """The best ground, what the encoder that serves is worth on it, and the seconds that ranking the pool once takes.

    Another encoder must be better beyond chance: to let it serve, everything is embedded anew. Raises `EncoderError`
    where one cannot be fetched, `TrainingError` where its weights are damaged.
    """
    watch = Stopwatch()
    before = best = serving.score(_untrained(conditions, serving))
    ground, ranking = serving, watch.seconds
    for name in conditions.request.other_encoders:
        if name == serving.name:
            continue
        conditions.wanted()
        other = replace(serving, name=name, base=pretrained_folder(name))
        watch = Stopwatch()
        scores = _scores(conditions, other)
        if is_better(scores, best, serving.questions):
            ground, best, ranking = other, scores, watch.seconds
    if ground is not serving:
        ground = prepared_anew(ground, conditions, scratch / ground.name)
    return ground, before, ranking


def _scores(conditions: Conditions, ground: EncoderGround) -> Values:
    try:
        return ground.score(_untrained(conditions, ground))
    except TrainingError as error:
        raise TrainingError(
            f"encoder {ground.name} cannot be used: {error}; remove {ground.base}, and it is fetched anew"
        ) from error


def _untrained(conditions: Conditions, ground: EncoderGround) -> TrainingModel:
    request, asked = conditions.request, feedback_space(conditions.space).default()
    return TrainingModel(ground.base, training_of(asked, None, 0, request.device, request.threads, fast=request.fast))
