"""The console's chat in a real browser: streamed answers, exact citations, refusals, and what people think of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import console_axe
import console_pages
import console_reading as library
import drawn_pdf
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from served import SALARY, WARRANTY, Served

from retrieval.catalog.keys import Scope

CHAT = "/c/docs/chat"
QUESTION = "How long is the warranty of all drives?"
ELSEWHERE = "Who won the football match between Ghent and Bruges?"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    with library.serving(tmp_path_factory.mktemp("kb")) as opened:
        yield opened


@pytest.fixture
def page(chromium: Browser, base: tuple[Served, str]) -> Iterator[Page]:
    """The chat as somebody with scope write sees it."""
    served, address = base
    with console_pages.page_of(chromium, address, served.key(Scope.WRITE), CHAT) as opened:
        yield opened


def ask(page: Page, question: str = QUESTION) -> None:
    """Ask, and wait for the last word."""
    field = page.get_by_label("Your question")
    field.fill(question)
    field.press("Enter")
    article = page.get_by_role("article", name=question).last
    article.get_by_role("button", name="Helpful", exact=True).wait_for()


def answered(served: Served, question: str) -> dict[str, object]:
    """The API's own answer, whole."""
    body = {"question": question, "collection": "docs", "stream": False}
    answer = served.client.post("/v1/answers", json=body, headers=served.headers(Scope.WRITE))
    answer.raise_for_status()
    told: dict[str, object] = answer.json()
    return told


def test_an_answer_streams_and_its_citation_opens_the_exact_span(page: Page, base: tuple[Served, str]) -> None:
    told = answered(base[0], QUESTION)
    assert not told["refused"]
    ask(page)
    article = page.get_by_role("article", name=QUESTION)
    expect(article).to_contain_text(WARRANTY)
    source = article.get_by_role("list", name="Sources of the answer").get_by_role("listitem").first
    expect(source.locator("time")).to_have_attribute("datetime", told["citations"][0]["as_of"])  # type: ignore[index]
    article.get_by_role("button", name="Source 1: Warranty of drives").press("Enter")
    assert library.marked(page) == told["citations"][0]["quote"]  # type: ignore[index]
    page.get_by_role("link", name="Open the document").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Warranty of drives")
    assert library.marked(page) == told["citations"][0]["quote"]  # type: ignore[index]
    page.go_back()
    expect(page.get_by_role("article", name=QUESTION)).to_contain_text(WARRANTY)  # the conversation is still there


def test_spans_are_exact_behind_characters_beyond_16_bits(page: Page, base: tuple[Served, str]) -> None:
    question = "How often is the lighthouse lamp changed?"
    quote = answered(base[0], question)["citations"][0]["quote"]  # type: ignore[index]
    assert "90 days" in quote and "😀😀" not in quote
    ask(page, question)
    page.get_by_role("article", name=question).get_by_role("button", name="Source 1: Signs 😀").click()
    assert library.marked(page) == quote


def test_a_citation_tells_page_and_headings_and_older_chats_load_without(page: Page, base: tuple[Served, str]) -> None:
    served, _ = base
    lines = (["1 Safety", "Wear gloves."], ["2 Operation", "Ask first."], ["2.1 Valves", "The flap opens at ten bar."])
    files = [("files", ("flaps.pdf", drawn_pdf.pdf([drawn_pdf.text(one) for one in lines], "Flaps")))]
    path = "/v1/collections/docs/documents:upload?wait_for=searchable"
    served.client.post(path, files=files, headers=served.headers(Scope.WRITE)).raise_for_status()
    question, place = "At how many bar does the flap open?", "page 3 · 2 Operation › 2.1 Valves"
    ask(page, question)
    article = page.get_by_role("article", name=question)
    expect(article.get_by_role("list", name="Sources of the answer")).to_contain_text(f"flaps.pdf · {place} · As of")
    article.get_by_role("button", name=f"Source 1: Flaps · {place}").click()
    assert "ten bar" in library.marked(page)
    expect(page.get_by_role("dialog")).to_contain_text(f"flaps.pdf · {place} · As of")
    page.evaluate(
        """() => {
            const forget = (key, value) => (["page", "heading", "source"].includes(key) ? undefined : value);
            const kept = Object.keys(sessionStorage).filter((key) => key.startsWith("kb-chat-"));
            if (kept.length !== 1) throw new Error(`${kept.length} conversations are kept`);
            sessionStorage.setItem(kept[0], JSON.stringify(JSON.parse(sessionStorage.getItem(kept[0])), forget));
        }"""
    )
    page.reload()
    article.get_by_role("button", name="Source 1: Flaps", exact=True).click()
    assert "ten bar" in library.marked(page)


