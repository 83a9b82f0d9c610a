"""Tuning an encoder: new pieces, pairs from the corpus, training, interpolation, and a folder that serves."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.encoder import open_encoder
from retrieval.encoder.model_folder import DEFAULT_MODEL, locate
from retrieval.encoder.tokens import TextTokenizer
from search_core.errors import CorpusError, SupervisionError, TrainingError
from search_core.tuning import negatives, training_model
from search_core.tuning.checkpoint import Checkpoint
from search_core.tuning.contrastive import Example, Training, also_right, train
from search_core.tuning.examples import Labelled, labelled_examples, mixed_examples, own_examples
from search_core.tuning.export import MANIFEST_FILE, write_model
from search_core.tuning.interpolation import interpolate
from search_core.tuning.negatives import mine_negatives
from search_core.tuning.pairs import CorpusText, own_pairs
from search_core.tuning.training_model import TrainingModel, TrainingOptions
from search_core.tuning.vocabulary import extend, survey

THINGS = ("火车票", "飞机票", "保险单", "身份证", "驾驶证", "结婚证", "毕业证", "护照本")
TEXTS = [
    CorpusText(
        f"{thing}丢失怎么办", f"{thing}丢失之后，请尽快联系发证机关挂失。携带户口簿办理{thing}补领手续，费用{at}元。"
    )
    for at, thing in enumerate(THINGS)
]
REPORT = {
    "base_weights_sha256": "",
    "texts": len(TEXTS),
    "labelled_questions": 0,
    "unknown_share": 0.5,
    "steps": 2,
    "first_loss": 2.0,
    "last_loss": 1.0,
    "share": 1.0,
    "held_out_ndcg@10": {"0.0": 0.1, "1.0": 0.2},
    "rate": 1e-4,
    "batch": 4,
    "lora_rank": 0,
    "seed": 0,
    "cpu_seconds": 1.0,
}
SHORT = TrainingOptions(steps=2, batch=4, question_tokens=16, passage_tokens=32, warm_up=1)


@pytest.fixture(scope="module")
def base() -> Path:
    return locate(DEFAULT_MODEL)


@pytest.fixture(scope="module")
def tuned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that knows the letters of the texts, after two steps."""
    return tune(base, tmp_path_factory.mktemp("tuned"))


def tune(base: Path, folder: Path) -> Path:
    pieces = survey(base, [text.whole for text in TEXTS]).missing
    extend(base, folder / "start", pieces, 0)
    trained = train(folder / "start", own_examples(TEXTS, 0), SHORT, 60, 0)
    write_model(folder / "start", folder / "model", trained.weights, {**REPORT, "new_pieces": len(pieces)})
    return folder / "model"


class TestVocabulary:
    def test_what_is_missing_is_found_and_then_known(self, base: Path, tmp_path: Path) -> None:
        texts = [text.whole for text in TEXTS]
        before = survey(base, texts)
        assert before.unknown_share > 0.3
        extend(base, tmp_path / "more", before.missing, seed=0)
        after = survey(tmp_path / "more", texts, least_documents=2)
        assert after.missing == ()
        assert after.unknown_share < before.unknown_share / 2

    def test_letters_inside_words_get_continuations(self, base: Path, tmp_path: Path) -> None:
        texts = ["ꙮꙮ abc", "ꙮꙮ def"]
        assert set(survey(base, texts).missing) == {"ꙮ", "##ꙮ"}
        extend(base, tmp_path / "more", ("ꙮ", "##ꙮ"), seed=0)
        assert survey(tmp_path / "more", texts).unknown_share == 0.0

    def test_known_text_keeps_its_tokens(self, base: Path, tmp_path: Path) -> None:
        extend(base, tmp_path / "more", survey(base, [text.whole for text in TEXTS]).missing, seed=0)
        text = ["How do I replace a lost passport, unaffable as I am?"]
        old, new = (TextTokenizer(folder / "tokenizer.json", 64).encode(text) for folder in (base, tmp_path / "more"))
        assert old == new

    def test_english_needs_nothing(self, base: Path) -> None:
        found = survey(base, ["The passport office is open.", "Bring a photograph."])
        assert (found.unknown_share, found.missing) == (0.0, ())

    def test_no_texts_are_refused(self, base: Path) -> None:
        with pytest.raises(CorpusError, match="no texts"):
            survey(base, [])


