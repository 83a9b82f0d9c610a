"""A reader made by the real command answers over REST, in two languages, with citations that stand in the text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import served
from reader_questions import write_squad
from tiny_reader import make_model

from retrieval.answer.choice import AnswerChoice
from retrieval.catalog.keys import Scope
from search_core.questions.taught_questions import hashes_of
from search_core.reader.data import read_squad
from search_core.reader.lessons import read_lessons
from search_core.reader.recipe import hold_out
from search_core.request import Request
from search_core.trainer import AutoModelTrainer

DOCUMENTS = {
    "emma": "Emma lives in Quito and works as teacher.",
    "zhang": "天气很好。王芳住在鹿港，职业是医生。",  # 鹿港: characters that no question of the training has
    "river": "The river is green.",
}


def kb(folder: Path, *arguments: str) -> dict[str, Any]:
    environment = {**os.environ, "KB_DATA_DIR": str(folder), "KB_ENCODER": "hash"}
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "--json" in arguments else {}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A data folder with the reader `people`, and what the command said of it."""
    folder = tmp_path_factory.mktemp("readers")
    make_model(folder / "base", layers=2)
    questions = write_squad(folder / "questions.json", articles=12, each=12)
    said = kb(
        folder / "data", "readers", "train", "people", "--questions", str(questions), "--base", str(folder / "base"),
        "--epochs", "8", "--practice", "20", "--rate", "0.004", "--batch", "16", "--seed", "1", "--json",
    )  # fmt: skip
    return folder, said


@pytest.fixture(scope="module")
def api(trained: tuple[Path, dict[str, Any]]) -> Iterator[served.Served]:
    folder, _ = trained
    with served.in_process(folder / "data") as opened:
        body = {"documents": [{"key": key, "text": text} for key, text in DOCUMENTS.items()]}
        headers = opened.headers(Scope.ADMIN)
        made = opened.client.post("/v1/collections", json={"name": "people"}, headers=headers)
        assert made.status_code == 201, made.text
        for document in body["documents"]:
            put = opened.client.put(
                f"/v1/collections/people/documents/{document['key']}?wait_for=searchable",
                json={"text": document["text"]},
                headers=headers,
            )
            assert put.status_code in (200, 201), put.text
        kb(folder / "data", "readers", "use", "people", "-c", "people")
        opened.kb.runtimes.get("people").refresh()
        yield opened


