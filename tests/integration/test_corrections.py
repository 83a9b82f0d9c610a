"""Mistyped words through the whole system: who is told what, over REST, and what the search core makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from served import Served, in_process

from retrieval.catalog.eval_sets import EvalQuery
from retrieval.plan import DEFAULT_PLAN, FusionMethod
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Deletion, Document, Principal
from search_core.corpus.legs import ask_legs
from search_core.corpus.snapshot import read_snapshot

WORDS = replace(DEFAULT_PLAN, fusion=FusionMethod.SPARSE)
ASKED = "Who sells the resitor?"
BOARD = Principal("board", frozenset({"everyone", "board"}))
STAFF = Principal("staff", frozenset({"everyone"}))
DOCUMENTS = [
    Document("resistor", "The resistor is sold by Vishay. Alarm E-07 shows that it burnt.", metadata={"year": 2024}),
    Document("pumps", "Pumps are sold by Grundfos. Alarm E-08 shows that one leaks.", metadata={"year": 2020}),
    Document("merger", "Resitor, thermistor and varistor: the merger is secret.", acl=("board",)),
]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with in_process(tmp_path) as opened:
        opened.kb.create_collection("c")
        opened.kb.write("c", DOCUMENTS, wait=True)
        yield opened


def posted(served: Served, route: str, body: dict[str, Any], *groups: str) -> dict[str, Any]:
    answer = served.client.post(f"/v1/{route}", json={"collection": "c", **body}, headers=served.headers(groups=groups))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def told(served: Served, query: str, principal: Principal, **asked: Any) -> list[tuple[str, str]]:
    result = served.kb.search("c", SearchRequest(query, **asked), principal, plan=WORDS)
    return [(one.typed, one.meant) for one in result.corrections]


def test_rest_finds_the_word_that_was_meant_and_says_so(served: Served) -> None:
    found = posted(served, "search", {"query": "resitsor", "plan": WORDS.to_dict()})
    assert found["corrections"] == [{"from": "resitsor", "to": "resistor"}]
    (hit,) = found["hits"]
    (start, end) = hit["highlights"][0]["marks"][0]
    assert hit["highlights"][0]["text"][start:end] == "resistor"
    as_typed = posted(served, "search", {"query": "resitsor", "plan": WORDS.to_dict(), "correct": False})
    assert (as_typed["hits"], as_typed["corrections"]) == ([], [])
    why = posted(served, "search/why", {"query": "resitsor", "key": "resistor", "plan": WORDS.to_dict()})
    assert (why["verdict"], why["corrections"]) == ("found", found["corrections"])
    assert why["words"] == [{"word": "resistor", "found": True}]


def test_others_documents_neither_give_corrections_nor_keep_them_away(served: Served) -> None:
    assert told(served, "resitor", STAFF) == [("resitor", "resistor")]  # which the board's document holds
    assert told(served, "resitor", BOARD) == []
    for unknown in ("thermsitor", "varisstor"):
        assert told(served, unknown, STAFF) == []
        assert told(served, unknown, BOARD) != []
    assert "erger" not in str(posted(served, "search", {"query": "resitor mergre varisstor", "explain": True}))


def test_a_right_that_is_taken_away_takes_the_words_along(served: Served) -> None:
    served.kb.write("c", [Document("open", "A potentiometer for everyone.")], wait=True)
    assert told(served, "potentoimeter", STAFF) == [("potentoimeter", "potentiometer")]
    served.kb.write("c", [Document("open", "A potentiometer for everyone.", acl=("board",))], wait=True)
    assert told(served, "potentoimeter", STAFF) == []
    served.kb.write("c", [Deletion("open")], wait=True)
    assert told(served, "potentoimeter", OPERATOR) == []


def test_a_filter_makes_no_word_unknown(served: Served) -> None:
    found = posted(served, "search", {"query": "resistor", "plan": WORDS.to_dict(), "filter": {"year": 2020}})
    assert (found["hits"], found["corrections"]) == ([], [])  # it is known, though nothing that passes has it
    found = posted(served, "search", {"query": "pumpps resistor", "plan": WORDS.to_dict(), "filter": {"year": 2020}})
    assert found["corrections"] == [{"from": "pumpps", "to": "Pumps"}]
    assert [hit["key"] for hit in found["hits"]] == ["pumps"]


def test_codes_stay_what_they_are(served: Served) -> None:
    for code in ("E-09", "alarm E-70", "AX-1200"):
        assert told(served, code, OPERATOR) == []


def test_a_question_with_a_mistyped_word_is_answered(served: Served) -> None:
    for question in (ASKED, ASKED.replace("resitor", "resistor")):
        answer = posted(served, "answers", {"question": question, "stream": False})
        assert (answer["refused"], answer["citations"][0]["document_id"]) == (False, "c/resistor"), question
    assert posted(served, "answers", {"question": ASKED, "stream": False})["corrections"] == [
        {"from": "resitor", "to": "resistor"}
    ]


def test_the_search_core_asks_what_a_search_asks(served: Served) -> None:
    queries = [ASKED, "resitsor", "pumsp and resistor", "the leaking pumpps of Grundfso", "nothing of this"]
    snapshot = read_snapshot(served.kb.catalog, served.kb.catalog.collections.get("c"))
    legs = ask_legs(snapshot, served.kb.open_encoder("hash"), [EvalQuery(text, text, {}) for text in queries])
    for plan in (WORDS, DEFAULT_PLAN, replace(DEFAULT_PLAN, fusion=FusionMethod.DENSE)):
        for place, text in enumerate(queries):
            hits = served.kb.search("c", SearchRequest(text), OPERATOR, plan=plan).hits
            assert legs.rank(plan, place) == [hit.chunk.key for hit in hits], (plan, text)
    snapshot.close()


def test_without_words_nothing_is_corrected_and_searches_go_on(served: Served) -> None:
    served.kb.runtime("c").follower.health.goes_down("sparse", "its server is away")
    result = served.kb.search("c", SearchRequest("resitsor"), OPERATOR)
    assert (result.corrections, result.degraded) == ((), ("sparse",))
