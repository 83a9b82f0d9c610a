"""Requests of many small parts: refused before they keep other requests waiting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_world import World, check_native_error, world

from api.http.direct_route import MAX_DIRECT_BYTES
from api.wire.base import MAX_FIELDS, MAX_NODES


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("kb")) as opened:
        yield opened


@pytest.mark.parametrize(
    ("filter", "words"),
    [
        ({"tag": {"$in": ["x"] * 10_001}}, "expected at most 10000"),
        ({"$or": [{"tag": "x"}] * (MAX_NODES // 2)}, f"more than {MAX_NODES} names and values"),
        ({"tag": {"$in": ["x"] * MAX_NODES}}, f"more than {MAX_NODES} names and values"),
    ],
)
def test_filters_have_a_bound(served: World, filter: dict[str, Any], words: str) -> None:
    error = check_native_error(served.search("warranty", "reader", filter=filter), 422)
    assert words in error["message"]


def test_a_long_list_of_values_still_filters(served: World) -> None:
    keys = [f"{number}" * 6 for number in range(9_999)]
    hits = served.search("warranty", "reader", filter={"_key": {"$in": [*keys, "public"]}}).json()["hits"]
    assert [hit["key"] for hit in hits] == ["public"]
    assert sum(map(len, keys)) < MAX_DIRECT_BYTES


def test_a_body_too_large_for_the_direct_way_is_answered_too(served: World) -> None:
    keys = [f"{number}" * 20 for number in range(9_999)]
    assert sum(map(len, keys)) > MAX_DIRECT_BYTES
    hits = served.search("warranty", "reader", filter={"_key": {"$in": [*keys, "public"]}}).json()["hits"]
    assert [hit["key"] for hit in hits] == ["public"]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"conditions": [{"name": "tag", "comparison_operator": "empty"}] * 1_001}, "at most 1000"),
        ({"conditions": [{"name": ["tag"] * 1_001, "comparison_operator": "empty"}]}, "at most 1000"),
        ({"conditions": [{"name": "tag", "comparison_operator": "in", "value": ["x"] * MAX_NODES}]}, "more than"),
    ],
)
def test_difys_conditions_have_a_bound(served: World, condition: dict[str, Any], words: str) -> None:
    body = {"knowledge_id": "docs", "query": "warranty", "retrieval_setting": {"top_k": 3}}
    refused = served.call("POST", "/v1/retrieval", "reader", json=body | {"metadata_condition": condition})
    assert refused.status_code == 422
    assert words in refused.json()["error_msg"]


def test_a_million_unknown_fields_are_one_error(served: World) -> None:
    refused = served.search("warranty", "reader", **{f"x{number}": 1 for number in range(MAX_FIELDS)})
    error = check_native_error(refused, 422)
    assert len(error["detail"]) == 1 and f"at most {MAX_FIELDS}" in error["message"]