def ask(api: served.Served, question: str, collection: str = "people") -> dict[str, Any]:
    body = {"question": question, "collection": collection, "stream": False}
    response = api.client.post("/v1/answers", json=body, headers=api.headers())
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_the_command_says_what_it_made(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, said = trained
    assert said["new_pieces"] > 20  # the Chinese characters of the questions
    assert said["held_out"] > 0
    assert said["scores"]["f1"] > 60, said
    listed = kb(folder / "data", "readers", "list", "--json")["readers"]
    assert [one["name"] for one in listed] == ["people"]
    assert listed[0]["f1"] == said["scores"]["f1"]
    card = (folder / "data" / "readers" / "people" / "README.md").read_text(encoding="utf-8")
    assert "exact match" in card
    lessons = read_lessons(folder / "data" / "readers" / "people")
    assert lessons is not None
    learnt, held = hold_out(read_squad(folder / "questions.json"), 1)
    for known, questions in ((lessons.learnt, learnt), (lessons.calibrated, held)):
        assert known == {*hashes_of(text for one in questions for text in (one.text, one.passage))}


@pytest.mark.parametrize(
    ("question", "words", "key"),
    [("Where does Emma live?", "Quito", "emma"), ("王芳住在哪里？", "鹿港", "zhang")],
)
def test_it_answers_with_the_very_words(api: served.Served, question: str, words: str, key: str) -> None:
    answer = ask(api, question)
    assert not answer["refused"], answer
    assert answer["answer"] == f"{words} [1]"
    assert answer["generator"] == "reader" and not answer["degraded"]
    (citation,) = answer["citations"]
    assert words in citation["quote"]
    assert DOCUMENTS[key][citation["start"] : citation["end"]] == citation["quote"]


def test_it_is_measured_beside_the_sentence_picker(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = trained
    unseen = write_squad(folder / "unseen.json", articles=2, each=8, seed=900)
    found = kb(folder / "data", "readers", "evaluate", "people", "--questions", str(unseen), "--json")
    assert found["reader"]["exact"] > found["sentences"]["exact"]
    assert found["reader"]["questions"] == 48


def test_a_reader_that_is_better_is_proven_and_serves(api: served.Served, trained: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = trained
    unseen = write_squad(folder / "to-tune.json", articles=30, each=2, seed=2_000)
    headers, text = api.headers(Scope.ADMIN), {"text": DOCUMENTS["emma"]}
    api.client.post("/v1/collections", json={"name": "folk"}, headers=headers).raise_for_status()
    put = api.client.put("/v1/collections/folk/documents/emma?wait_for=searchable", json=text, headers=headers)
    put.raise_for_status()
    assert ask(api, "Where does Emma live?", "folk")["generator"] == "extractive"
    result = AutoModelTrainer.of(
        Request("answer", collection="folk", budget="4m"),
        settings=api.settings.model_copy(update={"reader_questions": str(unseen)}),
        catalog=api.kb.catalog,
        encoder_of=api.kb.open_encoder,
    ).run()
    assert result.promoted, result.reasons
    assert result.plan.answer == AnswerChoice("reader", "people") and result.verdict.p_value < 0.05
    assert json.loads((result.folder / "manifest.json").read_text())["reader"]["name"] == "people"
    api.kb.runtimes.get("folk").refresh()
    answer = ask(api, "Where does Emma live?", "folk")
    assert (answer["generator"], answer["answer"]) == ("reader", "Quito [1]")


def test_a_reader_that_is_gone_leaves_the_answer_to_sentences(api: served.Served) -> None:
    from api.serving.answerers import Answerers

    runtime = api.kb.runtimes.get("people")
    answerers = Answerers(api.settings, runtime.encoder, runtime.analyzer)
    answer = answerers.of(AnswerChoice("reader", "nowhere")).answer("Where does Emma live?", [])
    answerers.close()
    assert answer.generator == "extractive"
    assert "nowhere" in answer.degraded


def test_a_published_reader_is_taken_as_it_is(api: served.Served, trained: tuple[Path, dict[str, Any]]) -> None:
    """Its confidence is calibrated only where questions are given."""
    from api import readers

    folder, _ = trained
    make_model(folder / "published", family="roberta")
    target, scores, note = readers.install_reader(api.kb, "published", folder / "published", [], "int8")
    assert scores is None and "not calibrated" in note
    assert (target / "manifest.json").exists()
    assert {one["name"] for one in readers.list_readers(api.kb)} >= {"people", "published"}
    with readers.opened_reader(api.kb, "published") as reader:
        (reading,) = reader.read("Where does Emma live?", [DOCUMENTS["emma"]])
    assert DOCUMENTS["emma"][reading.start : reading.end]


def test_a_job_trains_from_the_questions_of_the_settings(api: served.Served) -> None:
    """Without any it says which setting is empty; the form of its arguments is that of the wire."""
    from api.jobs.kinds import TASKS
    from retrieval.errors import InvalidInputError

    task = TASKS.create("train_reader")
    arguments = task.arguments.model_validate({"name": "job"}).model_dump()
    with pytest.raises(InvalidInputError, match="KB_READER_QUESTIONS is empty"):
        task.run(api.kb, "people", arguments, lambda done, total: None)
    from api import readers

    assert "Emma lives in Quito and works as teacher." in readers.texts_of(api.kb, "people")


def test_going_back_brings_the_sentences_back(api: served.Served) -> None:
    done = api.client.post(
        "/v1/plans:rollback", json={"collection": "people", "reason": "test"}, headers=api.headers(Scope.ADMIN)
    )
    assert done.status_code in (200, 204), done.text
    api.kb.runtimes.get("people").refresh()
    assert ask(api, "Where does Emma live?")["generator"] == "extractive"
