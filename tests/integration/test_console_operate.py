"""Operation in the console: jobs, schedules, generations, plans, keys, groups, audit; for whom, in both languages."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import console_axe
import console_pages
import pytest
from playwright.sync_api import Browser, Page, expect
from served import Served

from api.jobs.kinds import TASKS
from api.jobs.tasks import Report, Task
from api.wire.jobs import NoArguments
from retrieval.catalog.keys import Scope

PATIENCE_MS = 90_000  # a generation is built by a process of its own
STEPS = 8
BESIDE = (20, 400)  # a place beside every drawer
SEARCH = re.compile(r"/v1/search$")


@pytest.fixture
def page(chromium: Browser, site: tuple[Served, str]) -> Iterator[Page]:
    """A page of an operator."""
    served, address = site
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), **console_axe.OPTIONS) as person:
        yield console_pages.opened(person, "/jobs")


def test_a_job_is_followed_cancelled_and_tried_again(page: Page, site: tuple[Served, str]) -> None:
    go_on = threading.Event()

    def slow(kb: object, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
        for done in range(STEPS):
            report(done, STEPS)
            while done == STEPS // 2 and not go_on.wait(0.05):
                report(done, STEPS)  # where a cancelled job is stopped
        return {"steps": STEPS}

    TASKS.register("slow", lambda: Task(slow, NoArguments, needs_collection=False), "for this test")
    try:
        served = site[0]
        started = served.client.post("/v1/jobs", json={"kind": "slow"}, headers=served.headers(Scope.ADMIN)).json()
        row = page.get_by_role("table", name="Jobs").get_by_role("row", name=re.compile("slow"))
        expect(row).to_contain_text(f"{STEPS // 2} of {STEPS}")  # without reloading
        console_axe.check(page)
        row.get_by_role("button", name="Cancel the job").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
        expect(row).to_contain_text("cancelled")
        row.get_by_role("button", name="Try again").click()
        expect(row).to_contain_text(f"{STEPS // 2} of {STEPS}")
        go_on.set()
        expect(row).to_contain_text("done")
        row.get_by_role("button", name="slow").click()
        drawer = page.get_by_role("dialog")
        expect(drawer.get_by_role("region", name="Result")).to_contain_text(f'"steps": {STEPS}')
        expect(drawer).to_contain_text(started["id"])
    finally:
        go_on.set()
        TASKS.unregister("slow")


def test_a_failed_job_says_why(page: Page, site: tuple[Served, str]) -> None:
    served = site[0]
    job = served.kb.catalog.jobs.create("evaluate", "docs", {"eval_set": "no-such-set"})  # deleted since it was asked
    served.ended(f"/v1/jobs/{job.id}", served.headers(Scope.ADMIN))
    row = page.get_by_role("table", name="Jobs").get_by_role("row", name=re.compile("Evaluate"))
    expect(row).to_contain_text("evaluation set 'no-such-set' does not exist")
    page.get_by_role("combobox", name="State").click()
    page.get_by_role("option", name="failed").click()
    expect(page.get_by_role("table", name="Jobs").get_by_role("row")).to_have_count(2)
    page.goto("/console/")
    attention = page.get_by_role("region", name="Needs attention")
    expect(attention).to_contain_text(re.compile("[0-9]+ jobs? failed"))
    expect(page.get_by_text("Nothing needs you.")).to_have_count(0)
    attention.get_by_role("link", name="Open").last.click()
    expect(page.get_by_role("combobox", name="State")).to_have_value("failed")
    expect(page.get_by_role("table", name="Jobs")).to_contain_text("no-such-set")


def test_a_schedule_is_made_changed_run_and_deleted(page: Page, site: tuple[Served, str]) -> None:
    page.get_by_role("button", name="New job or schedule").click()
    page.get_by_text("Again and again", exact=True).click()
    page.get_by_role("dialog").get_by_role("combobox", name="Collection").click()
    page.get_by_role("option", name="docs").click()
    page.get_by_role("textbox", name="Name").fill("verify-often")
    page.get_by_role("button", name="Make the schedule").click()
    expect(page.get_by_text("Schedule verify-often was made")).to_be_visible()
    page.get_by_role("tab", name="Schedules").click()
    console_axe.check(page)
    page.get_by_role("combobox", name="How often verify-often runs").click()
    page.get_by_role("option", name="every 6 hours").click()
    expect(page.get_by_text("Schedule verify-often was changed")).to_be_visible()
    page.get_by_role("button", name="Run now: verify-often").click()
    expect(page.get_by_text("verify-often runs now")).to_be_visible()
    page.get_by_role("button", name="Delete verify-often").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("table", name="Schedules")).not_to_contain_text("verify-often")
    page.get_by_role("tab", name="Jobs").click()
    expect(page.get_by_role("table", name="Jobs")).to_contain_text("schedule verify-often")
    served = site[0]
    assert "verify-often" not in {one.name for one in served.kb.catalog.schedules.all()}


def test_a_generation_is_built_beside_and_taken_back(page: Page, site: tuple[Served, str]) -> None:
    served = site[0]
    page.goto("/console/c/docs/models")
    page.get_by_role("button", name="Build another").click()
    page.get_by_role("textbox", name="Longest passage").fill("200")
    page.get_by_role("button", name="Build it").click()
    table = page.get_by_role("table", name="Index generations")
    expect(table.get_by_role("row", name=re.compile("#2"))).to_contain_text("serving", timeout=PATIENCE_MS)
    table.get_by_role("button", name="Evidence").click()
    expect(page.get_by_text(re.compile("Complete: 3 documents"))).to_be_visible()
    console_axe.check(page)
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(table.get_by_role("row", name=re.compile("#1"))).to_contain_text("serving")
    table.get_by_role("row", name=re.compile("#2")).get_by_role("button", name="Retire").click()
    page.get_by_role("dialog").get_by_role("button", name="Retire").click()
    expect(table.get_by_role("row", name=re.compile("#2"))).to_contain_text("retired")
    assert served.kb.catalog.collections.get("docs").settings.chunk_tokens != 200


def test_plans_and_modules_are_listed(page: Page, site: tuple[Served, str]) -> None:
    served = site[0]
    body = {"collection": "docs", "name": "words first", "plan": {"dense_weight": 0.25}}
    served.client.post("/v1/plans", json=body, headers=served.headers(Scope.ADMIN)).raise_for_status()
    page.goto("/console/c/docs/models?show=plans")
    plans = page.get_by_role("table", name="Plans")
    plans.get_by_role("row", name=re.compile("words first")).get_by_role("button", name="Differences").click()
    expect(page.get_by_role("table", name="Differences")).to_contain_text("0.25")
    console_axe.check(page)
    page.get_by_role("tab", name="Modules").click()
    expect(page.get_by_role("heading", name="Language models")).to_be_visible()
    expect(page.get_by_text("gnn-lm-v1")).to_be_visible()
    console_axe.check(page)


def test_a_key_is_made_used_and_revoked(page: Page, site: tuple[Served, str]) -> None:
    served, address = site
    page.goto("/console/access")
    page.get_by_role("button", name="New key").click()
    page.get_by_role("textbox", name="Name").fill("intranet")
    page.get_by_role("switch", name="Only for some collections").check()
    page.locator("input").and_(page.get_by_label("Collections", exact=True)).click()
    page.get_by_role("option", name="docs").click()
    page.locator("input").and_(page.get_by_label("Groups", exact=True)).fill("hr")
    page.keyboard.press("Enter")
    console_axe.check(page, ("light",))
    page.mouse.click(*BESIDE)  # what was typed stays
    making = console_pages.held(page, "**/v1/keys", "POST")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Close")).to_have_count(0)
    page.keyboard.press("Escape")  # the key is on its way, and will be shown once
    page.mouse.click(*BESIDE)
    making().continue_()
    key = page.get_by_test_id("new-key").inner_text()
    page.unroute("**/v1/keys")
    page.keyboard.press("Escape")
    page.mouse.click(*BESIDE)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # as over plain http
    page.get_by_role("dialog").get_by_role("button", name="Copy").click()
    expect(page.get_by_role("tooltip", name=re.compile("Copied|Selected"))).to_be_visible()
    assert page.evaluate("getSelection().toString()") == key
    made = page.context.request
    headers = {"Authorization": f"Bearer {key}"}
    search = {"collection": "docs", "query": "salary of the chief drive engineer"}
    found = made.post(f"{address}/v1/search", data=search, headers=headers).json()["hits"]
    assert found[0]["key"] == "hr/salary"
    page.get_by_role("button", name="I have it").click()
    table = page.get_by_role("table", name="Keys")
    row = table.get_by_role("row", name=re.compile("intranet"))
    expect(row).to_contain_text("hr")
    expect(row.get_by_role("link", name="What would it see?")).to_have_attribute(
        "href", "/console/c/docs/search?group=hr"
    )
    assert key not in page.content()
    console_axe.check(page)
    row.get_by_role("button", name="Revoke intranet").click()
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text("Revoke the key intranet?")
    asked.get_by_role("button", name="Cancel").click()
    row.get_by_role("button", name="Revoke intranet").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
    expect(table).not_to_contain_text("intranet")
    answer = served.client.post("/v1/search", json=search, headers=headers)
    assert answer.status_code == 401


def asked_as(page: Page, query: str) -> list[str]:
    """Asks the search lab; the groups as which it asks, all sides the same. What only hr reads is not shown."""
    asked: list[list[str]] = []
    page.on("request", lambda one: asked.append(one.post_data_json["as_groups"]) if SEARCH.search(one.url) else None)
    page.get_by_role("textbox", name="Question").fill(query)
    page.keyboard.press("Enter")
    page.get_by_text("The warranty of all drives").first.wait_for()
    expect(page.get_by_text("gold coins")).to_have_count(0)
    assert asked and all(one == asked[0] for one in asked), asked
    return asked[0]


def test_groups_and_the_audit_log(page: Page, site: tuple[Served, str]) -> None:
    served = site[0]
    served.key(Scope.READ, groups=["support", "sales & more"])
    page.goto("/console/access?show=groups")
    page.get_by_role("link", name="Search as sales & more").click()
    assert asked_as(page, "salary of the chief drive engineer, warranty of drives") == ["sales & more"]
    page.goto("/console/access?show=groups")
    page.get_by_role("link", name="Look").click()  # as somebody without a group
    assert asked_as(page, "salary of the chief drive engineer, warranty of drives") == ["everyone"]
    page.goto("/console/access?show=groups")
    console_axe.check(page)
    page.get_by_role("tab", name="Audit log").click()
    acts = page.get_by_role("table", name="Audit log")
    page.get_by_role("textbox", name="Act").fill("PUT")
    expect(acts.get_by_role("row").nth(1)).to_contain_text("PUT /v1/collections/{collection}/documents")
    expect(acts).not_to_contain_text("POST /v1/collections")
    console_axe.check(page)
    page.get_by_role("textbox", name="On what").fill("nowhere at all")
    expect(page.get_by_text("No acts like that")).to_be_visible()


def test_whoever_may_only_read_sees_neither_page_nor_data(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    with console_pages.person(chromium, address, served.key(Scope.READ)) as person:
        page = console_pages.opened(person, "/jobs")
        expect(page.get_by_role("navigation", name="Pages").get_by_role("link", name="Access")).to_have_count(0)
        expect(page.get_by_role("button", name="New job or schedule")).to_have_count(0)
        expect(page.get_by_role("button", name=re.compile("Cancel|Try again"))).to_have_count(0)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto("/console/access")
        expect(page.get_by_text("This page is not for your key")).to_be_visible()
        assert not [url for url in asked if "/v1/keys" in url or "/v1/audit" in url]
        for path in ("/v1/keys", "/v1/audit"):
            assert page.evaluate("path => fetch(path).then(answer => answer.status)", path) == 403
        page.goto("/console/c/docs/models")
        expect(page.get_by_role("button", name="Build another")).to_have_count(0)


@pytest.mark.parametrize("path", ["/jobs", "/jobs?show=schedules", "/c/docs/models", "/c/docs/models?show=plans",
                                  "/access", "/access?show=groups", "/access?show=audit"])  # fmt: skip
def test_all_of_it_is_said_in_chinese(chromium: Browser, site: tuple[Served, str], path: str) -> None:
    served, address = site
    if path == "/jobs":
        job = {"kind": "verify", "collection": "docs"}
        assert served.client.post("/v1/jobs", json=job, headers=served.headers(Scope.ADMIN)).status_code == 202
    options = {"locale": "zh-CN"} | console_axe.OPTIONS
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), **options) as person:
        page = console_pages.opened(person, path)
        page.get_by_role("table").first.wait_for()
        words = page.get_by_role("heading").all_inner_texts() + page.get_by_role("columnheader").all_inner_texts()
        words += page.get_by_role("tab").all_inner_texts() + page.get_by_role("button").all_inner_texts()
        words = [word for word in words if word.strip() not in ("", "slow")]  # a kind of job that another test ran
        assert [word for word in words if not re.search("[一-鿿]", word)] == []
        console_axe.check(page, ("light",))


def test_a_failed_job_says_why_in_chinese_and_in_the_servers_words(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    job = served.kb.catalog.jobs.create("evaluate", "docs", {"eval_set": "never-made"})
    served.ended(f"/v1/jobs/{job.id}", served.headers(Scope.ADMIN))
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), locale="zh-CN") as person:
        row = console_pages.opened(person, "/jobs").get_by_role("row").filter(has_text="never-made")
        expect(row).to_contain_text("不存在")


def test_what_is_refused_says_why_in_chinese_and_in_the_servers_words(
    chromium: Browser, site: tuple[Served, str]
) -> None:
    served, address = site
    generations, record = served.kb.catalog.generations, served.kb.catalog.collections.get("docs")
    lacking = generations.begin(record, record.encoder, record.encoder_fingerprint, generations.all(record)[0].settings)
    views = {"dense": {"missing": 3, "surplus": 0, "changed": 1}}
    parity = {"in_step": False, "documents": 3, "chunks": 3, "documents_lost": 2, "views": views}
    generations.finish(record, lacking.id, {"parity": parity})
    try:
        with console_pages.person(chromium, address, served.key(Scope.ADMIN), locale="zh-CN") as person:
            page = console_pages.opened(person, "/c/docs/models")
            row = page.get_by_role("row", name=re.compile(f"#{lacking.id}"))
            row.get_by_role("button", name="证据").click()
            expect(page.get_by_text("2 篇文档在其中没有段落")).to_be_visible()
            expect(page.get_by_text("向量索引：缺少 3，多余 0，有变动 1")).to_be_visible()
            row.get_by_role("button", name="投入使用").click()
            page.get_by_role("dialog").get_by_role("button", name="投入使用").click()
            told = page.get_by_role("alert").filter(has_text="当前状态不允许这样做。（原文：")
            expect(told).to_contain_text("2 documents without passages; dense view: 3 missing, 1 changed")
    finally:
        generations.retire(record, lacking.id)
