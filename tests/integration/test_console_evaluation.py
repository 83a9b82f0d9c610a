"""Evaluation in the console: a set from files, two runs, the regression in red and on which questions it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import browser
import console_axe
import console_pages
import pytest
import tuning_world
from playwright.sync_api import Browser, Page, expect
from served import Served

from retrieval.catalog.keys import Scope

DOCUMENTS, QUESTIONS = 60, 30
SET = "/c/docs/evaluation/real"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """Documents that only their words tell apart, and two plans: one that follows the words, one that does not."""
    with console_pages.serving(tmp_path_factory.mktemp("evaluation")) as (served, address):
        admin = served.headers(Scope.ADMIN)
        served.client.post("/v1/collections", json={"name": "docs"}, headers=admin).raise_for_status()
        served.kb.write("docs", tuning_world.documents()[:DOCUMENTS], wait=True)
        for name, plan in (("words", {"fusion": "sparse"}), ("vectors", {"fusion": "dense"})):
            body = {"collection": "docs", "name": name, "plan": plan}
            served.client.post("/v1/plans", json=body, headers=admin).raise_for_status()
        yield served, address


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("files")
    texts, qrels = tuning_world.questions()
    asked = [f"q{n}" for n in range(QUESTIONS)]
    lines = [json.dumps({"id": name, "text": f"{texts[name]} 是什么？"}, ensure_ascii=False) for name in asked]
    (folder / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")
    judged = [f"{name}\t{key}\t{grade}" for name in asked for key, grade in qrels[name].items()]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]), encoding="utf-8")
    return folder / "queries.jsonl", folder / "qrels.tsv"


def run(page: Page, plan: str) -> None:
    page.get_by_role("combobox", name="Plan").click()
    page.get_by_role("option", name=plan, exact=True).click()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("The run is done")).to_be_visible()
    page.get_by_text("The run is done").wait_for(state="hidden")


def test_two_runs_show_a_regression_with_its_questions(
    chromium: Browser, site: tuple[Served, str], files: tuple[Path, Path]
) -> None:
    served, address = site
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), **console_axe.OPTIONS) as person:
        page = console_pages.opened(person, "/c/docs/evaluation")
        complaints = browser.watched(page)
        expect(page.get_by_text("No evaluation set yet")).to_be_visible()
        page.get_by_role("button", name="New set").first.click()
        choose = page.locator("input[type=file]")
        choose.nth(0).set_input_files(files[1])  # the wrong way round first
        choose.nth(1).set_input_files(files[0])
        expect(page.get_by_text("Line 1 of the questions is not like the example above")).to_be_visible()
        choose.nth(0).set_input_files(files[0])
        choose.nth(1).set_input_files(files[1])
        expect(page.get_by_text(f"{QUESTIONS} questions with their judgements were read")).to_be_visible()
        page.get_by_role("textbox", name="Name").fill("real")
        console_axe.check(page, ("light",))
        page.get_by_role("button", name="Create the set").click()
        expect(page.get_by_role("heading", name="real", level=1)).to_be_visible()

        run(page, "words")
        alone = page.get_by_role("table", name="Questions of run 1")
        alone.get_by_role("row").nth(1).wait_for()
        reached = [float(text) for text in alone.locator("tbody tr td:last-child").all_inner_texts()]
        assert reached == sorted(reached)  # the worst first
        expect(alone.get_by_role("row").nth(1)).to_contain_text("place")
        expect(alone.get_by_role("link").first).to_have_attribute("href", re.compile("/c/docs/search[?]q="))
        run(page, "vectors")
        expect(alone).to_have_count(0)
        page.get_by_role("button", name="Questions of run 1").click()
        expect(alone).to_be_visible()
        alert = page.get_by_role("alert").filter(has_text="Run 2 is worse than the one before")
        expect(alert).to_contain_text("nDCG@10")
        runs = page.get_by_role("table", name="Runs")
        expect(runs.get_by_role("row", name=re.compile("#2"))).to_contain_text("worse")
        differences = page.get_by_role("table", name="Differences")
        expect(differences.get_by_role("row", name=re.compile("nDCG@10")).first).to_contain_text("worse")
        worst = page.get_by_role("table", name="Question by question").get_by_role("row").nth(1)
        expect(worst).to_contain_text("place 1 →")
        expect(worst).to_contain_text("−")
        page.get_by_text("Gained most").click()
        expect(page.get_by_role("table", name="Question by question").get_by_role("row").nth(1)).not_to_contain_text(
            "−"
        )
        expect(page.get_by_role("table", name="Kinds of questions")).to_contain_text("Chinese and English mixed")
        console_axe.check(page)
        assert complaints == []


def test_a_set_is_typed_with_the_keyboard_alone(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    texts, qrels = tuning_world.questions()
    with console_pages.person(chromium, address, served.key(Scope.WRITE)) as person:
        page = console_pages.opened(person, "/c/docs/evaluation")
        opener = page.get_by_role("button", name="New set").first
        opener.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(opener).to_be_focused()
        page.keyboard.press("Enter")
        name = page.get_by_role("textbox", name="Name")
        expect(name).to_be_focused()
        page.keyboard.type("typed")
        page.keyboard.press("Tab")
        expect(page.get_by_role("tab", name="From files")).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="Type them")).to_have_attribute("aria-selected", "true")
        question = page.get_by_role("textbox", name="Question")
        question.focus()
        page.keyboard.type(" ".join(texts["q3"].split()[:2]))
        (right,) = qrels["q3"]
        box = page.get_by_role("checkbox", name=right, exact=True)
        box.wait_for()
        box.focus()
        page.keyboard.press("Space")
        page.get_by_role("button", name="Add this question").press("Enter")
        page.get_by_role("button", name="Create the set").press("Enter")
        expect(page.get_by_role("heading", name="typed", level=1)).to_be_visible()
    kept = served.client.get("/v1/eval-sets/typed", params={"collection": "docs"}, headers=served.headers(Scope.WRITE))
    assert kept.json()["questions"][0]["judgements"] == {right: 1}


def test_what_was_dropped_is_in_no_set(chromium: Browser, site: tuple[Served, str], files: tuple[Path, Path]) -> None:
    """Files that were taken out again, a question that was dropped, a run that was deleted, a set that is gone."""
    served, address = site
    texts, qrels = tuning_world.questions()
    admin = served.headers(Scope.ADMIN)
    with console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person:
        page = console_pages.opened(person, "/c/docs/evaluation")
        page.get_by_role("button", name="New set").first.click()
        dialog = page.get_by_role("dialog")
        page.get_by_role("textbox", name="Name").fill("kept")
        for place, file in enumerate(files):
            page.locator("input[type=file]").nth(place).set_input_files(file)
        create = page.get_by_role("button", name="Create the set")
        expect(create).to_be_enabled()
        for _ in files:
            dialog.get_by_role("button", name="Delete").first.click()
        expect(create).to_be_disabled()
        expect(page.get_by_text("with their judgements were read")).to_have_count(0)

        page.get_by_role("tab", name="Type them").click()
        question = page.get_by_role("textbox", name="Question")

        def type_question(name: str) -> str:
            text = " ".join(texts[name].split()[:2])
            question.fill(text)
            page.get_by_role("checkbox", name=next(iter(qrels[name])), exact=True).check()
            return text

        asked = []
        for name in ("q3", "q4", "q5"):
            asked.append(type_question(name))
            if name == "q5":
                page.get_by_role("button", name=f"Drop “{asked[0]}”").click()
                expect(question).to_have_value(asked[2])
            page.get_by_role("button", name="Add this question").click()
        create.click()
        page.get_by_role("heading", name="kept", level=1).wait_for()
        path = "/v1/eval-sets/kept"
        kept = served.client.get(path, params={"collection": "docs"}, headers=admin).json()["questions"]
        assert [one["text"] for one in kept] == asked[1:]

        runs = []
        for _ in range(3):
            body = {"collection": "docs", "background": False}
            runs.append(served.client.post(f"{path}/runs", json=body, headers=admin).json()["id"])
        page.reload()
        earlier = page.get_by_role("combobox", name="Earlier run")
        expect(earlier).to_have_value(re.compile(f"^#{runs[1]} "))
        page.get_by_role("button", name=f"Delete run {runs[1]}").click()
        dialog.get_by_role("button", name="Delete").click()
        expect(earlier).to_have_value(re.compile(f"^#{runs[0]} "))
        page.get_by_role("table", name="Differences").wait_for()
        expect(page.get_by_role("row", name=re.compile(f"^#{runs[2]}")).get_by_text("Compare")).to_have_count(0)

        leaving = console_pages.held(page, "**/v1/eval-sets/kept?*", "DELETE")
        page.get_by_role("button", name="Delete", exact=True).click()
        dialog.get_by_role("button", name="Delete").click()
        page.get_by_role("link", name="Documents", exact=True).click()
        expect(page.get_by_role("heading", name="Documents", level=1)).to_be_visible()
        leaving().continue_()
        expect(page.get_by_text("Set kept was deleted")).to_be_visible()
        assert page.url.endswith("/c/docs/documents")


def test_feedback_becomes_a_set(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    writer = served.headers(Scope.WRITE)
    for query, key, rating in (("how long?", "d1", 1), ("how long?", "d2", -1), ("only wrong", "d3", -1)):
        body = {"collection": "docs", "query": query, "document_key": key, "rating": rating}
        served.client.post("/v1/feedback", json=body, headers=writer).raise_for_status()
    with console_pages.person(chromium, address, served.key(Scope.WRITE)) as person:
        page = console_pages.opened(person, "/c/docs/evaluation")
        page.get_by_role("button", name="New set").first.click()
        page.get_by_role("textbox", name="Name").fill("said")
        page.get_by_role("tab", name="From feedback").click()
        expect(page.get_by_role("checkbox", name="how long?")).to_be_checked()
        expect(page.get_by_role("checkbox")).to_have_count(1)  # nothing is right for the other question
        page.get_by_role("button", name="Create the set").click()
        expect(page.get_by_role("heading", name="said", level=1)).to_be_visible()
    kept = served.client.get("/v1/eval-sets/said", params={"collection": "docs"}, headers=writer).json()
    (question,) = kept["questions"]
    assert (question["text"], question["judgements"]) == ("how long?", {"d1": 1, "d2": 0})


def test_what_is_not_proven_is_not_called_alike(chromium: Browser, site: tuple[Served, str]) -> None:
    """One of two questions, however much worse it is answered, proves nothing; the other is a document's very words."""
    served, address = site
    texts, qrels = tuning_world.questions()
    texts["q2"] = next(document.text for document in tuning_world.documents() if document.key == "d2")
    queries = [{"id": name, "text": texts[name], "judgements": qrels[name]} for name in ("q1", "q2")]
    admin = served.headers(Scope.ADMIN)
    served.client.post(
        "/v1/eval-sets", json={"collection": "docs", "name": "two", "queries": queries}, headers=admin
    ).raise_for_status()
    stored = served.client.get("/v1/plans", params={"collection": "docs"}, headers=admin).json()["plans"]
    for name in ("words", "vectors"):
        plan = next(one["id"] for one in stored if one["name"] == name)
        body = {"collection": "docs", "plan": plan, "background": False}
        served.client.post("/v1/eval-sets/two/runs", json=body, headers=admin).raise_for_status()
    with console_pages.person(chromium, address, served.key(Scope.WRITE)) as person:
        page = console_pages.opened(person, "/c/docs/evaluation/two")
        differences = page.get_by_role("table", name="Differences")
        expect(differences.get_by_role("row", name=re.compile("nDCG@10")).first).to_contain_text("may be chance")
        expect(differences.get_by_role("row", name=re.compile("Recall@100"))).to_contain_text("no difference")


