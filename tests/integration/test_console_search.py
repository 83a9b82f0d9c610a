"""The search lab in a real browser: two plans compared, applied, rolled back; judgements become evaluation cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

import console_axe
import console_pages
import console_reading as library
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from served import Served

from retrieval.catalog.keys import Scope

LAB = "/c/docs/search"
QUERY = "brake resistor of drive number 3"
WORDS_FIRST = {"dense_weight": 0.1}
NAMES = {"sparse": "Words", "dense": "Meaning", "feedback": "Likeness to the first hits"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    with library.serving(tmp_path_factory.mktemp("kb")) as (served, address):
        body = {"collection": "docs", "name": "words first", "plan": WORDS_FIRST}
        served.client.post("/v1/plans", json=body, headers=served.headers(Scope.ADMIN)).raise_for_status()
        yield served, address


@pytest.fixture
def page(chromium: Browser, base: tuple[Served, str]) -> Iterator[Page]:
    """The lab as an admin sees it."""
    served, address = base
    with console_pages.page_of(chromium, address, served.key(Scope.ADMIN), LAB) as opened:
        yield opened


def ask(page: Page, query: str = QUERY) -> None:
    field = page.get_by_label("Question or words")
    field.fill(query)
    field.press("Enter")
    side(page, "left").get_by_role("article").first.wait_for()


def side(page: Page, which: str) -> Locator:
    return page.get_by_role("region", name=f"Plan on the {which}")


def choose_plan(page: Page, which: str, plan: str) -> None:
    side(page, which).get_by_role("combobox").click()
    page.get_by_role("option", name=plan).click()


def test_where_nothing_is_about_the_question_it_is_said(page: Page) -> None:
    ask(page, "stellar nucleosynthesis")
    expect(side(page, "left").get_by_text("Nothing here seems to be about that")).to_be_visible()
    ask(page)
    expect(side(page, "left").get_by_text("Nothing here seems to be about that")).to_have_count(0)


def titles(page: Page, which: str) -> list[str]:
    side(page, which).get_by_role("article").first.wait_for()
    found = side(page, which).get_by_role("article").all()
    return [one.get_attribute("aria-label") or "" for one in found]


def expect_titles(page: Page, which: str, ordered: list[str]) -> None:
    """Waits for these titles: what another plan found stays on the page until the answer is there."""
    articles = side(page, which).get_by_role("article")
    expect(articles).to_have_count(len(ordered))
    for place, title in enumerate(ordered):
        expect(articles.nth(place)).to_have_attribute("aria-label", title)


def serving(served: Served) -> dict[str, Any]:
    plan: dict[str, Any] = library.get(served, "/plans", collection="docs")["serving"]
    return plan


def test_both_sides_show_what_the_api_says_of_their_plans(page: Page, base: tuple[Served, str]) -> None:
    ask(page)
    expected = {
        "left": library.search(base[0], QUERY),
        "right": library.search(base[0], QUERY, plan={"fusion": "sparse"}),
    }
    for which, hits in expected.items():
        expect_titles(page, which, [hit["title"] for hit in hits])
        for hit, shown in zip(hits, side(page, which).get_by_role("article").all(), strict=True):
            for leg, name in NAMES.items():
                given = hit["explain"][leg]
                if isinstance(given, dict):
                    expect(shown).to_contain_text(f"{name} {given['contribution']:.3f}".rstrip("0").rstrip("."))
                    expect(shown).to_contain_text(f"rank {given['rank']}")
    left, right = titles(page, "left"), titles(page, "right")
    moved = next(one for one in left if one in right and left.index(one) != right.index(one))
    steps = right.index(moved) - left.index(moved)
    note = f"↑ {steps} higher" if steps > 0 else f"↓ {-steps} lower"
    expect(side(page, "left").get_by_role("article", name=moved, exact=True)).to_contain_text(note)


def test_a_plan_is_compared_applied_and_rolled_back(page: Page, base: tuple[Served, str]) -> None:
    served = base[0]
    assert serving(served)["id"] is None
    ask(page)
    choose_plan(page, "right", "words first")
    expect(page.get_by_role("button", name="Roll back")).to_have_count(0)  # nothing was applied yet
    ordered = [hit["title"] for hit in library.search(served, QUERY, plan=WORDS_FIRST)]
    expect_titles(page, "right", ordered)
    side(page, "right").get_by_role("button", name="Apply").click()
    expect(page.get_by_role("dialog")).to_contain_text("words first")
    library.confirm(page, "Cancel")
    assert serving(served)["id"] is None
    side(page, "right").get_by_role("button", name="Apply").click()
    library.confirm(page, "Apply")
    page.get_by_text("“words first” serves now.").wait_for()
    assert serving(served)["name"] == "words first"
    assert [hit["title"] for hit in library.search(served, QUERY)] == ordered
    page.get_by_role("button", name="Roll back").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("“default” serves from the next request on")
    library.confirm(page, "Roll back")
    page.get_by_text("“default” serves again.").wait_for()
    assert serving(served)["id"] is None


def test_own_values_are_tried_stored_and_applied(page: Page, base: tuple[Served, str]) -> None:
    served = base[0]
    ask(page)
    side(page, "right").get_by_role("button", name="Change values").click()
    page.get_by_label("Weight of meaning").fill("0.25")
    page.get_by_role("combobox", name="How the legs become one ranking").click()
    page.get_by_role("option", name="weighted sum of scores").click()
    page.get_by_role("button", name="Search with these values").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    ordered = [hit["title"] for hit in library.search(served, QUERY, plan={"dense_weight": 0.25})]
    expect_titles(page, "right", ordered)
    page.reload()  # the address holds it all
    expect_titles(page, "right", ordered)
    side(page, "right").get_by_role("button", name="Apply").click()
    page.get_by_label("Name of the plan").fill("a quarter")
    page.get_by_role("button", name="Store and apply").click()
    page.get_by_text("“a quarter” serves now.").wait_for()
    now = serving(served)
    assert (now["name"], now["plan"]["dense_weight"]) == ("a quarter", 0.25)
    body = {"collection": "docs", "reason": "end of the test"}
    served.client.post("/v1/plans:rollback", json=body, headers=served.headers(Scope.ADMIN)).raise_for_status()


def test_judgements_are_saved_as_a_case(page: Page, base: tuple[Served, str]) -> None:
    served = base[0]
    ask(page, "life of the brake resistor")
    hits = library.search(served, "life of the brake resistor")
    first, second = (side(page, "left").get_by_role("article").nth(place) for place in (0, 1))
    first.get_by_role("button", name="Right for this question").click()
    second.get_by_role("button", name="Wrong for this question").press("Enter")
    missing = page.get_by_role("combobox", name="A right document is missing")
    missing.fill("signs")
    page.get_by_role("option", name="Signs 😀").click()
    case = page.get_by_role("form", name="Evaluation case")
    expect(case).to_contain_text("missing")
    page.get_by_role("combobox", name="Evaluation set").fill("from-the-lab")
    case.get_by_role("button", name="Save as evaluation case").click()
    page.get_by_text("Saved into “from-the-lab”.").wait_for()
    (question,) = library.get(served, "/eval-sets/from-the-lab", collection="docs")["questions"]
    assert question["text"] == "life of the brake resistor"
    assert question["judgements"] == {hits[0]["key"]: 1, hits[1]["key"]: 0, "signs": 1}
    expect(case.get_by_role("button", name="Save as evaluation case")).to_be_disabled()


def test_an_admin_sees_what_others_would_see(page: Page) -> None:
    ask(page, "salary of the chief drive engineer")
    assert "Salary of the chief drive engineer" in titles(page, "left")
    page.get_by_role("button", name="Conditions and rights").click()
    groups = page.get_by_role("combobox", name="What would these groups see?")
    groups.fill("sales")
    groups.press("Enter")
    page.get_by_text("Shown as seen by: sales").wait_for()
    expect(page.get_by_role("article", name="Salary of the chief drive engineer")).to_have_count(0)
    groups.fill("hr")
    groups.press("Enter")
    page.get_by_text("Shown as seen by: sales, hr").wait_for()
    side(page, "left").get_by_role("article", name="Salary of the chief drive engineer").wait_for()


def test_the_numbers_shown_are_those_that_are_searched_with(page: Page) -> None:
    ask(page)
    page.get_by_role("button", name="Conditions and rights").click()
    hits = page.get_by_label("Hits", exact=True)
    hits.press("Control+a")
    hits.press_sequentially("150")
    expect(hits).to_have_value("15")  # not more than the hundred that a search gives
    page.wait_for_url("**k=15*")
    hits.fill("")
    page.get_by_text("A number is needed").wait_for()
    assert not hits.evaluate("field => field.form.checkValidity()")
    hits.fill("1")
    side(page, "left").get_by_text("1 hit in ").wait_for()
    expect(page.get_by_text("A number is needed")).to_have_count(0)

    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("Field", exact=True).fill("number")
    page.get_by_label("Value", exact=True).fill("3")
    page.wait_for_url("**filter=*")
    page.get_by_role("combobox", name="Comparison").click()
    page.get_by_role("option", name="contains").click()
    page.wait_for_url(lambda url: '{"number":{"$contains":"3"}}' in unquote_plus(url))
    page.get_by_role("link", name="Search lab").click()
    expect(page.get_by_label("Value", exact=True)).to_have_count(0)
    expect(hits).to_have_value("10")

    ask(page)
    side(page, "right").get_by_role("button", name="Change values").click()
    weight = page.get_by_label("Weight of meaning")
    weight.fill("")
    page.get_by_role("button", name="Search with these values").click()
    page.get_by_role("dialog").get_by_text("A number is needed").wait_for()
    weight.fill("0.20")
    page.get_by_role("button", name="Search with these values").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.wait_for_url(lambda url: '"dense_weight":0.2,' in unquote_plus(url))


def test_a_hit_opens_its_passage_as_text(page: Page, base: tuple[Served, str]) -> None:
    ask(page, "hydraulic couplings")
    (hit,) = library.search(base[0], "hydraulic couplings", top_k=1)
    assert hit["title"] == library.SCRIPT_TITLE
    side(page, "left").get_by_role("button", name=library.SCRIPT_TITLE).click()
    assert library.marked(page) == hit["text"]
    assert page.title() == "Search lab · autoglm-kb"
    assert page.locator("main img, main script").count() == 0


def test_a_reader_compares_and_changes_nothing(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    with console_pages.person(chromium, address, served.key(Scope.READ)) as person:
        page = console_pages.opened(person, LAB)
        ask(page, "salary of the chief drive engineer")
        assert "Salary of the chief drive engineer" not in titles(page, "left")
        for name in ("Apply", "Roll back", "Right for this question", "Save as evaluation case"):
            expect(page.get_by_role("button", name=name)).to_have_count(0)
    with console_pages.person(chromium, address, served.key(Scope.READ, collections=["other"])) as person:
        page = console_pages.opened(person, f"{LAB}?q=warranty")
        page.get_by_text("There is no collection docs here").wait_for()
        expect(page.get_by_role("article")).to_have_count(0)


def test_all_of_it_is_there_in_chinese(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), locale="zh-CN") as person:
        page = console_pages.opened(person, f"{LAB}?q=保修期")
        page.get_by_role("article", name="驱动器的保修期").first.wait_for()
        page.get_by_role("button", name="条件与权限").click()
        page.get_by_role("combobox", name="这些用户组能看到什么？").wait_for()
        assert library.english_left(page) == []
        page.get_by_role("button", name="修改数值").first.click()
        page.get_by_label("语义的权重").wait_for()
        assert library.english_left(page) == []


def test_axe_finds_nothing_serious(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), **console_axe.OPTIONS) as person:
        page = console_pages.opened(person, LAB)
        page.get_by_role("button", name="Conditions and rights").click()
        ask(page)
        console_axe.check(page)
        side(page, "right").get_by_role("button", name="Change values").click()
        page.get_by_label("Weight of meaning").wait_for()
        console_axe.check(page)
