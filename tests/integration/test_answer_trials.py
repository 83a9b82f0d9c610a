"""The log of answer models: each round of a model is a trial, with its share of the questions and its own time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import served
from birds_world import ANSWERS, QUERIES, fill

from retrieval.answer.extractive import ExtractiveGenerator
from retrieval.answer.types import AnswerEvent, Ask
from search_core.request import Request
from search_core.trainer import AutoModelTrainer

ANSWER_SECONDS = 0.05


def test_a_round_has_the_share_that_was_asked_and_its_own_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = ExtractiveGenerator.stream

    def slow(self: ExtractiveGenerator, ask: Ask) -> Iterator[AnswerEvent]:
        time.sleep(ANSWER_SECONDS)
        yield from stream(self, ask)

    monkeypatch.setattr(ExtractiveGenerator, "stream", slow)
    with served.in_process(tmp_path) as api:
        fill(api)
        request = Request("answer", collection="birds", budget="4m", queries=QUERIES, answers=ANSWERS)
        about: dict[str, Any] = {"settings": api.settings, "catalog": api.kb.catalog, "encoder_of": api.kb.open_encoder}
        result = AutoModelTrainer.of(request, **about).run()
        first, last = api.kb.catalog.experiments.trials(result.experiment)
    questions = result.supervision["split"]["choose"]
    assert (first["fidelity"], last["fidelity"]) == (8 / questions, 1.0)
    assert (first["whole"], last["whole"]) == (None, last["reward"])
    assert first["seconds"] >= 8 * ANSWER_SECONDS
    assert (questions - 8) * ANSWER_SECONDS <= last["seconds"]
    assert first["seconds"] + last["seconds"] <= result.seconds - len(QUERIES) // 2 * ANSWER_SECONDS
