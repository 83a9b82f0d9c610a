"""What a corpus calls for on the encoder tier, and what a device changes about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from retrieval.errors import InvalidInputError
from retrieval.types import Vectors
from search_core.spaces.space_file import open_space
from search_core.stages import encoder_mapping
from search_core.stages.encoder_data import EncoderGround
from search_core.stages.encoder_mapping import BATCH, FAST_LANGUAGE_BATCH, feedback_space, language_space, training_of
from search_core.trainer import AutoModelTrainer
from search_core.tuning.devices import check_device
from search_core.tuning.examples import Labelled
from search_core.tuning.negatives import mine_negatives
from search_core.tuning.pairs import CorpusText
from search_core.tuning.training_model import TrainingModel


@pytest.mark.parametrize(("judged", "pairs"), [(True, "mixed"), (False, "crops")])
def test_a_language_is_learned_from_judged_questions_too_where_there_are_some(judged: bool, pairs: str) -> None:
    space = language_space(open_space("gnn-lm-v1"), judged=judged)
    assert space.default()["encoder.pairs"] == pairs
    assert space.default()["encoder.vocabulary"] == "extend"


def test_a_processor_trains_exactly_and_a_gpu_in_larger_batches() -> None:
    language = language_space(open_space("gnn-lm-v1"), judged=False).default()
    exact, fast = training_of(language, 7, 10), training_of(language, 7, 10, "cuda")
    assert (exact.device, exact.fast, exact.batch) == ("cpu", False, BATCH)
    assert (fast.device, fast.fast, fast.batch) == ("cuda", True, FAST_LANGUAGE_BATCH)
    known = training_of(feedback_space(open_space("gnn-lm-v1")).default(), None, 10, "cuda")
    assert known.batch == BATCH


@pytest.mark.parametrize("gains", [True, False])
def test_a_processor_trains_in_bf16_where_that_is_asked_and_pays(gains: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_mapping, "is_bf16_faster", lambda device: gains)
    language = language_space(open_space("gnn-lm-v1"), judged=False).default()
    assert not training_of(language, 7, 10).fast
    asked = training_of(language, 7, 10, fast=True)
    assert (asked.fast, asked.batch) == ((True, FAST_LANGUAGE_BATCH) if gains else (False, BATCH))


@pytest.mark.parametrize("name", ["meta", "no such device"])
def test_a_device_that_is_not_here_is_told_before_anything_begins(name: str) -> None:
    pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')
    check_device("cpu")
    with pytest.raises(InvalidInputError, match=f"device '{name}' cannot be used: .*; expected 'cpu', or a GPU"):
        AutoModelTrainer(device=name)


@pytest.mark.parametrize(("near", "value"), [((0.9, 0.1, 0.5), 1.0), ((0.3, 0.1, 0.5), 1 / np.log2(3))])
def test_a_trial_is_scored_by_documents_not_by_their_passages(near: tuple[float, ...], value: float) -> None:
    asked = Labelled("which?", {0: 1, 1: 1})  # both passages of document a are right, the first of them answers
    texts = tuple(CorpusText("", name) for name in "abc")
    ground = EncoderGround(Path(), Path(), (), 0.0, texts, (), (asked,), (0, 1, 2), ("a", "a", "b"))
    vectors = dict(zip("abc", near, strict=True)) | {"which?": 1.0}

    def encode(texts: Sequence[str]) -> Vectors:
        return np.array([[vectors[one]] for one in texts], np.float32)

    model = SimpleNamespace(encode_questions=encode, encode_passages=encode)
    assert ground.score(cast(TrainingModel, model)) == pytest.approx([value])


def test_no_passage_of_a_judged_document_is_a_hard_negative() -> None:
    near = np.linspace(0.9, 0.3, 80)  # how near each passage lies to the question
    passages = np.stack([near, np.sqrt(1 - near**2)], axis=1).astype(np.float32)
    documents = [f"d{row // 4}" for row in range(80)]  # of four passages each; of d0, d5 and d6 one is judged
    question = np.array([[1.0, 0.0]], np.float32)
    (mined,) = mine_negatives(question, passages, [{0: 1, 21: 1, 26: 0}], documents=documents)
    assert mined
    assert not {documents[row] for row in mined} & {"d0", "d5", "d6"}
    (alone,) = mine_negatives(question, passages, [{0: 1, 21: 1, 26: 0}])
    assert {20, 22, 23, 24} <= set(alone)
