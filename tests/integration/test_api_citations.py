"""A citation says where a person finds the quote: page and headings of the very span, table and key of a row."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docx
import pytest
import served
from drawn_pdf import pdf, text

from api.commands.search import show_answer
from api.serving.citation_places import CitationPlaces
from api.sources.opening import open_source
from api.wire.presentation import answer_json
from retrieval.answer.choice import AnswerChoice
from retrieval.answer.endpoint import ChatEndpoint
from retrieval.catalog.keys import Scope
from retrieval.plan import Plan
from retrieval.types import OPERATOR, Block, BlockKind, Document, Principal

VALVE = "The relief valve of the boiler opens at ten bar."
CREDIT = "The credit limit of new customers is 900 euros."
MAPPING = 'tables:\n  main.faq:\n    title: question\n    body: "{question}\\n{answer}"\n'
PLACES = {  # question -> what its citation says
    "At how many bar does the relief valve of the boiler open?": ("manual.pdf", 3, "2 Operation › 2.1 Valves"),
    "What is the credit limit of new customers?": ("policy.docx", None, "Sales › Credit"),
}


def manual() -> bytes:
    """Three pages, short enough to be one passage, which begins on the first."""
    pages = [["1 Safety", "Wear gloves near the oven."], ["2 Operation", "Ask the foreman."], ["2.1 Valves", VALVE]]
    return pdf([text(page) for page in pages], "Manual")


def policy() -> bytes:
    document = docx.Document()
    document.core_properties.title = "Policy"
    for level, heading, words in ((1, "Sales", "Be kind."), (2, "Credit", CREDIT), (2, "Visits", "Be on time.")):
        document.add_heading(heading, level)
        document.add_paragraph(words)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[served.Served]:
    folder = tmp_path_factory.mktemp("citations")
    endpoint = {"llm_base_url": "http://127.0.0.1:9/v1", "llm_model": "m"}
    with served.in_process(folder / "data", **endpoint) as opened:
        served.fill(opened)
        files = [("files", (name, data)) for name, data in (("manual.pdf", manual()), ("policy.docx", policy()))]
        path = "/v1/collections/docs/documents:upload?wait_for=searchable"
        opened.client.post(path, files=files, headers=opened.headers(Scope.ADMIN)).raise_for_status()
        _read_rows(opened, folder)
        yield opened


def _read_rows(api: served.Served, folder: Path) -> None:
    with sqlite3.connect(folder / "shop.db") as connection:
        connection.execute("CREATE TABLE faq (id INTEGER PRIMARY KEY, question TEXT, answer TEXT)")
        connection.execute("INSERT INTO faq VALUES (7, 'When does the canteen close?', 'The canteen closes at 14:30.')")
    connection.close()
    (folder / "mapping.yaml").write_text(MAPPING)
    found = open_source(api.kb, "docs", f"sqlite:///{folder / 'shop.db'}", mapping=folder / "mapping.yaml", name="shop")
    api.kb.ingest("docs", found.source, rows=found.rows)


def ask(api: served.Served, question: str, **more: Any) -> Any:
    body = {"question": question, "collection": "docs", "stream": False} | more
    response = api.client.post("/v1/answers", json=body, headers=api.headers())
    response.raise_for_status()
    return response


def place(citation: dict[str, Any]) -> tuple[str, int | None, str]:
    return citation["source"]["key"], citation["page"], citation["heading"]


@pytest.mark.parametrize("question", list(PLACES))
def test_pages_and_headings_are_those_of_the_quote(api: served.Served, question: str) -> None:
    citation = ask(api, question).json()["citations"][0]
    assert citation["quote"] in (VALVE, CREDIT)
    assert place(citation) == PLACES[question]


def test_streams_chats_and_tools_tell_the_same(api: served.Served) -> None:
    question = next(iter(PLACES))
    expected = ask(api, question).json()["citations"]
    streamed = [block.split("\ndata: ") for block in ask(api, question, stream=True).text.strip().split("\n\n")]
    assert [json.loads(data) for name, data in streamed if name == "event: citation"] == expected
    chat = {"model": "docs", "messages": [{"role": "user", "content": question}]}
    replied = api.client.post("/v1/chat/completions", json=chat, headers=api.headers()).json()
    assert replied["citations"] == expected
    call = {"name": "ask", "arguments": {"question": question, "collection": "docs"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    told = api.client.post("/mcp", json=message, headers=api.headers()).json()
    assert told["result"]["structuredContent"]["citations"] == expected


@pytest.mark.parametrize("question", list(PLACES))
def test_what_a_model_wrote_has_them_too(api: served.Served, monkeypatch: pytest.MonkeyPatch, question: str) -> None:
    said = VALVE if "valve" in question else CREDIT
    monkeypatch.setattr(ChatEndpoint, "stream", lambda *_: iter([f"{said} [1]"]))
    plan = Plan(answer=AnswerChoice("openai"))
    found = api.kb.answer("docs", question, OPERATOR, plan=plan)
    assert found.answer.generator == "openai" and not found.answer.degraded
    assert place(answer_json(found.answer, found.search)["citations"][0]) == PLACES[question]


def test_a_row_is_cited_by_its_table_and_key(api: served.Served) -> None:
    citation = ask(api, "When does the canteen close?").json()["citations"][0]
    source = citation["source"]
    assert (source["name"], source["table"], source["key"]) == ("shop", "main.faq", "main.faq/7")
    assert citation["page"] is None and citation["heading"] == ""


def test_dify_gets_heading_and_row(api: served.Served) -> None:
    body = {"knowledge_id": "docs", "query": "canteen", "retrieval_setting": {"top_k": 1}}
    [record] = api.client.post("/v1/retrieval", json=body, headers=api.headers()).json()["records"]
    told = record["metadata"]
    assert (told["_source"], told["_table"], told["_key"]) == ("shop", "main.faq", "main.faq/7")
    assert told["heading"] == ""


def test_a_document_that_changed_since_tells_nothing_of_the_quote(api: served.Served) -> None:
    """The outline of the new text would name a place where something else stands."""
    text = "Hours\n\nThe pool opens at seven.\n\nPrices\n\nA day costs four euros."
    prices = text.index("Prices")
    hours = (Block(0, 5, BlockKind.HEADING, 1, 1), Block(7, 31, page=1))
    outline = (*hours, Block(prices, prices + 6, BlockKind.HEADING, 1, 2), Block(prices + 8, len(text), page=2))
    api.kb.write("docs", [Document("pool", text, outline=outline)], wait=True)
    found = api.kb.answer("docs", "What does a day at the pool cost?", OPERATOR)
    [citation] = found.answer.citations
    assert (citation.heading, citation.page, citation.quote) == ("Prices", 2, "A day costs four euros.")
    collection = api.kb.catalog.collections.get("docs")
    known = replace(citation, heading="", page=1)
    for change in (Document("pool", f"Closed.\n\n{text}", outline=outline), Document("pool", text, acl=())):
        api.kb.write("docs", [change], wait=True)
        places = CitationPlaces(api.kb.catalog.places, collection, found.search, Principal("guest"))
        assert places.of_answer(replace(found.answer, citations=(known,))).citations == (known,)


def test_the_command_line_says_where(api: served.Served, capsys: pytest.CaptureFixture[str]) -> None:
    show_answer(api.kb.answer("docs", next(iter(PLACES)), OPERATOR))
    assert "page 3, 2 Operation › 2.1 Valves" in capsys.readouterr().out
