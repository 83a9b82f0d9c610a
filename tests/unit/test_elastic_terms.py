"""Terms in an index order numbers as Python does, and never outgrow what a server takes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.elastic.client import FullServerError, failure
from retrieval.elastic.terms import MAX_TEXT_LENGTH, attribute_fields, filter_query
from retrieval.errors import OutageError, RetrievalError, ViewError, ViewLostError
from retrieval.filters import MAX_PART, AnyOf, Bound, Compare, HasPart, PartOperator

EDGES = [0.0, -0.0, 1.5, 2**53, 2**53 + 1, -(2**53) - 1, 10**400, -(10**400), 5e-324, math.inf, -math.inf, 1e308]
numbers = st.one_of(
    st.integers(), st.integers(min_value=-(2**80), max_value=2**80), st.floats(allow_nan=False), st.sampled_from(EDGES)
)


def terms(value: object) -> list[str]:
    return attribute_fields((), {"n": value})["values"]


def term(value: object) -> str:
    (own,) = terms(value)
    return own


def own_term(text: str) -> str:
    """The term of a long text that is not for its parts."""
    (own,) = (term for term in terms(text) if term.startswith("n\x1fu"))
    return own


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
    assert all(len(term.encode()) < 32_766 for term in terms(long))
    assert own_term(long) != own_term(long + "长")
    assert own_term(long) == own_term("长" * 50_000)
    assert [terms("长" * MAX_TEXT_LENGTH)] == [["n\x1ft" + "长" * MAX_TEXT_LENGTH]]


@pytest.mark.parametrize("more", [1, MAX_PART, MAX_TEXT_LENGTH - MAX_PART, MAX_TEXT_LENGTH, 9_000])
def test_each_part_of_a_long_text_is_whole_in_one_piece(more: int) -> None:
    text = "".join(chr(0x4E00 + number) for number in range(MAX_TEXT_LENGTH + more))
    pieces = [term.removeprefix("n\x1fp") for term in terms(text) if term.startswith("n\x1fp")]
    for length in (1, 2, MAX_PART):
        for begin in range(len(text) - length + 1):
            assert any(text[begin : begin + length] in piece for piece in pieces), (begin, length)
    assert all(piece in text for piece in pieces)
    assert "n\x1fe" + text[-MAX_PART:] in terms(text)


def test_what_a_part_is_looked_for_by_is_no_pattern() -> None:
    contains, _ = filter_query(HasPart("a*", PartOperator.CONTAINS, "x?\\*"))["bool"]["should"]
    assert contains == {"wildcard": {"values": {"value": "a\\*\x1ft*x\\?\\\\\\**"}}}
    prefix, _ = filter_query(HasPart("a*", PartOperator.PREFIX, "x?"))["bool"]["should"]
    assert prefix == {"prefix": {"values": {"value": "a*\x1ftx?"}}}


def test_half_a_surrogate_pair_can_be_sent() -> None:
    fields = attribute_fields(("g\ud800",), {"f\ud800": "v\ud800"})
    for terms in fields.values():
        for value in terms:
            value.encode()


def test_a_range_ends_with_its_kind() -> None:
    within = filter_query(Compare("n", Bound.GTE, 5))["range"]["values"]
    assert within["gte"] <= term(10**9) < within["lt"]
    assert not within["gte"] <= term("5") < within["lt"]


def test_a_range_of_texts_has_the_long_ones() -> None:
    short, long = (one["range"]["values"] for one in filter_query(Compare("n", Bound.GT, "5"))["bool"]["should"])
    assert short["gt"] < term("6") < short["lt"] <= long["gt"] < own_term("6" * 9_000) < long["lt"]
    assert not long["gt"] < own_term("4" * 9_000)


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
