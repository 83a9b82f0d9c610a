"""The filter language: what parses, what matches, and messages that name the part at fault."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from retrieval.errors import InvalidInputError
from retrieval.filters import AnyOf, Bound, Compare, matches, parse_filter

DOCUMENT = {
    "year": 2021,
    "price": 9.5,
    "tags": ["news", "blog"],
    "draft": False,
    "title": "B",
    "none": None,
    "day": date(2024, 3, 1),
    "at": datetime(2024, 3, 1, 12, tzinfo=UTC),
    "nested": {"a": 1},
    "path": "产品手册*?\\",
}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, True),
        ({"year": 2021}, True),
        ({"year": 2021.0}, True),
        ({"year": "2021"}, False),
        ({"draft": False}, True),
        ({"draft": 0}, False),
        ({"tags": "news"}, True),
        ({"tags": {"$in": ["x", "blog"]}}, True),
        ({"tags": {"$in": []}}, False),
        ({"tags": {"$nin": ["x", "blog"]}}, False),
        ({"tags": {"$ne": "news"}}, False),
        ({"missing": {"$ne": "news"}}, True),
        ({"missing": {"$nin": ["a"]}}, True),
        ({"missing": None}, True),
        ({"missing": {"$eq": None}}, True),
        ({"none": None}, True),
        ({"year": None}, False),
        ({"year": {"$ne": None}}, True),
        ({"none": {"$exists": False}}, True),
        ({"nested": {"$exists": True}}, True),
        ({"nested": "a"}, False),
        ({"year": {"$gte": 2021, "$lt": 2022}}, True),
        ({"year": {"$gt": 2021}}, False),
        ({"year": {"$gt": "2020"}}, False),
        ({"price": {"$lte": 9.5}}, True),
        ({"title": {"$gte": "A", "$lt": "C"}}, True),
        ({"draft": {"$gte": 0}}, False),
        ({"day": "2024-03-01"}, True),
        ({"at": {"$gt": "2024-03-01"}}, True),
        ({"tags": {"$gt": "c"}}, True),
        ({"year": 2021, "draft": True}, False),
        ({"tags": {"$contains": "lo"}}, True),
        ({"tags": {"$contains": "LO"}}, False),
        ({"tags": {"$contains": "newsblog"}}, False),
        ({"tags": {"$prefix": "bl"}}, True),
        ({"tags": {"$prefix": "log"}}, False),
        ({"tags": {"$suffix": "ws"}}, True),
        ({"tags": {"$suffix": "new"}}, False),
        ({"title": {"$contains": ""}}, True),
        ({"missing": {"$contains": ""}}, False),
        ({"none": {"$prefix": ""}}, False),
        ({"year": {"$contains": "20"}}, False),
        ({"year": {"$contains": ""}}, False),
        ({"draft": {"$prefix": "F"}}, False),
        ({"nested": {"$contains": "a"}}, False),
        ({"day": {"$prefix": "2024-03"}}, True),
        ({"path": {"$contains": "手册*?"}}, True),
        ({"path": {"$contains": "手.*"}}, False),
        ({"path": {"$suffix": "\\"}}, True),
        ({"path": {"$prefix": "产品", "$contains": "册*"}}, True),
        ({"$not": {"tags": {"$contains": "new"}}}, False),
        ({"$not": {"missing": {"$contains": "new"}}}, True),
        ({"$or": [{"year": 1}, {"draft": False}]}, True),
        ({"$and": [{"year": 2021}, {"$not": {"draft": True}}]}, True),
        ({"$not": {"$or": [{"year": 2021}]}}, False),
        ({"year": {"$eq": 2021}}, True),
        ({"missing": {"$lt": 5}}, False),
    ],
)
def test_matches(condition: dict[str, Any], expected: bool) -> None:
    assert matches(parse_filter(condition), DOCUMENT) is expected


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ([], r"filter is \[\]"),
        (None, "filter is None"),
        ({"$xor": []}, r"'\$xor' is not a field name; known operators here: \$and"),
        ({"": 1}, "not a field name"),
        ({"a": {"$regex": "x"}}, r"filter\.a\.\$regex: unknown operator"),
        ({"a": {}}, r"filter\.a is an empty object"),
        ({"a": [1]}, r"filter\.a is \[1\], expected text"),
        ({"a": {"$in": "x"}}, r"filter\.a\.\$in is 'x', expected a list"),
        ({"a": {"$in": [1, {}]}}, r"filter\.a\.\$in\[1\]"),
        ({"a": {"$gt": True}}, r"filter\.a\.\$gt is True, expected a number"),
        ({"a": {"$exists": 1}}, r"filter\.a\.\$exists is 1, expected true or false"),
        ({"a": float("nan")}, r"filter\.a is nan"),
        ({"$and": []}, r"filter\.\$and is \[\], expected a list"),
        ({"$or": [{"a": 1}, 5]}, r"filter\.\$or\[1\] is 5"),
        ({"$or": [{"a": 1}] * 1001}, "at most 1000"),
        ({"a": {"$in": ["x"] * 10_001}}, r"filter\.a\.\$in has 10001 values, expected at most 10000"),
        ({"a": {"$nin": ["x"] * 10_001}}, r"filter\.a\.\$nin has 10001 values"),
        ({"a": {"$eq": {"$eq": 1}}}, r"filter\.a\.\$eq is \{'\$eq': 1\}, expected text"),
        ({"a": {"$contains": 1}}, r"filter\.a\.\$contains is 1, expected text"),
        ({"a": {"$prefix": None}}, r"filter\.a\.\$prefix is None, expected text"),
        ({"a": {"$suffix": ["x"]}}, r"filter\.a\.\$suffix is \['x'\], expected text"),
        ({"a": {"$contains": "x" * 257}}, r"filter\.a\.\$contains has 257 characters, expected at most 256"),
        ({"$or": [{"a": {"$prefix": "x"}}, {"b": {"$suffix": "x"}}] * 9}, "18 parts of texts, expected at most 16"),
    ],
)
def test_what_does_not_fit_is_named(condition: Any, part: str) -> None:
    with pytest.raises(InvalidInputError, match=part):
        parse_filter(condition)


def test_deep_nesting_is_refused() -> None:
    condition: dict[str, Any] = {"a": 1}
    for _ in range(2000):
        condition = {"$not": condition}
    with pytest.raises(InvalidInputError, match="deep"):
        parse_filter(condition)


def test_integers_of_any_size_compare() -> None:
    assert matches(Compare("n", Bound.GT, 1e308), {"n": 10**400})
    assert matches(AnyOf("n", (10**400,)), {"n": 10**400})
    assert not matches(AnyOf("n", (2**53 + 1,)), {"n": 2.0**53})


class CountedText(str):
    """Text that counts how often anybody takes its hash."""

    __slots__ = ()
    hashed = 0

    def __hash__(self) -> int:
        CountedText.hashed += 1
        return str.__hash__(self)


def test_the_values_of_a_list_are_looked_at_once_for_all_documents() -> None:
    condition = parse_filter({"tags": {"$in": [CountedText(n) for n in range(1_000)]}})
    CountedText.hashed = 0
    assert [matches(condition, {"tags": str(n)}) for n in (1, 5_000, 999, -1)] == [True, False, True, False]
    assert CountedText.hashed == 0
