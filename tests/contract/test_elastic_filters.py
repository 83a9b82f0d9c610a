"""Filters and rights inside Elasticsearch's queries let through what the embedded bitmaps do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import filter_strategies
import numpy as np
import pytest
from elastic import collection_of, elastic_url, stack_of
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.contracts import Scope
from retrieval.elastic import ElasticDenseView, ElasticServer, ElasticSparseView, ServerOptions
from retrieval.elastic.index import drop_indexes
from retrieval.filters import MAX_PART, Filter, HasPart, Not, PartOperator
from retrieval.testing.views import DIM, make_chunk, topic_text, topic_vector
from retrieval.types import OPERATOR, IndexedChunk, Principal, ViewBatch
from retrieval.views.attributes import AttributeView

__all__ = ["elastic_url", "stack_of"]

pytestmark = [pytest.mark.server, pytest.mark.slow]

GROUPS = ["everyone", "staff", "board"]
SCALARS = st.one_of(st.integers(-2, 2), st.sampled_from(["x", "y", "", "2024", -0.5, 2.0**53, 2**53 + 1, True, False]))
LONG = "".join(chr(0x4E00 + number) for number in range(9_000))  # of which no letter comes again
CONDITIONS = filter_strategies.conditions(["a", "b"], SCALARS, SCALARS)
PRINCIPALS = filter_strategies.principals(GROUPS)


@pytest.fixture(scope="module")
def module_server(elastic_url: str) -> Iterator[ElasticServer]:
    server = ElasticServer(ServerOptions(elastic_url))
    yield server
    server.close()


def random_chunks(seed: int, labels: range) -> list[IndexedChunk]:
    """Chunks of topic 0 with random groups and metadata of every kind, lists and nulls among them."""
    choose = np.random.default_rng(seed)
    scalars: list[Any] = [
        *range(-2, 3),
        2**53,
        2**53 + 1,
        1.0,
        -0.5,
        1e300,
        "x",
        "y",
        "xy",
        "2024-01-01",
        *filter_strategies.HOSTILE_TEXTS,
        LONG,
        True,
        False,
    ]

    def value() -> Any:
        kind = choose.integers(4)
        if kind == 0:
            return None
        if kind == 1:
            return [scalars[i] for i in choose.integers(len(scalars), size=choose.integers(4))]
        return scalars[choose.integers(len(scalars))]

    return [
        replace(
            make_chunk(label, 0),
            groups=tuple(group for group in GROUPS if choose.random() < 0.4),
            metadata={name: value() for name in ("a", "b") if choose.random() < 0.8},
        )
        for label in labels
    ]


@pytest.fixture(scope="module", params=["sparse", "dense"])
def filtered(
    request: pytest.FixtureRequest, module_server: ElasticServer
) -> Iterator[tuple[ElasticSparseView | ElasticDenseView, AttributeView, Any]]:
    """A view and bitmaps after the same history, part of which changed rights and metadata only."""
    collection, analyzer = collection_of(None), Analyzer()
    view: ElasticSparseView | ElasticDenseView
    if request.param == "sparse":
        view, query = ElasticSparseView(module_server, collection, analyzer), topic_text(0)
    else:
        view, query = ElasticDenseView(module_server, collection, DIM, "test"), topic_vector(0)
    view.resume()
    attributes = AttributeView(None)
    for seq, labels in enumerate((range(1, 80), range(20, 60), range(70, 100)), start=1):
        for each in (view, attributes):
            each.apply(ViewBatch(seq, [seq], random_chunks(seq, labels)))
    yield view, attributes, query
    drop_indexes(module_server, collection)


@settings(max_examples=60)
@given(PRINCIPALS, st.none() | CONDITIONS)
def test_a_scope_lets_through_what_the_bitmaps_do(
    filtered: tuple[ElasticSparseView | ElasticDenseView, AttributeView, Any],
    principal: Principal,
    condition: Filter | None,
) -> None:
    view, attributes, query = filtered
    allowed = attributes.allowed(principal, condition)
    expected = sorted(attributes.labels() if allowed is None else allowed)
    found = view.search(query, 1000, None, Scope(principal, condition))
    assert found.labels.tolist() == expected
    rest = view.search(query, 1000, None, Scope(principal, condition, BitMap64(expected[::2])))
    assert rest.labels.tolist() == expected[1::2]


@pytest.mark.parametrize(
    "part",
    [
        *["a" * MAX_PART, "ab" * (MAX_PART // 2), "*" * MAX_PART, "\\" * MAX_PART, "?" * MAX_PART, "册" * MAX_PART],
        *[LONG[begin:end] for begin, end in ((0, 1), (0, 256), (3_800, 4_056), (4_090, 4_100), (8_744, 9_000))],
        *[hashlib.sha256(repr(LONG).encode()).hexdigest()[:9], "\x02", *"0*?\\"],
    ],
)
def test_parts_of_texts_are_found_as_in_the_bitmaps(
    filtered: tuple[ElasticSparseView | ElasticDenseView, AttributeView, Any], part: str
) -> None:
    """Long parts, those of long texts, and what a long text's term ends in: its hash."""
    view, attributes, query = filtered
    for operator in PartOperator:
        for condition in (HasPart("a", operator, part), Not(HasPart("a", operator, part))):
            expected = attributes.allowed(OPERATOR, condition)
            found = view.search(query, 1000, None, Scope(OPERATOR, condition)).labels.tolist()
            assert found == sorted(attributes.labels() if expected is None else expected)
    in_long = part in LONG and attributes.allowed(OPERATOR, HasPart("a", PartOperator.CONTAINS, part))
    assert bool(in_long) == (part in LONG)
