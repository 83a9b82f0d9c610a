"""What answers a question too is no negative for it, whichever row of the batch brought it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ingest.chunking import StructureChunker
from retrieval.types import Document
from search_core.candidate import Candidate
from search_core.spaces.architecture import Architecture
from search_core.stages.encoder_data import EncoderGround
from search_core.tuning.contrastive import Example, batch_loss
from search_core.tuning.examples import Labelled, labelled_examples, own_examples
from search_core.tuning.pairs import CorpusText
from search_core.tuning.training_model import TrainingModel

BODY = "A pump moves water!\nA valve stops it!\nBoth of them are checked once a year by two people!"


def texts(count: int) -> list[CorpusText]:
    return [CorpusText(f"Title {at}", f"{BODY} This is part {at}.") for at in range(count)]


class TestAnswers:
    @pytest.mark.parametrize("pairs", ["feedback", "mixed"])
    def test_the_tier_tells_whose_text_each_row_is(self, pairs: str) -> None:
        corpus, documents = tuple(texts(4)), ("a", "a", "b", "c")
        fit = (Labelled("which?", {1: 1}),)
        ground = EncoderGround(Path(), Path(), (), 0.0, corpus, fit, (), (), documents)
        choices = cast(Architecture, {"encoder.pairs": pairs, "encoder.negatives": "in-batch"})
        drawn = islice(ground.examples(choices, cast(Candidate, None), 0), 20)
        assert {one.answers for one in drawn if one.question == "which?"} == {frozenset({0, 1})}

    def test_all_parts_of_a_relevant_document_answer_a_judged_question(self) -> None:
        documents = ["a", "a", "b", "c", "b"]
        labelled = [Labelled("which?", {1: 1, 4: 2, 3: 0})]
        [drawn] = islice(labelled_examples(texts(5), labelled, 0, documents=documents), 1)
        assert drawn.answers == {0, 1, 2, 4}

    def test_a_copy_of_a_relevant_text_answers_it(self) -> None:
        copied = texts(3) + texts(1)
        [drawn] = islice(labelled_examples(copied, [Labelled("which?", {0: 1})], 0), 1)
        assert drawn.answers == {0, 3}

    def test_a_title_is_answered_by_all_that_have_it_and_a_sentence_by_its_copies(self) -> None:
        corpus = [CorpusText("Handbook", f"{BODY} Part {at}.") for at in (0, 1, 1)]
        drawn = list(islice(own_examples(corpus, 0), 60))
        titles = [one for one in drawn if one.question == "Handbook"]
        parts = [one for one in drawn if one.question != "Handbook"]
        assert titles and all(one.answers == {0, 1, 2} for one in titles)
        assert parts and all(one.answers == ({0} if one.group == 0 else {1, 2}) for one in parts)

    def test_a_sentence_is_answered_by_the_chunk_beside_that_repeats_it(self) -> None:
        """Cut by the chunker itself, so that what chunks share is what an overlap gives them."""
        text = " ".join(f"Pump number {at} lifts {7 * at} litres of water each minute." for at in range(60))
        chunks = StructureChunker(max_tokens=120, small_tokens=20, overlap_tokens=40).chunk(Document("d", text))
        corpus = [CorpusText("", one.text) for one in chunks]
        assert len(corpus) > 4
        for one in islice(own_examples(corpus, 0), 200):
            assert {row for row, other in enumerate(corpus) if one.question in other.body} <= one.answers
            assert one.answers <= {one.group - 1, one.group, one.group + 1}

    def test_neighbours_without_an_overlap_stay_negatives(self) -> None:
        text = " ".join(f"Pump number {at} lifts {7 * at} litres of water each minute." for at in range(60))
        corpus = [CorpusText("", one.text) for one in StructureChunker(120, 20).chunk(Document("d", text))]
        assert all(one.answers == {one.group} for one in islice(own_examples(corpus, 0), 60))


OWN = Example("which?", "p", 0, frozenset({0, 5}))  # passage 5 is of the same document


@pytest.mark.parametrize(
    ("other", "is_false"),
    [
        (Example("another?", "q", 5), True),
        (Example("Which?", "q", 7), True),  # the same question, asked again
        (Example("another?", "q", 7), False),
    ],
)
def test_a_false_negative_changes_neither_the_loss_nor_a_vector(other: Example, is_false: bool) -> None:
    """However near the neighbour's passage lies to the first question."""
    losses, pulls = zip(*(loss_and_pull([OWN, other], near) for near in (0.0, 0.9)), strict=True)
    assert (losses[0] == losses[1]) is is_false
    assert (pulls == (0.0, 0.0)) is is_false


def loss_and_pull(batch: Sequence[Example], near: float) -> tuple[float, float]:
    """The loss where the second passage lies so near to the first question, and its slope in that direction."""
    torch = pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')
    passages = torch.tensor([[1.0, 0.0], [near, 1.0]], requires_grad=True)
    vectors = iter((torch.eye(2), passages))

    def embed(texts: Sequence[str]) -> Any:
        return next(vectors)

    model = SimpleNamespace(options=SimpleNamespace(scale=20.0), embed_questions=embed, embed_passages=embed)
    loss = batch_loss(cast(TrainingModel, model), batch)
    loss.backward()
    return float(loss.item()), float(passages.grad[1, 0].item())
