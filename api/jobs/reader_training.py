"""The task that trains a span reader, from the questions that a setting names and a collection's own text."""

from __future__ import annotations

from typing import Any

from api import readers
from api.jobs.tasks import Report
from api.knowledge_base import KnowledgeBase
from search_core.reader.recipe import ReaderRecipe


def train_reader(kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """What was made and how right it is, as `kb readers train --json` prints it."""
    names = ("epochs", "practice", "runs", "seed", "threads", "device")
    recipe = ReaderRecipe(**{name: arguments[name] for name in names})
    questions = readers.configured_questions(kb)
    texts = readers.texts_of(kb, collection)
    reached: tuple[int, int | None] = (0, recipe.epochs * recipe.runs)

    def advance(stage: str, done: int, total: int, loss: float) -> None:
        nonlocal reached
        reached = (done, total)
        report(*reached)

    report(*reached)
    return readers.make_reader(
        kb,
        arguments["name"],
        arguments["base"] or kb.settings.encoder,
        questions,
        texts,
        recipe,
        advance,
        wanted=lambda: report(*reached),  # a pass over many questions takes hours
    ).to_dict()