def test_what_the_documents_do_not_say_is_refused(page: Page, base: tuple[Served, str]) -> None:
    assert answered(base[0], ELSEWHERE)["refused"]
    ask(page, ELSEWHERE)
    article = page.get_by_role("article", name=ELSEWHERE)
    expect(article.get_by_role("alert")).to_contain_text("the documents do not support an answer")
    expect(article.get_by_role("button", name="Source 1")).to_have_count(0)
    expect(article).to_contain_text("What came nearest")


def test_a_thumb_up_becomes_a_case_in_one_click(page: Page, base: tuple[Served, str]) -> None:
    ask(page)
    page.get_by_role("button", name="Helpful", exact=True).click()
    page.get_by_text("Thank you").wait_for()
    feedback = library.get(base[0], "/feedback", collection="docs")["feedback"][0]
    assert (feedback["query"], feedback["rating"], feedback["document_key"]) == (QUESTION, 1, "faq/warranty")
    page.get_by_role("button", name="Save as evaluation case").click()
    page.get_by_text("Saved into “chat-feedback”.").wait_for()
    cases = library.get(base[0], "/eval-sets/chat-feedback", collection="docs")["questions"]
    assert {one["text"]: one["judgements"] for one in cases}[QUESTION] == {"faq/warranty": 1}


def test_a_thumb_down_tells_why_and_what_is_right(page: Page, base: tuple[Served, str]) -> None:
    question = "How long is the warranty of drives from delivery?"
    ask(page, question)
    page.get_by_role("button", name="Not helpful").click()
    page.get_by_label("It cites the wrong source").check()
    page.get_by_label("In your words").fill("the Chinese text is newer")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Thank you").wait_for()
    feedback = library.get(base[0], "/feedback", collection="docs")["feedback"][0]
    assert (feedback["rating"], feedback["comment"]) == (-1, "wrong source: the Chinese text is newer")
    right = page.get_by_role("combobox", name="Which document is right?")
    right.fill("faq/zh")
    page.get_by_role("option", name="驱动器的保修期").click()
    page.get_by_role("button", name="Save as evaluation case").click()
    page.get_by_text("Saved into “chat-feedback”.").wait_for()
    cases = library.get(base[0], "/eval-sets/chat-feedback", collection="docs")["questions"]
    judged = {one["text"]: one["judgements"] for one in cases}[question]
    assert judged["faq/zh"] == 1 and judged["faq/warranty"] == 0


def test_markup_is_text_in_answers_too(page: Page) -> None:
    question = "How often are hydraulic couplings greased?"
    ask(page, question)
    article = page.get_by_role("article", name=question)
    expect(article).to_contain_text(library.SCRIPT_TITLE)
    article.get_by_role("button", name=f"Source 1: {library.SCRIPT_TITLE}").click()
    assert "40 days" in library.marked(page)
    assert page.title() == "Chat · autoglm-kb"
    assert page.locator("main img, main script, [role=dialog] img, [role=dialog] script").count() == 0


def test_it_follows_a_conversation(page: Page) -> None:
    """The second question says only what is new; the words before come with it."""
    sent: list[dict[str, object]] = []

    def note(route: Route) -> None:
        sent.append(json.loads(route.request.post_data or "{}"))
        route.continue_()

    page.route("**/v1/answers", note)
    ask(page)
    ask(page, "And of the brake resistor?")
    assert sent[0]["history"] == []
    history = sent[1]["history"]
    assert isinstance(history, list) and [one["role"] for one in history] == ["user", "assistant"]
    assert history[0]["text"] == QUESTION and WARRANTY in history[1]["text"]
    page.get_by_role("button", name="Begin anew").click()
    expect(page.get_by_role("article")).to_have_count(0)


