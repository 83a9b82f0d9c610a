"""Questions that say everything in other words than the documents do: a map of query vectors can learn them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.knowledge_base import KnowledgeBase
from infra.settings import load_settings
from retrieval.types import Document

TOPICS, DOCUMENTS, QUESTIONS = 12, 100, 130
_SYLLABLES = ("ba", "ke", "lo", "mi", "nu", "ra", "se", "ti", "vo", "zu")


@contextmanager
def stages_world(folder: Path) -> Iterator[KnowledgeBase]:
    """The knowledge base with the collection `c`."""
    with KnowledgeBase.open(load_settings(data_dir=folder, encoder="hash")) as kb:
        kb.create_collection("c")
        kb.write("c", documents(), wait=True, timeout=120.0)
        yield kb


def documents() -> list[Document]:
    """Each is about three of the topics, said in the words of the documents."""
    return [Document(f"d{n}", text_of(_topics(n)), "") for n in range(DOCUMENTS)]


def text_of(topics: list[int]) -> str:
    """What a document about these topics says."""
    return " ".join(_word(1, topic) for topic in topics for _ in range(3))


def question_of(topics: list[int]) -> str:
    """What is asked about these topics, in the words of the questions."""
    return " ".join(_word(2, topic) for topic in topics)


def questions() -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Each names the topics of a document, in other words."""
    draw = random.Random(5)
    texts, qrels = {}, {}
    for n in range(QUESTIONS):
        document = n % DOCUMENTS
        topics = _topics(document)
        draw.shuffle(topics)
        texts[f"q{n}"] = f"{question_of(topics)} {_word(3, n)}"
        qrels[f"q{n}"] = {f"d{document}": 1}
    return texts, qrels


def _topics(number: int) -> list[int]:
    return sorted(random.Random(number).sample(range(TOPICS), 3))


def _word(language: int, number: int) -> str:
    return "".join(random.Random(1000 * language + number).choices(_SYLLABLES, k=4))
