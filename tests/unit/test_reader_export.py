"""A reader becomes a folder only when it is whole, calibrated and checked; what its card says was not fitted to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reader_questions import write_squad
from tiny_reader import make_model, make_tokenizer

from retrieval.answer.reader import Reading
from retrieval.answer.reader_folder import Calibration, read_folder
from retrieval.answer.reader_input import Layout
from retrieval.errors import ReaderError
from search_core.errors import SupervisionError
from search_core.reader import export, recipe
from search_core.reader.data import Question, read_squad
from search_core.reader.evaluation import Answered, calibrate, crossed, scores_of


def answered(questions: list[Question]) -> list[Answered]:
    """Of answered questions every other one is right, at mostly higher margins."""
    drawn = np.random.default_rng(0)
    found = []
    for at, one in enumerate(questions):
        right = float(bool(one.answers) and at % 2 == 0)
        margin = float(drawn.normal(2 * right, 1.0))
        found.append(Answered(one, Reading(0, 1, 0.5, True, margin), right, right))
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A reader that was installed without questions, from the model beside it."""
    make_model(tmp_path / "model", family="roberta", layers=1)
    scores, note = recipe.adopt_reader(tmp_path / "model", tmp_path / "readers" / "good", [], "fp32")
    assert scores is None and "not calibrated" in note
    return tmp_path / "readers" / "good"


def test_too_few_questions_leave_the_reader_that_is_there(installed: Path) -> None:
    before = (installed / "manifest.json").read_bytes()
    questions = read_squad(write_squad(installed.parents[1] / "q.json", articles=1, each=2))
    with pytest.raises(SupervisionError, match="cannot be calibrated on 6 questions"):
        recipe.adopt_reader(installed.parents[1] / "model", installed, questions, "int8")
    assert (installed / "manifest.json").read_bytes() == before


def test_a_reader_is_calibrated_on_all_questions_before_it_takes_its_place(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = read_squad(write_squad(installed.parents[1] / "q.json", articles=4, each=8))
    before = (installed / "manifest.json").read_bytes()

    def read(reader: Any, held: list[Question]) -> tuple[list[Answered], float]:
        assert sorted(one.key for one in held) == sorted(one.key for one in questions)
        assert (installed / "manifest.json").read_bytes() == before
        return answered(held), 1.0

    monkeypatch.setattr(recipe, "read_all", read)
    scores, note = recipe.adopt_reader(installed.parents[1] / "model", installed, questions, "fp32")
    assert scores is not None and scores.questions == 96 and not note
    manifest = read_folder(installed)
    assert manifest.calibration != Calibration()
    assert manifest.origin["held_out_crossed"] is True
    assert "other half of the articles" in (installed / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in installed.parent.iterdir()] == ["good"]

    def broken(reader: Any, held: list[Question]) -> tuple[list[Answered], float]:
        raise ReaderError("broken")

    monkeypatch.setattr(recipe, "read_all", broken)
    with pytest.raises(ReaderError, match="broken"):
        recipe.adopt_reader(installed.parents[1] / "model", installed, questions, "fp32")
    assert read_folder(installed) == manifest
    assert [path.name for path in installed.parent.iterdir()] == ["good"]


def test_figures_of_one_article_are_told_to_be_too_good(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = read_squad(write_squad(installed.parents[1] / "q.json", articles=1, each=10))
    monkeypatch.setattr(recipe, "read_all", lambda reader, held: (answered(held), 1.0))
    recipe.adopt_reader(installed.parents[1] / "model", installed, questions, "fp32")
    assert read_folder(installed).origin["held_out_crossed"] is False
    assert "look better here" in (installed / "README.md").read_text(encoding="utf-8")


def test_crossed_figures_are_those_of_new_questions(tmp_path: Path) -> None:
    """Of margins that say nothing, a threshold set on the same questions always finds something to like."""
    questions = read_squad(write_squad(tmp_path / "q.json", articles=16, each=1))
    gains, honest = [], []
    for seed in range(40):
        drawn = np.random.default_rng(seed)
        found = [
            Answered(one, Reading(0, 1, 0.5, True, float(drawn.normal())), right, right)
            for one in questions
            for right in [float(bool(one.answers) and drawn.random() < 0.5)]
        ]
        same = scores_of([one.calibrated(calibrate(found)) for one in found]).whole_f1
        best = max(100 * np.mean([not one.question.answers for one in found]), 100 * np.mean([one.f1 for one in found]))
        gains.append(same - best)
        honest.append(scores_of(crossed(found)).whole_f1 - best)
    assert np.mean(gains) > 3
    assert np.mean(honest) < 0


def test_a_graph_whose_scores_are_no_numbers_is_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tokenizer(tmp_path / "tokenizer.json")

    class Session:
        def __init__(self, file: Path) -> None:
            self.is_broken = file.stem == "int8"

        def run(self, _: None, fed: dict[str, Any]) -> list[Any]:
            scores = np.random.default_rng(0).normal(size=(*fed["input_ids"].shape, 2))
            return [scores * np.nan if self.is_broken else scores]

    monkeypatch.setattr(export, "open_session", Session)
    assert not export._agreement(tmp_path, tmp_path, Layout((2,), (3,), (3,))) >= export.MIN_AGREEMENT
    monkeypatch.setattr(export, "load_bert", lambda source: None)
    monkeypatch.setattr(export, "load_span_head", lambda source: None)
    monkeypatch.setattr(export, "build_span_reader", lambda *_, **__: None)
    monkeypatch.setattr("onnx.save", lambda *_: None)
    precision, agreement = export._graphs(tmp_path, tmp_path, Layout((2,), (3,), (3,)), "int8")
    assert (precision, json.dumps(agreement)) == ("fp32", "null")