def test_whoever_may_only_read_sees_no_single_question(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    with console_pages.person(chromium, address, served.key(Scope.READ)) as person:
        page = console_pages.opened(person, SET)
        refused: list[str] = []
        page.on("response", lambda answer: refused.append(answer.url) if answer.status == 403 else None)
        page.reload()
        expect(page.get_by_text("Single questions are shown to those with the right")).to_be_visible()
        expect(page.get_by_role("button", name="Run", exact=True)).to_have_count(0)
        expect(page.get_by_role("button", name=re.compile("Delete"))).to_have_count(0)
        assert refused == []
        path = "/v1/eval-sets/real/runs/2/questions?collection=docs"
        assert page.evaluate("path => fetch(path).then(answer => answer.status)", path) == 403


def test_all_of_it_is_said_in_chinese(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    options = {"locale": "zh-CN"} | console_axe.OPTIONS
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), **options) as person:
        page = console_pages.opened(person, SET)
        expect(page.get_by_role("alert").filter(has_text="第 2 次运行比上一次差")).to_be_visible()
        page.get_by_role("table", name="逐题查看").wait_for()
        for heading in page.get_by_role("heading").all_inner_texts()[1:]:  # the first is the set's name
            assert re.search("[一-鿿]", heading), heading
        console_axe.check(page, ("light",))
