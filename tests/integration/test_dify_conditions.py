"""Dify's conditions on metadata: each of its operators, on values that would mean something else in a pattern."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import served

from retrieval.types import Document

# Those of Dify's external knowledge API, in the order of its page.
OPERATORS = [
    *["contains", "not contains", "start with", "end with", "is", "is not", "in", "not in", "empty", "not empty"],
    *["=", "≠", ">", "<", "≥", "≤", "before", "after"],
]
METADATA: dict[str, dict[str, Any]] = {
    "plan": {"file": "Plan*2024.pdf", "year": 2024, "tags": ["draft", "board"], "day": "2024-03-01"},
    "budget": {"file": "Budget?.xlsx", "year": 2020, "tags": ["final"], "day": "2020-12-31"},
    "handbook": {"file": "产品手册\\v1", "tags": [], "day": "2022-06-15"},
    "bare": {},
}
EVERY = set(METADATA)


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[served.Served]:
    with served.in_process(tmp_path_factory.mktemp("dify")) as opened:
        opened.kb.create_collection("docs")
        written = [Document(key, f"The warranty of {key}.", key, metadata=about) for key, about in METADATA.items()]
        opened.kb.write("docs", written, wait=True)
        yield opened


def asked(filed: served.Served, *conditions: dict[str, Any], logical_operator: str = "and") -> Any:
    body = {
        "knowledge_id": "docs",
        "query": "warranty",
        "retrieval_setting": {"top_k": 9, "score_threshold": 0.0},
        "metadata_condition": {"logical_operator": logical_operator, "conditions": list(conditions)},
    }
    return filed.client.post("/v1/retrieval", json=body, headers=filed.headers())


def found(response: Any) -> set[str]:
    assert response.status_code == 200, response.text
    return {record["title"] for record in response.json()["records"]}


def condition(name: str | list[str], operator: str, value: Any = None) -> dict[str, Any]:
    return {"name": name, "comparison_operator": operator, "value": value}


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("file", "contains", "*", {"plan"}),
        ("file", "contains", "?", {"budget"}),
        ("file", "contains", "\\", {"handbook"}),
        ("file", "contains", "plan", set()),
        ("file", "contains", "", {"plan", "budget", "handbook"}),
        ("file", "contains", 2024, {"plan"}),
        ("tags", "contains", "oar", {"plan"}),
        ("year", "contains", "20", set()),
        ("file", "not contains", "Plan", EVERY - {"plan"}),
        ("file", "not contains", "P*n", EVERY),
        ("file", "start with", "产品", {"handbook"}),
        ("file", "start with", "手册", set()),
        ("file", "end with", ".pdf", {"plan"}),
        ("file", "end with", "?.xlsx", {"budget"}),
        (["tags", "file"], "start with", "B", {"budget"}),
        (["tags", "file"], "start with", "f", {"budget"}),
        ("file", "is", "Plan*2024.pdf", {"plan"}),
        ("file", "is not", "Plan*2024.pdf", EVERY - {"plan"}),
        ("tags", "in", ["board", "final"], {"plan", "budget"}),
        ("tags", "in", "board, final,", {"plan", "budget"}),
        ("tags", "in", "", set()),
        ("year", "in", 2020, {"budget"}),
        ("tags", "not in", "board,none", EVERY - {"plan"}),
        ("year", "empty", None, {"handbook", "bare"}),
        ("year", "not empty", None, {"plan", "budget"}),
        ("year", "=", 2024, {"plan"}),
        ("year", "≠", 2024, EVERY - {"plan"}),
        ("year", ">", 2020, {"plan"}),
        ("year", "<", 2024, {"budget"}),
        ("year", "≥", 2024, {"plan"}),
        ("year", "≤", 2020, {"budget"}),
        ("day", "before", "2022-06-15", {"budget"}),
        ("day", "after", "2022-06-15", {"plan"}),
    ],
)
def test_what_a_condition_lets_through(
    filed: served.Served, name: str | list[str], operator: str, value: Any, expected: set[str]
) -> None:
    assert found(asked(filed, condition(name, operator, value))) == expected


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_of_difys_operators_is_understood(filed: served.Served, operator: str) -> None:
    assert asked(filed, condition("file", operator, "x")).status_code == 200


def test_conditions_hold_together_or_one_of_them(filed: served.Served) -> None:
    both = condition("file", "start with", "B"), condition("tags", "contains", "board")
    assert found(asked(filed, *both)) == set()
    assert found(asked(filed, *both, logical_operator="or")) == {"plan", "budget"}


@pytest.mark.parametrize(
    ("operator", "value", "words"),
    [
        ("contains", None, "$contains is None, expected text"),
        ("not contains", ["a"], "$contains is ['a'], expected text"),
        ("start with", True, "$prefix is True, expected text"),
        ("end with", "x" * 257, "$suffix has 257 characters, expected at most 256"),
        ("resembles", "x", "known: <, =, >, after, before, contains"),
    ],
)
def test_what_makes_no_sense_is_refused(filed: served.Served, operator: str, value: Any, words: str) -> None:
    refused = asked(filed, condition("file", operator, value))
    assert refused.status_code == 422 and words in refused.json()["error_msg"]


def test_parts_that_are_looked_for_have_a_bound(filed: served.Served) -> None:
    refused = asked(filed, *[condition("file", "contains", "x")] * 17)
    assert refused.status_code == 422 and "17 parts of texts, expected at most 16" in refused.json()["error_msg"]
