"""The span readers of a data folder: made, installed, listed, measured, and named by a collection's plan."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyroaring import BitMap64

from api.knowledge_base import KnowledgeBase
from retrieval.answer.choice import EXTRACTIVE, READER, READERS, AnswerChoice, check_reader_name
from retrieval.answer.reader import OnnxReader
from retrieval.answer.reader_folder import read_folder
from retrieval.catalog import Collection
from retrieval.catalog.plans import PlanRecord
from retrieval.encoder.model_folder import locate
from retrieval.errors import InvalidInputError, NotFoundError, ReaderError
from retrieval.stored_plan import serving_plan
from search_core.reader.data import Question, read_squad
from search_core.reader.evaluation import ReaderScores
from search_core.reader.recipe import ReaderRecipe, Told, Trained, adopt_reader, train_reader

SENTENCES = "sentences"  # in place of a reader's name: the sentence picker
MANIFEST = "manifest.json"


def reader_folder(kb: KnowledgeBase, name: str) -> Path:
    """Where the reader of that name is or will be. Raises `InvalidInputError` for what is no name."""
    return kb.settings.data_dir / READERS / check_reader_name(name)


def list_readers(kb: KnowledgeBase) -> list[dict[str, Any]]:
    """Every reader by name, and what is wrong with those that cannot be opened."""
    folder = kb.settings.data_dir / READERS
    return [_described(path) for path in sorted(folder.glob(f"[!.]*/{MANIFEST}"))]  # with a dot they are in the making


def _described(manifest: Path) -> dict[str, Any]:
    name = manifest.parent.name
    try:
        found = read_folder(manifest.parent)
    except ReaderError as error:
        return {"name": name, "problem": str(error)}
    scores = found.origin.get("held_out_scores") or {}
    shown = {key: scores.get(key) for key in ("questions", "exact", "f1", "refusal_f1")}
    return {"name": name, "base": found.origin.get("base"), "precision": found.precision, **shown}


def questions_of(files: Iterable[Path | str], articles: str = "") -> list[Question]:
    """The questions of SQuAD files; `articles` "FILE:KEY" keeps those whose titles the JSON lists under the key.

    Raises `SupervisionError` and `InvalidInputError`.
    """
    kept = None if not articles else _titles(articles)
    return [question for file in files for question in read_squad(Path(file), kept)]


def _titles(articles: str) -> frozenset[str]:
    file, _, key = articles.rpartition(":")
    try:
        return frozenset(json.loads(Path(file).read_text(encoding="utf-8"))[key])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(
            f"articles {articles!r} cannot be read: {error!r}; expected FILE:KEY, the JSON file holding titles"
        ) from error


def configured_questions(kb: KnowledgeBase) -> list[Question]:
    """The questions of the setting. Raises `InvalidInputError` where it is empty."""
    files = [name.strip() for name in kb.settings.reader_questions.split(",") if name.strip()]
    if not files:
        raise InvalidInputError("KB_READER_QUESTIONS is empty; name SQuAD files of questions with answers there")
    return questions_of(files)


def texts_of(kb: KnowledgeBase, collection: str) -> list[str]:
    """What the documents of a collection say, to practise on; nothing for no collection."""
    if not collection:
        return []
    record = kb.catalog.collections.get(collection)
    batches = kb.catalog.log.everything(record, BitMap64(), BitMap64())
    return [chunk.text for batch in batches for chunk in batch.added]


def make_reader(
    kb: KnowledgeBase,
    name: str,
    base: str,
    questions: Sequence[Question],
    texts: Sequence[str],
    recipe: ReaderRecipe,
    told: Told,
    wanted: Callable[[], None] = lambda: None,
) -> Trained:
    """Train a reader into the data folder; one of that name is replaced when the new one is complete.

    `wanted` is called between the steps; what it raises ends the training.
    """
    target = reader_folder(kb, name)
    return train_reader(locate(base, kb.settings.data_dir), target, questions, texts, recipe, told, wanted)


def install_reader(
    kb: KnowledgeBase, name: str, source: Path, questions: Sequence[Question], precision: str
) -> tuple[Path, ReaderScores | None, str]:
    """A published reader's folder as one of ours, its confidence calibrated where questions are given.

    One of that name is replaced when the new one is complete.
    """
    target = reader_folder(kb, name)
    return target, *adopt_reader(source, target, questions, precision)


@contextmanager
def opened_reader(kb: KnowledgeBase, name: str) -> Iterator[OnnxReader]:
    """The reader of that name while in use. Raises `NotFoundError` and `ReaderError`."""
    folder = reader_folder(kb, name)
    if not folder.is_dir():
        known = ", ".join(str(one["name"]) for one in list_readers(kb)) or "there is none"
        raise NotFoundError(f"reader {name!r} does not exist; known: {known}")
    reader = OnnxReader(folder, kb.settings.reader_threads)
    try:
        yield reader
    finally:
        reader.close()


def use_reader(kb: KnowledgeBase, collection: Collection, name: str, by: str) -> PlanRecord:
    """Let a reader (or `SENTENCES`) answer from now on, by the serving plan with that one part changed."""
    if name == SENTENCES:
        choice = AnswerChoice(EXTRACTIVE)
    else:
        with opened_reader(kb, name):
            choice = AnswerChoice(READER, name)
    return serve_choice(kb, collection, choice, by, "chosen by hand")


def serve_choice(kb: KnowledgeBase, collection: Collection, choice: AnswerChoice, by: str, reason: str) -> PlanRecord:
    """Store and promote the serving plan with another answer model."""
    plans = kb.catalog.plans
    plan = replace(serving_plan(kb.catalog, collection), answer=choice)
    stored = plans.add(collection, choice.describe(), plan.to_dict(), plan.digest, by)
    plans.promote(collection, stored.id, by, reason)
    kb.catalog.audit.record(by, "plans.promote", f"{collection.name}/{stored.id}", {"reason": reason})
    return stored
