"""Rows of tables in answers, from the parser to the words that leave: `header: value`."""

from __future__ import annotations

import pytest

from ingest.chunking import StructureChunker
from ingest.parsers import parse_file
from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.answerer import Answerer
from retrieval.answer.evidence import SENTENCE_FEATURES, Evidence, gather
from retrieval.answer.question import read_question
from retrieval.answer.types import Passage
from retrieval.encoder.hashing import HashEncoder
from retrieval.types import Document

HTML = (
    "<h1>Benefits</h1><p>What we offer.</p><table><tr><th>Benefit</th><th>Days</th><th>Approver</th></tr>"
    "<tr><td>Parental leave</td><td>90</td><td>Ann Lee</td></tr>"
    "<tr><td>Sick leave</td><td>12</td><td>Bo Chu</td></tr></table>"
)
CSV = "Benefit,Days,Approver\nParental leave,90,Ann Lee\nSick leave,12,Bo Chu\n"
MARKDOWN = (
    "# Benefits\n\n| Benefit | Days | Approver |\n|---|---|---|\n| Parental leave | 90 | Ann Lee |\n"
    "| - | - | - |\n| Sick leave | 12 | Bo Chu |\n"
)
ROW = "Benefit: Sick leave; Days: 12; Approver: Bo Chu ["


def passages_of(data: str, name: str) -> list[Passage]:
    parsed = parse_file(data.encode(), name)
    chunks = StructureChunker().chunk(Document(name, parsed.text, parsed.title, outline=parsed.outline))
    return [Passage(f"d#{one.ordinal}", "d", "", one.text, one.start, heading=one.heading) for one in chunks]


def said(question: str, passages: list[Passage]) -> str:
    return Answerer.of("extractive", HashEncoder(), Analyzer(), refuse_below=0.0).answer(question, passages).text


def evidence(question: str, text: str, heading: str) -> Evidence:
    passages, analyzer = [Passage("d#0", "d", "", text, heading=heading)], Analyzer()
    return gather(read_question(question, analyzer), passages, HashEncoder(), analyzer)


def feature(found: Evidence, name: str) -> dict[str, float]:
    column = found.features[:, SENTENCE_FEATURES.index(name)].tolist()
    return {one.text: value for one, value in zip(found.candidates, column, strict=True)}


@pytest.mark.parametrize(("data", "name"), [(HTML, "a.html"), (CSV, "a.csv"), (MARKDOWN, "a.md")])
def test_rows_of_parsed_tables_read_with_their_header(data: str, name: str) -> None:
    assert ROW in said("How many days of sick leave are there?", passages_of(data, name))


@pytest.mark.parametrize("name", ["a.csv", "a.md"])
def test_rows_of_a_table_over_several_chunks_read_with_its_header(name: str) -> None:
    rows = [("Part", "Weight", "Colour"), *((f"valve number AX{n}", f"{n} kg", "dark grey") for n in range(200))]
    lines = [",".join(row) if name == "a.csv" else f"| {' | '.join(row)} |" for row in rows]
    lines[1:1] = ["|---|---|---|"] if name == "a.md" else []
    passages = passages_of("\n".join(lines), name)
    for at in (1, len(passages) - 1):
        first = passages[at].text.splitlines()[0].strip("| ").split(" | ")
        assert passages[at].text.startswith("|")  # else the cut is inside a row, which this test is not about
        text = said(f"What is the weight of valve {first[0].split()[-1]}?", [passages[at]])
        assert f"Part: {first[0]}; Weight: {first[1]}; Colour: dark grey [" in text


@pytest.mark.parametrize(
    ("text", "heading", "answer"),
    [
        ("| Step | Size |\n|---|---|\n| valve | 3 |", "Guide › Windows | Linux", "Step: valve; Size: 3 ["),
        ("| valve | 3 | red |\n| ring | 2 | blue |", "Guide › Windows | Linux", "valve | 3 | red ["),
        ("| ring | 2 |\n| valve | 3 |", "Guide › Part | Size", "Part: valve; Size: 3 ["),
        ("| valve | 3 |", "Guide › Part | Size", "Part: valve; Size: 3 ["),
    ],
)
def test_headings_are_headers_only_of_tables_that_they_continue(text: str, heading: str, answer: str) -> None:
    assert answer in said("How large is the valve?", [Passage("d#0", "d", "", text, heading=heading)])


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("| Part | Size |\n| Valve \\| small | 3 |", "Part: Valve | small; Size: 3 ["),
        ("| Part | Size |\n|---|---|\n| Ring | 2 |\n| - | - |\n| Valve | 3 |", "Part: Valve; Size: 3 ["),
        ("| Part | Size |\n|---|---|\n| Ring | 2 |\n\nOthers:\n\n| Valve | 3 |", "Valve | 3 ["),
        ("| Part | Size | Note |\n| Valve | 3 |", "Part: Valve; Size: 3 ["),
        ("| Part |\n| Valve | 3 |", "Valve | 3 ["),
    ],
)
def test_headers_are_those_of_the_rows_own_table(text: str, answer: str) -> None:
    assert answer in said("How large is the valve?", [Passage("d#0", "d", "", text)])


def test_all_rows_of_a_continued_table_are_told_by_the_header_in_the_heading() -> None:
    found = evidence("What is the weight of the valve?", "| ring | 2 |\n| bolt | 5 |\n| valve | 3 |", "Part | Weight")
    assert not found.headers and not any(feature(found, "label").values())
    assert feature(found, "context")["| valve | 3 |"] == pytest.approx(1.0)


@pytest.mark.parametrize("rows", ["| Step | Length |\n| valve | 3 |", "| Step | Length |"])
def test_a_further_table_of_a_passage_is_not_told_by_the_heading_that_the_first_one_continues(rows: str) -> None:
    found = evidence("What is the weight of a part?", f"| ring | 2 |\n\n{rows}", "Part | Weight")
    assert {row.text: header.text for row, header in found.headers.items()} == dict.fromkeys(
        rows.splitlines()[1:], "| Step | Length |"
    )
    told = feature(found, "context")
    assert told["| ring | 2 |"] == pytest.approx(1.0) and told["| Step | Length |"] < 0.5