def test_a_reload_keeps_the_conversation_and_logging_out_ends_it(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    with console_pages.person(chromium, address, served.key(Scope.READ)) as person:
        page = console_pages.opened(person, CHAT)
        ask(page)
        ask(page, ELSEWHERE)
        page.reload()
        expect(page.get_by_role("article", name=QUESTION)).to_contain_text(WARRANTY)
        expect(page.get_by_role("article", name=ELSEWHERE)).to_contain_text("What came nearest")
        page.get_by_role("button", name="Source 1: Warranty of drives").click()
        assert library.marked(page) == answered(served, QUESTION)["citations"][0]["quote"]  # type: ignore[index]
        other = {"key": served.key(Scope.READ, groups=["hr"])}
        assert person.request.post("/console/session", data=other).ok  # somebody else, in another tab
        page.reload()
        page.get_by_role("heading", level=1, name="Chat").wait_for()
        expect(page.get_by_role("article")).to_have_count(0)
        ask(page)
        page.get_by_role("button", name="Account and display").click()
        page.get_by_role("menuitem", name="Log out").click()
        page.get_by_label("Key").wait_for()
        assert page.evaluate("sessionStorage.length") == 0


def test_an_opinion_is_given_once_and_a_failure_is_kept(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    with console_pages.person(chromium, address, served.key(Scope.WRITE)) as person:
        page = console_pages.opened(person, CHAT)
        given: list[str] = []
        page.on("request", lambda asked: given.append(asked.url) if asked.url.endswith("/v1/feedback") else None)
        ask(page)
        helpful = page.get_by_role("button", name="Helpful", exact=True)
        helpful.dblclick()
        page.get_by_text("Thank you").wait_for()
        page.get_by_role("link", name="Documents", exact=True).click()
        page.get_by_role("heading", level=1, name="Documents").wait_for()
        page.get_by_role("link", name="Chat").click()
        page.get_by_text("Thank you").wait_for()
        helpful.click()
        page.reload()
        page.get_by_text("Thank you").wait_for()
        expect(helpful).to_have_attribute("aria-pressed", "true")
        assert len(given) == 1

        page.route("**/v1/answers", lambda route: route.abort())
        page.get_by_label("Your question").fill(ELSEWHERE)
        page.get_by_label("Your question").press("Enter")
        page.get_by_text("The server does not answer").wait_for()
        page.reload()
        expect(page.get_by_role("article", name=ELSEWHERE)).to_contain_text("The server does not answer")
        page.unroute("**/v1/answers")
        page.get_by_role("button", name="Begin anew").click()

        ask(page)
        page.get_by_role("button", name="Not helpful").click()
        page.get_by_role("button", name="Send").click()
        waiting = console_pages.held(page, "**/documents?*query=faq*")
        page.get_by_role("combobox", name="Which document is right?").fill("faq")
        page.get_by_text("Loading…").wait_for()
        expect(page.get_by_text("No document matches")).to_have_count(0)
        broken = {"error": {"code": "internal", "message": "The catalog does not answer."}}
        waiting().fulfill(status=500, json=broken)
        page.get_by_text("The catalog does not answer.").wait_for()


def test_a_lost_connection_is_said_and_asked_again(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    with console_pages.person(chromium, address, served.key(Scope.READ)) as person:
        page = console_pages.opened(person, CHAT)
        page.route("**/v1/answers", lambda route: route.abort())
        field = page.get_by_label("Your question")
        field.fill(QUESTION)
        field.press("Enter")
        page.get_by_text("The server does not answer").wait_for()
        page.unroute("**/v1/answers")
        page.get_by_role("button", name="Try again").click()
        page.get_by_role("button", name="Source 1: Warranty of drives").wait_for()


def test_nobody_is_answered_from_what_he_may_not_read(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    question = "What is the salary of the chief drive engineer?"
    with console_pages.person(chromium, address, served.key(Scope.READ, groups=["hr"])) as person:
        page = console_pages.opened(person, CHAT)
        ask(page, question)
        expect(page.get_by_role("article", name=question)).to_contain_text(SALARY)
        page.get_by_role("button", name="Helpful", exact=True).click()
        page.get_by_text("Thank you").wait_for()
        expect(page.get_by_role("button", name="Save as evaluation case")).to_have_count(0)
    with console_pages.person(chromium, address, served.key(Scope.READ)) as person:
        page = console_pages.opened(person, CHAT)
        ask(page, question)
        assert SALARY not in page.content()
    with console_pages.person(chromium, address, served.key(Scope.READ, collections=["other"])) as person:
        page = console_pages.opened(person, CHAT)
        page.get_by_text("There is no collection docs here").wait_for()
        expect(page.get_by_label("Your question")).to_have_count(0)


def test_all_of_it_is_there_in_chinese(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    question = "所有驱动器的保修期是多久？"
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), locale="zh-CN") as person:
        page = console_pages.opened(person, CHAT)
        assert library.english_left(page) == []
        page.get_by_label("你的问题").fill(question)
        page.get_by_role("button", name="提问", exact=True).click()
        page.get_by_role("button", name="没有帮助").click()
        page.get_by_label("内容过时").wait_for()
        assert library.english_left(page) == []
        expect(page.get_by_role("article", name=question)).to_contain_text("二十四个月")


def test_axe_finds_nothing_serious(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), **console_axe.OPTIONS) as person:
        page = console_pages.opened(person, CHAT)
        ask(page)
        ask(page, ELSEWHERE)
        page.get_by_role("button", name="Not helpful").first.click()
        page.get_by_label("It is outdated").wait_for()
        console_axe.check(page)
        page.get_by_role("button", name="Source 1: Warranty of drives").first.click()
        library.marked(page)
        console_axe.check(page)
