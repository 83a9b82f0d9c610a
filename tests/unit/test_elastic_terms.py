"""Terms in an index order numbers as Python does, and never outgrow what a server takes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.elastic.client import FullServerError, failure
from retrieval.elastic.terms import attribute_fields, filter_query
from retrieval.errors import OutageError, RetrievalError, ViewError, ViewLostError
from retrieval.filters import AnyOf, Bound, Compare

EDGES = [0.0, -0.0, 1.5, 2**53, 2**53 + 1, -(2**53) - 1, 10**400, -(10**400), 5e-324, math.inf, -math.inf, 1e308]
numbers = st.one_of(
    st.integers(), st.integers(min_value=-(2**80), max_value=2**80), st.floats(allow_nan=False), st.sampled_from(EDGES)
)


def term(value: object) -> str:
    (only,) = attribute_fields((), {"n": value})["values"]
    return only


@given(numbers, numbers)
def test_terms_stand_in_the_order_of_the_numbers(first: float, second: float) -> None:
    assert (term(first) < term(second), term(first) == term(second)) == (first < second, first == second)


@given(st.text(), st.text())
def test_terms_stand_in_the_order_of_the_texts(first: str, second: str) -> None:
    encoded = term(first).encode(), term(second).encode()
    assert (encoded[0] < encoded[1]) == (first < second)


def test_terms_of_kinds_and_fields_do_not_meet() -> None:
    fields = attribute_fields((), {"a": [1, "1", True], "a\x1ft": "1", "b": None, "c": []})
    assert len(set(fields["values"])) == 4
    assert len(fields["present"]) == 3


def test_a_long_value_stays_below_what_lucene_takes_and_is_equal_to_itself_only() -> None:
    long = "长" * 50_000
    assert len(term(long).encode()) < 32_766
    assert term(long) != term(long + "长")
    assert term(long) == term("长" * 50_000)


def test_half_a_surrogate_pair_can_be_sent() -> None:
    fields = attribute_fields(("g\ud800",), {"f\ud800": "v\ud800"})
    for terms in fields.values():
        for value in terms:
            value.encode()


def test_a_range_ends_with_its_kind() -> None:
    within = filter_query(Compare("n", Bound.GTE, 5))["range"]["values"]
    assert within["gte"] <= term(10**9) < within["lt"]
    assert not within["gte"] <= term("5") < within["lt"]


def test_many_values_are_asked_for_in_parts() -> None:
    query = filter_query(AnyOf("n", tuple(range(70_000))))
    assert [len(part["terms"]["values"]) for part in query["bool"]["should"]] == [65_536, 4_464]


@pytest.mark.parametrize(
    ("status", "kind", "reason", "expected", "remedy"),
    [
        (401, "security_exception", "unable to authenticate user [x]", OutageError, "KB_ELASTICSEARCH_API_KEY"),
        (403, "security_exception", "action is unauthorized", OutageError, "may read, write and manage"),
        (403, "cluster_block_exception", "blocked by: [FORBIDDEN/12/index read-only]", FullServerError, "free space"),
        (429, "cluster_block_exception", "flood-stage watermark", FullServerError, "free space"),
        (429, "es_rejected_execution_exception", "queue is full", OutageError, "asked again"),
        (503, "no_shard_available_action_exception", "recovering", OutageError, "asked again"),
        (404, "index_not_found_exception", "no such index [kb-1]", ViewLostError, "built again"),
        (400, "mapper_parsing_exception", "strict", ViewError, "refused"),
    ],
)
def test_a_refusal_tells_what_to_do(
    status: int, kind: str, reason: str, expected: type[RetrievalError], remedy: str
) -> None:
    error = failure(status, kind, reason)
    assert type(error) is expected
    assert reason in str(error) and remedy in str(error)
