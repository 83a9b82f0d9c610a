"""A collection whose words say everything and whose hashed vectors mislead, so that another plan is really better."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api.knowledge_base import KnowledgeBase
from infra.settings import load_settings
from retrieval.types import Document
from search_core.result import Result
from search_core.trainer import AutoModelTrainer

DOCUMENTS, QUESTIONS = 240, 160
QUICK: dict[str, Any] = {"collection": "c", "budget": "120s", "max_epochs": 2, "tiers": "plan"}
_SYLLABLES = ("ba", "ke", "lo", "mi", "nu", "ra", "se", "ti", "vo", "zu")


@contextmanager
def tuning_world(folder: Path) -> Iterator[KnowledgeBase]:
    """The knowledge base with the collection `c`."""
    with KnowledgeBase.open(load_settings(data_dir=folder, encoder="hash")) as kb:
        kb.create_collection("c")
        kb.write("c", documents(), wait=True, timeout=60.0)
        yield kb


def trainer(kb: KnowledgeBase, **more: Any) -> AutoModelTrainer:
    """A quick run on it, not begun."""
    about = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
    return AutoModelTrainer(**QUICK | about | more)


def tuned(kb: KnowledgeBase, **more: Any) -> Result:
    """What came of a quick run with its questions."""
    texts, qrels = questions()
    return trainer(kb, **{"queries": texts, "qrels": qrels} | more).run()


def documents() -> list[Document]:
    """Each holds six words of its own and forty that all share."""
    return [Document(f"d{n}", f"{' '.join(_own(n))}. {' '.join(_common(n))}.", "") for n in range(DOCUMENTS)]


def questions() -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Two own words of a document among many shared ones, which draw the vector elsewhere."""
    texts, qrels = {}, {}
    for n in range(QUESTIONS):
        own = _own(n)
        texts[f"q{n}"] = " ".join([*own[:2], *_common(n + 7)[:12]])
        qrels[f"q{n}"] = {f"d{n}": 1}
    return texts, qrels


def _own(number: int) -> list[str]:
    draw = random.Random(number)
    return ["".join(draw.choices(_SYLLABLES, k=4)) for _ in range(6)]


def _common(number: int) -> list[str]:
    draw = random.Random(100_000 + number)
    vocabulary = ["".join(random.Random(-word).choices(_SYLLABLES, k=2)) for word in range(1, 80)]
    return draw.choices(vocabulary, k=40)
