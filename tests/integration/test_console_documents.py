"""The console's documents in a real browser: found, read, compared, brought back, explained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import console_axe
import console_pages
import console_reading as library
import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from served import SALARY, Served

from retrieval.catalog.keys import Scope
from retrieval.errors import NotFoundError
from retrieval.types import OPERATOR

LIST = "/c/docs/documents"
TYPED_MS = 600  # longer than the page waits for another letter
MANY = 10_000
MANY_AT_ONCE = 2_500
PATIENCE_SECONDS = 120.0
CLEAR_BOTH = """() => document.querySelectorAll('[aria-label="Documents of all sources"], '
    + '[aria-label="Documents in all languages"]').forEach(one => one.click())"""


def view(key: str, tab: str = "text") -> str:
    return f"{LIST}/view?key={key}&tab={tab}"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    with library.serving(tmp_path_factory.mktemp("kb")) as opened:
        yield opened


@pytest.fixture
def page(chromium: Browser, base: tuple[Served, str]) -> Iterator[Page]:
    """The list of documents as an admin sees it."""
    served, address = base
    with console_pages.page_of(chromium, address, served.key(Scope.ADMIN), LIST) as opened:
        yield opened


def rows(page: Page) -> list[str]:
    """The keys of the documents listed."""
    return page.get_by_role("table", name="Documents").locator("tbody tr td:first-child p").all_inner_texts()


def test_a_document_is_found_and_its_passages_stand_beside_the_text(page: Page, base: tuple[Served, str]) -> None:
    page.get_by_label("Search", exact=True).fill("BRAKE")
    expect(page.get_by_role("table", name="Documents").locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Life of the brake resistor").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Life of the brake resistor")
    stored = library.get(base[0], "/collections/docs/documents/faq/brake", chunks=True)
    passages = page.get_by_role("listitem").get_by_role("button")
    expect(passages).to_have_count(len(stored["passages"]))
    passages.last.press("Enter")
    assert library.marked(page) == stored["passages"][-1]["text"]


def test_the_list_is_narrowed_by_language_and_metadata(page: Page) -> None:
    page.get_by_role("combobox", name="Language").click()
    page.get_by_role("option", name="Chinese").click()
    page.get_by_role("link", name="驱动器的保修期").wait_for()
    expect(page.get_by_role("table", name="Documents").locator("tbody tr")).to_have_count(1)
    page.get_by_role("combobox", name="Language").click()
    page.get_by_role("option", name="Chinese").click()  # once more: no longer
    page.get_by_role("button", name="Conditions on metadata").click()
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("Field", exact=True).fill("number")
    page.get_by_role("combobox", name="Comparison").click()
    page.get_by_role("option", name="at least").click()
    page.get_by_label("Value", exact=True).fill(str(library.MANUALS - 2))
    expect(page.get_by_role("table", name="Documents").locator("tbody tr")).to_have_count(2)
    assert rows(page) == [f"manual/{number:03}" for number in range(library.MANUALS - 2, library.MANUALS)]


def test_two_changes_in_a_row_both_stay(page: Page) -> None:
    """The second is made before the page is drawn after the first, as on a busy machine."""
    page.goto(f"/console{LIST}?source=api&language=zh")
    page.get_by_label("Documents of all sources").wait_for()
    page.get_by_label("Documents in all languages").wait_for()
    page.evaluate(CLEAR_BOTH)
    expect(page).to_have_url(re.compile(f"{LIST}[?]?$"))


def test_what_was_typed_last_pulls_nobody_back(page: Page) -> None:
    """The next page takes its time to load, and what was typed before it is looked for meanwhile."""
    page.get_by_role("link", name="Warranty of drives").wait_for()
    loading = console_pages.held(page, re.compile("/assets/SearchLab.*[.]js$"))
    page.get_by_label("Search", exact=True).fill("brake")
    page.get_by_role("link", name="Search lab").click()
    script = loading()
    page.wait_for_timeout(TYPED_MS)
    script.continue_()
    expect(page.get_by_role("heading", level=1)).to_have_text("Search lab")
    expect(page).to_have_url(re.compile("/c/docs/search$"))


def test_what_the_list_shows_is_what_was_asked_for(page: Page, base: tuple[Served, str]) -> None:
    for key, part in {"text": "1200", "number": 1200, "zeros": "007"}.items():
        library.put(base[0], f"part/{key}", title=f"Part as {key}", text="A part.", metadata={"part": part})
    listed = page.get_by_role("table", name="Documents").locator("tbody tr")
    value = page.get_by_label("Value", exact=True)
    page.get_by_role("button", name="Conditions on metadata").click()
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("Field", exact=True).fill("part")
    value.fill("1200")  # digits, whether they are stored as a number or as text
    expect(listed).to_have_count(2)
    assert rows(page) == ["part/number", "part/text"]
    page.reload()
    expect(value).to_have_value("1200")
    expect(page.get_by_role("combobox", name="Comparison")).to_have_value("is")
    page.get_by_role("combobox", name="Comparison").click()
    page.get_by_role("option", name="is not", exact=True).click()
    page.get_by_role("link", name="Part as zeros").wait_for()
    expect(page.get_by_role("link", name="Part as number")).to_have_count(0)
    page.get_by_role("combobox", name="Comparison").click()
    page.get_by_role("option", name="is", exact=True).click()
    value.fill("007")
    expect(listed).to_have_count(1)
    assert rows(page) == ["part/zeros"]

    menu = page.get_by_role("link", name="Documents", exact=True)
    menu.click()
    page.get_by_role("link", name="Warranty of drives").wait_for()
    expect(value).to_have_count(0)
    page.get_by_label("Search", exact=True).fill("brake")
    expect(listed).to_have_count(1)
    menu.click()
    page.get_by_role("link", name="Warranty of drives").wait_for()
    expect(page.get_by_label("Search", exact=True)).to_have_value("")
    page.go_back()
    expect(listed).to_have_count(1)
    expect(page.get_by_label("Search", exact=True)).to_have_value("brake")
    page.go_back()
    expect(page.get_by_label("Search", exact=True)).to_have_value("")
    expect(value).to_have_value("007")

    waiting = console_pages.held(page, "**/documents?*query=unheard*")  # rows of another list are not called matches
    menu.click()
    page.get_by_role("link", name="Warranty of drives").wait_for()
    page.get_by_label("Search", exact=True).fill("unheard")
    page.locator("main [aria-busy=true]").wait_for()
    expect(page.get_by_text("The ones that match")).to_have_count(0)
    waiting().continue_()
    page.get_by_text("No document matches").wait_for()

    def almost_an_hour_old(route: Route) -> None:
        found = route.fetch()
        listed = found.json()
        for one in listed["documents"]:
            one["as_of"] = (datetime.now(UTC) - timedelta(seconds=3_590)).isoformat()
        route.fulfill(response=found, json=listed)

    page.route("**/documents?*", almost_an_hour_old)
    page.goto(f"/console{LIST}")
    page.get_by_text("1 hour ago").first.wait_for()


def test_a_former_version_is_compared_and_brought_back(page: Page, base: tuple[Served, str]) -> None:
    page.goto(f"/console{view('faq/brake', 'versions')}")
    changed = page.get_by_role("region", name="Difference of the texts")
    expect(changed.locator("del")).to_have_text(["8 ", "12 "])
    expect(changed.locator("ins")).to_have_text(["9 ", "6 "])
    page.get_by_role("button", name="Bring version 1 back").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Life of the brake resistor")
    library.confirm(page, "Bring back")
    page.get_by_text("faq/brake is back").wait_for()
    assert library.BRAKE in library.get(base[0], "/collections/docs/documents/faq/brake")["text"]
    assert library.BRAKE in library.search(base[0], "life of the brake resistor", top_k=1)[0]["text"]


def test_an_admin_changes_who_may_read_it(page: Page, base: tuple[Served, str]) -> None:
    page.goto(f"/console{view('manual/007', 'rights')}")
    page.get_by_label("These groups only").check()
    groups = page.get_by_role("combobox", name="Groups")
    groups.fill("sales")
    groups.press("Enter")
    groups.press("Tab")  # the choices are in the way otherwise
    page.get_by_role("button", name="Save").click()
    page.get_by_text("The rights are changed").wait_for()
    assert library.get(base[0], "/collections/docs/documents/manual/007")["acl"] == ["sales"]
    assert "manual/007" not in {
        hit["key"] for hit in library.search(base[0], "drive number 7", as_groups=["support"], top_k=50)
    }


def test_deleting_asks_once_and_can_be_undone(page: Page, base: tuple[Served, str]) -> None:
    served = base[0]
    collection = served.kb.catalog.collections.get("docs")
    page.goto(f"/console{view('manual/011')}")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("Manual of drive 11")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert served.kb.catalog.documents.get(collection, "manual/011", OPERATOR)
    page.get_by_role("button", name="Delete").click()
    library.confirm(page, "Delete")
    page.get_by_role("button", name="Undo").wait_for()
    with pytest.raises(NotFoundError):
        served.kb.catalog.documents.get(collection, "manual/011", OPERATOR)
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("manual/011 is back").wait_for()
    assert (
        "drive number 11" in served.kb.catalog.documents.get(collection, "manual/011", OPERATOR).document.text.lower()
    )


def test_a_page_says_what_it_knows_and_pulls_nobody_back(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    broken = {"error": {"code": "internal", "message": "The catalog does not answer."}}
    with console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person:
        page = console_pages.opened(person, view("manual/013", "nonsense"))
        page.get_by_role("region", name="Text of the document").wait_for()
        waiting = console_pages.held(page, "**/v1/collections/docs")
        page.get_by_role("tab", name="Rights").click()
        page.get_by_role("tabpanel").get_by_role("status", name="Loading").wait_for()
        expect(page.get_by_text("nobody but admins", exact=True)).to_have_count(0)
        waiting().fulfill(status=500, json=broken)
        page.get_by_text("The catalog does not answer.").wait_for()
        expect(page.get_by_text("nobody but admins", exact=True)).to_have_count(0)
        page.unroute("**/v1/collections/docs")
        page.get_by_role("button", name="Try again").click()
        page.get_by_role("tabpanel").get_by_text("everyone", exact=True).wait_for()

        page.route("**/documents:versions?*", lambda route: route.fulfill(status=500, json=broken))
        page.get_by_role("button", name="Delete").click()
        library.confirm(page, "Delete")
        notice = page.get_by_role("alert").filter(has_text="“Manual of drive 13” is deleted. Where a former version is")
        notice.wait_for()
        expect(page.get_by_role("heading", level=1)).to_have_text("Documents")
        notice.get_by_role("button", name="Close").click()
        expect(notice).to_have_count(0)

        page.goto(f"/console{view('manual/014')}")
        leaving = console_pages.held(page, re.compile("/documents/manual.*014"), "DELETE")
        page.get_by_role("button", name="Delete").click()
        library.confirm(page, "Delete")
        page.get_by_role("link", name="Search lab").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Search lab")
        leaving().continue_()
        page.get_by_text("“Manual of drive 14” is deleted.").wait_for()
        assert page.url.endswith("/c/docs/search")
    library.bulk(served, [library.manual(13), library.manual(14)])


def test_a_deleted_document_is_brought_back_later(page: Page, base: tuple[Served, str]) -> None:
    path = "/v1/collections/docs/documents/manual/012?wait_for=searchable"
    base[0].client.delete(path, headers=base[0].headers(Scope.ADMIN)).raise_for_status()
    page.get_by_text("Deleted", exact=True).click()
    page.get_by_role("button", name="Manual of drive 12", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("Drive number 12")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Bring back Manual of drive 12").click()
    page.get_by_text("manual/012 is back").wait_for()
    page.get_by_text("No deleted document can be brought back").wait_for()


def test_it_says_why_a_document_is_not_found(page: Page, base: tuple[Served, str]) -> None:
    page.goto(f"/console{view('hr/salary', 'why')}")
    page.get_by_label("Question or words").fill("salary of the chief engineer")
    page.get_by_role("button", name="Why?").click()
    page.get_by_text("It is found").wait_for()
    groups = page.get_by_role("combobox", name="What would these groups see?")
    groups.fill("sales")
    groups.press("Enter")
    page.get_by_text("The groups that search may not read it.").wait_for()
    expect(page.get_by_text("salary · there")).to_be_visible()
    page.goto(f"/console{view('manual/029', 'why')}&q=brake+resistor")
    ranked = library.search(base[0], "brake resistor", top_k=library.MANUALS + 5)
    place = [hit["key"] for hit in ranked].index("manual/029") + 1
    page.get_by_text(f"It is a candidate, at place {place} ").wait_for()


def test_markup_in_a_document_is_text(page: Page) -> None:
    page.get_by_role("link", name=library.SCRIPT_TITLE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(library.SCRIPT_TITLE)
    expect(page.get_by_role("region", name="Text of the document")).to_contain_text("<img src=x onerror=")
    assert page.title() == f"{library.SCRIPT_TITLE} · autoglm-kb"
    assert page.locator("main img, main script").count() == 0


def test_a_reader_sees_his_own_documents_and_no_more(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    with console_pages.person(chromium, address, served.key(Scope.READ)) as person:
        page = console_pages.opened(person, f"{LIST}?q=salary")
        page.get_by_text("No document matches").wait_for()
        expect(page.get_by_text("Deleted", exact=True)).to_have_count(0)
        page.goto(f"/console{view('hr/salary')}")
        page.get_by_text("does not exist").wait_for()
        assert SALARY not in page.content()
        page.goto(f"/console{view('faq/warranty', 'versions')}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Warranty of drives")
        expect(page.get_by_role("tab")).to_have_text(["Text and passages", "Rights", "Why is it (not) found?"])
        page.get_by_role("region", name="Text of the document").wait_for()  # instead of the tab that is not for him
        expect(page.get_by_role("button", name="Delete")).to_have_count(0)
        page.get_by_role("tab", name="Rights").click()
        expect(page.get_by_role("button", name="Save")).to_have_count(0)
    with console_pages.person(chromium, address, served.key(Scope.READ, collections=["other"])) as person:
        page = console_pages.opened(person, LIST)
        page.get_by_text("There is no collection docs here").wait_for()
        assert "Warranty" not in page.locator("main").inner_text()


def test_a_lost_connection_is_said_and_recovers(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    with console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person:
        page = console_pages.opened(person, LIST)
        page.get_by_role("link", name="Warranty of drives").wait_for()
        page.evaluate("window.marked = true")
        person.set_offline(True)
        page.get_by_text("Connection lost, retrying").wait_for()
        library.put(served, "faq/meanwhile", title="Written meanwhile", text="Nobody looked.")
        person.set_offline(False)
        page.get_by_text("Connection lost, retrying").wait_for(state="detached")
        page.get_by_role("link", name="Written meanwhile").wait_for()  # without a reload
        assert page.evaluate("window.marked")


def test_all_of_it_is_there_in_chinese(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), locale="zh-CN") as person:
        page = console_pages.opened(person, LIST)
        page.get_by_role("link", name="驱动器的保修期").wait_for()
        assert library.english_left(page) == []
        for tab, settled in {"versions": "从版本", "rights": "更改阅读权限", "why&q=brake": "各检索通道的判断"}.items():
            page.goto(f"/console{view('faq/brake', tab)}")
            page.get_by_text(settled).first.wait_for()
            assert library.english_left(page) == []


def test_axe_finds_nothing_serious(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), **console_axe.OPTIONS) as person:
        page = console_pages.opened(person, LIST)
        page.get_by_role("link", name="Life of the brake resistor").wait_for()
        console_axe.check(page)
        tabs = {"text": "1 passage", "versions": "From version", "rights": "Change who", "why&q=brake": "What each leg"}
        for tab, settled in tabs.items():
            page.goto(f"/console{view('faq/brake', tab)}")
            page.get_by_text(settled).first.wait_for()
            console_axe.check(page)


@pytest.mark.soak  # a minute, most of it to store them
def test_ten_thousand_documents_stay_fluid(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A page of the list holds fifty rows, however many there are; all of them can be reached and searched."""
    with console_pages.serving(tmp_path_factory.mktemp("many")) as (served, address):
        fill_many(served)
        httpx.get(f"{address}/readyz", timeout=PATIENCE_SECONDS)  # a busy machine still takes them in
        with console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person:
            page = console_pages.opened(person, LIST)
            page.get_by_text("10,000 documents").wait_for()
            assert rows(page) == [f"record/{number:05}" for number in range(50)]
            turned_to = console_pages.held(page, "**/documents?*cursor*")
            page.get_by_role("button", name="Next").click()
            page.get_by_text("Page 2", exact=True).wait_for()
            page.get_by_role("button", name="Next").click()  # before the page is there: it turns once
            expect(page.get_by_text("Page 2", exact=True)).to_be_visible()
            turned_to().continue_()
            page.unroute("**/documents?*cursor*")
            page.get_by_text("record/00050", exact=True).wait_for()
            for turned in range(2, 4):
                page.get_by_role("button", name="Next").click()
                page.get_by_text(f"Page {turned + 1}", exact=True).wait_for()
                page.get_by_text(f"record/{50 * turned:05}", exact=True).wait_for()
            assert rows(page) == [f"record/{number:05}" for number in range(150, 200)]
            page.get_by_label("Search", exact=True).fill("number 9876")
            page.get_by_text("record/09876", exact=True).wait_for()
            expect(page.get_by_role("table", name="Documents").locator("tbody tr")).to_have_count(1)
            page.goto(f'/console{LIST}?filter={{"half":{{"$eq":4999}}}}')
            page.get_by_text("record/09999", exact=True).wait_for()
            assert rows(page) == ["record/09998", "record/09999"]


def fill_many(served: Served) -> None:
    """Ten thousand short documents."""
    served.kb.create_collection("docs")
    for start in range(0, MANY, MANY_AT_ONCE):
        documents = [
            {
                "id": f"record/{number:05}",
                "title": f"Record number {number}",
                "text": f"It is {number}.",
                "language": "en",
                "metadata": {"half": number // 2},
            }
            for number in range(start, start + MANY_AT_ONCE)
        ]
        library.bulk(served, documents)
