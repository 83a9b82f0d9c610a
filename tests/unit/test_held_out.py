"""What a tuning is chosen by is not trained on: neither a question of the same words, nor another about its text."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import pytest

pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')

from retrieval.catalog.eval_sets import words_of
from search_core.errors import SupervisionError
from search_core.tuning.contrastive import Example
from search_core.tuning.encoder import _examples
from search_core.tuning.examples import Labelled
from search_core.tuning.options import TuneOptions
from search_core.tuning.pairs import CorpusText

COUNT = 40
TEXTS = [
    CorpusText(f"Pump number {at}", f"It stands in hall {at} of the works. Its valve {at} opens to the left hand side.")
    for at in range(COUNT)
]
ROUNDS = 6


def drawn(
    texts: list[CorpusText], labelled: list[Labelled] | None, seed: int, documents: list[str] | None = None
) -> tuple[list[Labelled], list[Example]]:
    """Held-out questions, and what some rounds of training see."""
    held, stream = _examples(texts, labelled, Path("unused"), TuneOptions(), seed, documents or ())
    return held, list(islice(stream, ROUNDS * len(texts)))


@pytest.mark.parametrize("seed", range(3))
def test_texts_that_held_out_questions_are_made_of_teach_nothing(seed: int) -> None:
    held, trained = drawn(TEXTS, None, seed)
    assert len(held) == COUNT // 5
    assert not {words_of(one.question) for one in held} & {words_of(one.question) for one in trained}
    for row in {row for one in held for row in one.relevant}:
        own = re.compile(rf"(number|hall|valve) {row}\b")
        assert not [one for one in trained if own.search(f"{one.question} {one.passage}")]
    assert len({one.passage for one in trained}) > COUNT // 2


def test_parts_of_one_document_stay_together_and_texts_that_overlap() -> None:
    documents = [f"d{at // 4}" for at in range(COUNT)]
    held, trained = drawn(TEXTS, None, 0, documents)
    rows = {row for one in held for row in one.relevant}
    assert rows and {f"d{row // 4}" for row in rows} == {f"d{min(rows) // 4}", f"d{max(rows) // 4}"}
    known = [TEXTS[row].body for row in range(COUNT) if f"d{row // 4}" in {f"d{held // 4}" for held in rows}]
    assert not [one for one in trained if any(one.passage in body for body in known)]
    alike = [CorpusText("", TEXTS[at // 2].body) for at in range(COUNT)]
    held, trained = drawn(alike, None, 0)
    bodies = {alike[row].body for one in held for row in one.relevant}
    assert bodies and not [one for one in trained if any(one.passage in body for body in bodies)]


@pytest.mark.parametrize("seed", range(3))
def test_copies_of_a_held_out_question_and_others_about_its_document_are_not_trained_on(seed: int) -> None:
    labelled = [Labelled(text.title, {at: 1}) for at, text in enumerate(TEXTS)]
    labelled += [Labelled(f"  {text.title.upper()}", {at: 1}) for at, text in enumerate(TEXTS)]
    labelled += [Labelled(f"Where is the valve {at}?", {at: 1}) for at in range(COUNT)]
    held, trained = drawn(TEXTS, labelled, seed)
    assert len(held) == COUNT * 3 // 5 // 3 * 3
    assert not {words_of(one.question) for one in held} & {words_of(one.question) for one in trained}
    assert not {row for one in held for row in one.relevant} & {one.group for one in trained}


def test_documents_that_chain_all_questions_leave_those_of_other_words() -> None:
    labelled = [Labelled(f"question {at // 2}", {0: 1, at: 1}) for at in range(COUNT)]
    held, trained = drawn(TEXTS, labelled, 0)
    assert len(held) == COUNT // 5
    assert not {one.question for one in held} & {one.question for one in trained}


def test_texts_that_all_ask_the_same_are_refused() -> None:
    """They hold no sentence to ask by, so only titles ask, and another question would be sought for ever."""
    titled = [CorpusText("How is it done?", f"{at}. " * 8) for at in range(10, 40)]
    with pytest.raises(SupervisionError, match="all texts ask the same"):
        drawn(titled, None, 0)
    same = [CorpusText("How is it done?", "It is done so, as is said here.") for _ in range(4)]
    with pytest.raises(SupervisionError):
        drawn(same, None, 0)
