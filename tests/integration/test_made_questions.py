"""Questions made from the corpus: what is asked stands nowhere in its document any more, not even in the graph."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from api.knowledge_base import KnowledgeBase
from infra.settings import load_settings
from retrieval.catalog.eval_sets import words_of
from retrieval.types import Document, IndexedChunk
from search_core.corpus.snapshot import key_of, passage_of, read_snapshot
from search_core.errors import SupervisionError
from search_core.questions import pseudo_questions
from search_core.questions.pseudo_questions import MAX_QUESTIONS, MIN_REST, questions_from_corpus

WORDS = ["".join(random.Random(number).choices("bcdfglmnprst", k=5)) for number in range(3_000)]


def document(number: int) -> Document:
    """Five paragraphs, several chunks, under a title that each of them carries and the third one says again."""
    draw = random.Random(number)
    title = " ".join(draw.choices(WORDS, k=5))
    parts = [" ".join(" ".join(draw.choices(WORDS, k=10)) + "." for _ in range(12)) for _ in range(5)]
    parts[2] += f" {title.upper()}."
    return Document(f"d{number}", "\n\n".join(parts), title)


def test_what_is_asked_stands_nowhere_in_its_document(tmp_path: Path) -> None:
    with KnowledgeBase.open(load_settings(data_dir=tmp_path, encoder="hash")) as kb:
        kb.create_collection("c")
        kb.write("c", [document(number) for number in range(40)], wait=True, timeout=60.0)
        snapshot = read_snapshot(kb.catalog, kb.catalog.collections.get("c"))
        encoder = kb.open_encoder("hash")
        altered, supervision = questions_from_corpus(snapshot, encoder, 0)
        titles = {document(number).title for number in range(40)}
        asked = [question.text for question in supervision.questions]
        assert len(snapshot.chunks) > 100 and 50 < len(asked) <= MAX_QUESTIONS
        assert 10 < sum(text in titles for text in asked) < len(asked) - 10
        by_key: dict[str, str] = {}
        for chunk in altered.chunks:
            by_key[key_of(chunk)] = f"{by_key.get(key_of(chunk), '')}\n{words_of(passage_of(chunk))}"
        for question in supervision.questions:
            [key] = question.judgements
            assert words_of(question.text) not in by_key[key]
        assert all(len(chunk.text.strip()) >= MIN_REST for chunk in altered.chunks)
        fresh = encoder.encode_passages([passage_of(chunk) for chunk in altered.chunks])
        assert np.allclose(altered.vectors, fresh, atol=1e-5)
        assert altered.graph is not snapshot.graph
        altered.close()
        snapshot.close()


def test_a_corpus_too_small_to_ask_is_told_what_to_give(tmp_path: Path) -> None:
    """Nobody judged these questions, and more of the same cannot be asked for."""
    with KnowledgeBase.open(load_settings(data_dir=tmp_path, encoder="hash")) as kb:
        kb.create_collection("c")
        kb.write("c", [document(number) for number in range(2)], wait=True, timeout=60.0)
        snapshot = read_snapshot(kb.catalog, kb.catalog.collections.get("c"))
        with pytest.raises(SupervisionError, match=r"only \d+ questions can be made .* at least 20: give judged"):
            questions_from_corpus(snapshot, kb.open_encoder("hash"), 0)
        snapshot.close()


def test_a_document_of_thousands_of_chunks_is_searched_only_where_it_may_say_what_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = random.Random(0)
    texts = [" ".join(" ".join(draw.choices(WORDS, k=9)) + "." for _ in range(4)) for _ in range(3_000)]
    texts[7], texts[9] = texts[7] + " İstanbul is sunny today.", texts[9] + "  ıSTANBUL  is SUNNY today."
    chunks = [IndexedChunk(at, 1, "", "", text, None, (), {"_key": "d"}) for at, text in enumerate(texts)]
    places = list(range(len(chunks)))
    assert pseudo_questions._that_may_say("istanbul is sunny today.", places, chunks, {}) == [7, 9]
    searched: list[IndexedChunk] = []
    without = pseudo_questions._without

    def told(chunk: IndexedChunk, asked: str) -> IndexedChunk:
        searched.append(chunk)
        return without(chunk, asked)

    monkeypatch.setattr(pseudo_questions, "_without", told)
    monkeypatch.setattr(pseudo_questions, "_with_altered", lambda snapshot, altered, encoder: altered)
    _, supervision = questions_from_corpus(SimpleNamespace(chunks=chunks), None, 0)  # type: ignore[arg-type]
    assert len(supervision.questions) == MAX_QUESTIONS and len(searched) < 3 * MAX_QUESTIONS
