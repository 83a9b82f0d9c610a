"""Tuning in the console: a real short experiment to its verdict, let serve, taken back; stopped and resumed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import browser
import console_axe
import console_pages
import pytest
import tuning_world
from playwright.sync_api import Browser, Page, expect
from served import Served

from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.keys import Scope

PATIENCE_MS = 200_000  # an experiment of half a minute on a machine that does much else


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """Documents whose words say everything and whose vectors mislead, so that another plan is really better."""
    texts, qrels = tuning_world.questions()
    with console_pages.serving(tmp_path_factory.mktemp("tuning")) as (served, address):
        served.kb.create_collection("docs")
        served.kb.write("docs", tuning_world.documents(), wait=True, timeout=120.0)
        collection = served.kb.catalog.collections.get("docs")
        asked = [EvalQuery(name, texts[name], qrels[name]) for name in qrels]
        served.kb.catalog.eval_sets.create(collection, "real", asked)
        served.kb.catalog.eval_sets.create(collection, "search-lab", asked[:3])  # as saving cases makes it
        yield served, address


def serving(served: Served) -> Any:
    answer = served.client.get("/v1/plans", params={"collection": "docs"}, headers=served.headers())
    return answer.json()["serving"]["id"]


def start(page: Page, budget: str, rounds: int) -> None:
    page.get_by_role("button", name="New experiment").first.click()
    page.get_by_role("combobox", name="Time").click()
    page.get_by_role("option", name=budget).click()
    page.get_by_role("switch", name="Let a proven winner serve by itself").uncheck()
    page.get_by_role("button", name="More choices").click()
    page.get_by_role("textbox", name="Rounds").fill(str(rounds))
    page.get_by_role("button", name="Start it").click()
    page.get_by_role("heading", name=re.compile("Experiment [0-9a-f]{8}"), level=1).wait_for()


def test_an_experiment_is_proven_let_serve_and_taken_back(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), **console_axe.OPTIONS) as person:
        page = console_pages.opened(person, "/c/docs/tuning")
        complaints = browser.watched(page)
        expect(page.get_by_role("heading", name="Nothing was tuned yet")).to_be_visible()
        start(page, "30 seconds", 3)
        verdict = page.get_by_role("heading", name="Verdict")
        verdict.wait_for(timeout=PATIENCE_MS)
        proven = re.compile("Better by more than chance|times as long")  # a busy machine's searches may be too slow
        expect(page.get_by_role("alert").filter(has_text=proven)).to_be_visible()
        picture = page.get_by_test_id("architecture")
        expect(picture).to_be_visible()
        told = picture.locator("desc").text_content()
        assert told and "instead of" in told
        expect(page.get_by_role("img", name=re.compile("Learning curve"))).to_be_visible()
        expect(page.get_by_role("img", name=re.compile("Quality and cost"))).to_be_visible()
        expect(page.get_by_role("table", name="Leaderboard")).to_contain_text("chosen")
        console_axe.check(page)

        assert serving(served) is None
        page.get_by_role("button", name="Let it serve").click()
        asked = page.get_by_role("dialog")
        expect(asked).to_contain_text(re.compile(r"On \d+ sealed questions it changed nDCG@10 by \+0\.\d+ \(p = "))
        asked.get_by_role("button", name="Let it serve").click()
        expect(page.get_by_role("button", name="Roll back")).to_be_visible()
        promoted = serving(served)
        assert promoted is not None
        page.goto("/console/c/docs/tuning")
        expect(page.get_by_role("table", name="Experiments")).to_contain_text("serves now")
        console_axe.check(page)
        page.get_by_role("button", name="Roll back").click()
        page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
        expect(page.get_by_text("comes with the product")).to_be_visible()
        assert serving(served) is None
        assert complaints == []


def test_a_plan_goes_out_to_a_share(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    newest = served.client.get("/v1/experiments", params={"collection": "docs"}, headers=served.headers()).json()
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), **console_axe.OPTIONS) as person:
        page = console_pages.opened(person, f"/c/docs/tuning/{newest['experiments'][-1]['id']}")
        page.get_by_role("button", name="Try it on a share").click()
        page.get_by_role("radio", name="serves a share").check()
        page.get_by_role("button", name="Begin").click()
        expect(page.get_by_text("The rollout began")).to_be_visible()
        page.goto("/console/c/docs/tuning")
        expect(page.get_by_role("heading", name="Rollout")).to_be_visible()
        expect(page.get_by_text("10 % of the searches are answered by the new plan.")).to_be_visible()
        console_axe.check(page)
        page.get_by_role("button", name="Stop the rollout").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop the rollout").click()
        expect(page.get_by_text("stopped", exact=True)).to_be_visible()
    assert serving(served) is None


def test_an_experiment_is_stopped_and_goes_on(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    with console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person:
        page = console_pages.opened(person, "/c/docs/tuning")
        start(page, "1 hour", 100_000)
        identifier = page.url.rpartition("/")[2]
        page.get_by_role("img", name=re.compile("Learning curve")).wait_for(timeout=PATIENCE_MS)
        page.get_by_role("button", name="Stop", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
        expect(page.get_by_text(re.compile("It was stopped after"))).to_be_visible(timeout=PATIENCE_MS)
        before = len(served.kb.catalog.experiments.trials(identifier))
        assert before > 0
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("progressbar", name="How far the experiment is")).to_be_visible(timeout=PATIENCE_MS)
        stop = page.get_by_role("button", name="Stop", exact=True)
        stop.click(timeout=PATIENCE_MS)
        page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
        expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=PATIENCE_MS)
    assert len(served.kb.catalog.experiments.trials(identifier)) >= before


def test_made_questions_are_asked_beside_sets(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    admin = served.headers(Scope.ADMIN)
    with console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person:
        page = console_pages.opened(person, "/c/docs/tuning")
        page.get_by_role("button", name="New experiment").first.click()
        questions = page.get_by_role("combobox", name="Questions")
        expect(questions).to_have_value(re.compile("^real"))  # the only one that is large enough
        questions.click()
        small = page.get_by_role("option", name="search-lab (3; at least 20 questions are needed)")
        expect(small).to_have_attribute("data-combobox-disabled", "true")
        page.get_by_role("option", name="Made from the documents").click()
        expect(page.get_by_role("dialog").get_by_text("rank plans only roughly")).to_be_visible()
        page.get_by_role("button", name="More choices").click()
        page.get_by_role("combobox", name="Judged by").click()
        page.get_by_role("option", name="Recall@5", exact=True).click()
        page.get_by_role("button", name="Start it").click()
        page.get_by_role("heading", name=re.compile("Experiment [0-9a-f]{8}"), level=1).wait_for()
        identifier = page.url.rpartition("/")[2]
    begun = served.client.get(f"/v1/experiments/{identifier}?collection=docs", headers=admin).json()
    assert (begun["request"]["eval_set"], begun["request"]["made_questions"]) == ("", True)
    assert begun["request"]["metric"] == "recall@5"
    (job,) = (
        one
        for one in served.client.get("/v1/jobs?kind=tune", headers=admin).json()["jobs"]
        if one["arguments"]["experiment"] == identifier
    )
    served.client.post(f"/v1/jobs/{job['id']}/cancel", headers=admin).raise_for_status()


def test_the_key_that_stored_a_plan_is_named(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    body = {"collection": "docs", "name": "mine", "plan": {"fusion": "sparse"}}
    made = served.client.post("/v1/plans", json=body, headers=served.headers(Scope.ADMIN)).json()["id"]
    served.client.post(
        f"/v1/plans/{made}/promote", json={"collection": "docs"}, headers=served.headers(Scope.ADMIN)
    ).raise_for_status()
    with console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person:
        page = console_pages.opened(person, "/c/docs/tuning")
        expect(page.get_by_text("made with the key “test”")).to_be_visible()
    with console_pages.person(chromium, address, served.key(Scope.ADMIN, collections=["docs"])) as person:
        page = console_pages.opened(person, "/c/docs/tuning")
        expect(page.get_by_text("made with a key")).to_be_visible()
    served.client.post(
        "/v1/plans:rollback", json={"collection": "docs"}, headers=served.headers(Scope.ADMIN)
    ).raise_for_status()


def test_whoever_may_only_read_sees_results_and_starts_nothing(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    newest = served.client.get("/v1/experiments", params={"collection": "docs"}, headers=served.headers()).json()
    with console_pages.person(chromium, address, served.key(Scope.READ), locale="zh-CN") as person:
        page = console_pages.opened(person, "/c/docs/tuning")
        expect(page.get_by_role("table", name="实验")).to_be_visible()
        expect(page.get_by_role("button", name="新建实验")).to_have_count(0)
        page.goto(f"/console/c/docs/tuning/{newest['experiments'][-1]['id']}")
        expect(page.get_by_role("heading", name="结论")).to_be_visible()
        expect(page.get_by_role("button", name="投入使用")).to_have_count(0)
        for heading in page.get_by_role("heading").all_inner_texts():
            assert re.search("[一-鿿]", heading), heading
    with console_pages.person(chromium, address, served.key(Scope.ADMIN, collections=["other"])) as person:
        page = person.new_page()
        page.goto("/console/c/docs/tuning")
        expect(page.get_by_role("heading", name="There is no collection docs here")).to_be_visible()
        assert "real" not in page.inner_text("main")