class TestPairs:
    def test_every_text_is_asked_about_and_most_crops_are_taken_out(self) -> None:
        pairs = list(islice(own_pairs(TEXTS, seed=0), 80))
        assert {pair.group for pair in pairs} == set(range(len(TEXTS)))
        assert [pair.question for pair in pairs] == [pair.question for pair in islice(own_pairs(TEXTS, seed=0), 80)]

    def test_texts_too_short_to_ask_about_are_refused(self) -> None:
        with pytest.raises(SupervisionError, match="of 1 text none"):
            next(own_pairs([CorpusText("", "x")], seed=0))


class TestExamples:
    def test_what_answers_a_neighbour_is_no_negative(self) -> None:
        batch = [Example("q", "p", 0, frozenset({0, 1}), ("n",), (5,)), Example("r", "s", 1)]
        assert also_right(batch, [0, 1, 5]).tolist() == [[False, True, False], [False, False, False]]

    def test_mined_negatives_are_never_judged_and_never_nearly_as_high(self) -> None:
        generator = np.random.default_rng(0)
        passages = generator.normal(size=(100, 8)).astype(np.float32)
        passages /= np.linalg.norm(passages, axis=1, keepdims=True)
        (mined,) = mine_negatives(passages[:1], passages, [{0: 1, 7: 1}])
        assert mined
        assert not {0, 7} & set(mined)
        assert max(passages[list(mined)] @ passages[0]) <= 0.95

    def test_each_question_comes_with_its_own_passages(self) -> None:
        labelled = [Labelled("one", {0: 2, 1: 1, 2: 0}), Labelled("none", {3: 0})]
        drawn = list(islice(labelled_examples(TEXTS, labelled, seed=0), 30))
        assert {one.group for one in drawn} == {0, 1}

    def test_mixed_pairs_are_those_of_the_corpus_and_of_the_questions(self) -> None:
        labelled = [Labelled("judged question", {0: 1})]
        drawn = list(islice(mixed_examples(TEXTS, labelled, seed=0), 200))
        judged = [one for one in drawn if one.question == "judged question"]
        assert 70 < len(judged) < 130
        assert {one.group for one in drawn} > {0}
        assert drawn[:20] == list(islice(mixed_examples(TEXTS, labelled, seed=0), 20))

    def test_parts_of_a_judged_document_are_told_apart_from_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither in a batch nor as mined negatives."""
        monkeypatch.setattr(negatives, "FIRST_RANK", 0)  # of so few texts
        monkeypatch.setattr(negatives, "NEARLY_AS_HIGH", 2.0)
        documents = ["one"] * 4 + ["other"] * 4
        labelled = [Labelled(text.title, {at ^ 1: 1}) for at, text in enumerate(TEXTS)]  # the part beside the nearest
        vectors = np.eye(len(TEXTS), dtype=np.float32)
        mined = mine_negatives(vectors, vectors, [one.judgements for one in labelled], documents=documents)
        for one in islice(labelled_examples(TEXTS, labelled, 0, mined, 1, documents), 12):
            mates = frozenset(range(4)) if one.group < 4 else frozenset(range(4, 8))
            assert one.answers == mates and one.negative_groups and not mates & {*one.negative_groups}

    def test_nothing_relevant_is_refused(self) -> None:
        with pytest.raises(SupervisionError, match="of 1 question none"):
            next(labelled_examples(TEXTS, [Labelled("none", {3: 0})], seed=0))


class TestTuning:
    def test_the_folder_serves_and_knows_the_language(self, tuned: Path, base: Path, tmp_path: Path) -> None:
        new, old = (open_encoder(str(folder), tmp_path / "models", threads=1) for folder in (tuned, base))
        question = "丢失怎么办"
        assert new.coverage(question) == 1.0
        assert new.coverage(question) > old.coverage(question)
        vectors = new.encode_passages([text.whole for text in TEXTS])
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-3)
        assert new.fingerprint != old.fingerprint

    def test_it_says_how_it_came_to_be(self, tuned: Path) -> None:
        pieces = json.loads((tuned / MANIFEST_FILE).read_text(encoding="utf-8"))["new_pieces"]
        assert pieces > 10
        assert f"| {pieces} |" in (tuned / "README.md").read_text(encoding="utf-8")

    def test_the_same_seed_gives_the_same_folder(self, tuned: Path, base: Path, tmp_path: Path) -> None:
        one, two = (folder / MANIFEST_FILE for folder in (tuned, tune(base, tmp_path)))
        assert one.read_text(encoding="utf-8") == two.read_text(encoding="utf-8")

    def test_lora_moves_the_attention_only_and_is_merged(self, base: Path) -> None:
        labelled = [Labelled(text.title, {at: 1}) for at, text in enumerate(TEXTS)]
        options = replace(SHORT, lora_rank=4, rate=1e-2)
        trained = train(base, labelled_examples(TEXTS, labelled, 0), options, 60, 0)
        plain = train(base, labelled_examples(TEXTS, labelled, 0), replace(SHORT, steps=0), 60, 0)
        assert set(trained.weights) == set(plain.weights)
        moved = {name for name in plain.weights if not (plain.weights[name] == trained.weights[name]).all()}
        assert moved
        assert all(".query.weight" in name or ".value.weight" in name for name in moved)

    @pytest.mark.parametrize("more", [{}, {"lora_rank": 4}, {"dropout": False}])
    def test_a_training_goes_on_from_its_state_as_if_nothing_had_been(
        self, base: Path, tmp_path: Path, more: dict[str, Any]
    ) -> None:
        options = replace(SHORT, steps=3, **more)
        made = [Training(base, own_examples(TEXTS, 0), options, 0, Checkpoint(tmp_path / "state", "key", every=1))]
        made[0].run_to(2, 60)
        made.append(Training(base, own_examples(TEXTS, 0), options, 0, Checkpoint(tmp_path / "state", "key")))
        assert made[1].losses == made[0].losses
        made[0].trained()  # to look is no step
        for training in made:
            training.run_to(3, 60)
        one, two = (training.trained().weights for training in made)
        assert made[0].losses == made[1].losses
        assert all((one[name] == two[name]).all() for name in one)
        assert Checkpoint(tmp_path / "state", "another corpus").load() is None
        (tmp_path / "state").write_bytes(b"half of a file")
        assert Checkpoint(tmp_path / "state", "key").load() is None

    def test_a_training_that_is_stopped_ends_at_the_next_step(self, base: Path) -> None:
        training = Training(base, own_examples(TEXTS, 0), replace(SHORT, steps=6), 0)
        training.run_to(6, 600, is_stopped=lambda: len(training.losses) == 2)
        assert len(training.losses) == 2

    def test_without_dropout_the_same_texts_have_the_same_vectors_in_training(self, base: Path) -> None:
        for dropout in (True, False):
            model = TrainingModel(base, replace(SHORT, dropout=dropout))
            model.start()
            one, two = (model.embed(["a passport"], 8) for _ in range(2))
            assert one.requires_grad
            assert bool((one == two).all()) is not dropout

    def test_in_bf16_it_learns_and_ranks_nearly_as_in_fp32(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(training_model, "is_bf16_faster", lambda device: True)  # whatever this machine is
        exactly = replace(SHORT, dropout=False)  # which would be drawn in another order
        fast = replace(exactly, fast=True)
        texts = [text.whole for text in TEXTS]
        exact, rounded = (TrainingModel(base, options).encode_passages(texts) for options in (exactly, fast))
        assert not np.array_equal(exact, rounded)
        assert (exact * rounded).sum(axis=1).min() > 0.99
        losses = [train(base, own_examples(TEXTS, 0), options, 60, 0).losses for options in (exactly, fast)]
        assert losses[0] != losses[1] and np.allclose(losses[0], losses[1], rtol=0.05)

    def test_a_rate_that_explodes_is_named(self, base: Path) -> None:
        examples = labelled_examples(TEXTS, [Labelled(text.title, {at: 1}) for at, text in enumerate(TEXTS)], 0)
        with pytest.raises(TrainingError, match="loss is nan"):
            train(base, examples, replace(SHORT, rate=float("inf"), steps=4), 60, 0)
        with pytest.raises(TrainingError, match="PyTorch cannot train: .*overflow; lower the learning rate"):
            train(base, examples, replace(SHORT, rate=1e300, steps=4), 60, 0)

    def test_halfway_is_halfway_and_new_rows_stay(self) -> None:
        import torch

        base, tuned = {"w": torch.zeros(2, 3)}, {"w": torch.ones(3, 3)}
        assert interpolate(base, tuned, 0.5)["w"].tolist() == [[0.5] * 3, [0.5] * 3, [1.0] * 3]
        assert (interpolate(base, base, 0.3)["w"] == base["w"]).all()
        with pytest.raises(TrainingError, match="tensor w"):
            interpolate({"w": torch.zeros(2, 2)}, tuned, 0.5)
