"""Ranges over values in blocks agree with plain comparison, whatever was added, taken out and asked before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.filters import Bound, satisfies, value_keys
from retrieval.views import value_order
from retrieval.views.attribute_fields import FieldIndex

NUMBERS = st.integers(-20, 20) | st.sampled_from([0.5, 1.0, -0.5])
VALUES = NUMBERS | st.lists(NUMBERS | st.sampled_from(["a", "b"]), max_size=4) | st.none()
STEPS = st.lists(st.tuples(st.integers(0, 30), VALUES, st.booleans(), st.sampled_from(Bound), NUMBERS), max_size=60)


@given(STEPS)
def test_ranges_agree_with_plain_comparison(steps: list[tuple[int, Any, bool, Bound, Any]]) -> None:
    """A step takes a label out, may put it in again with another value, and asks."""
    index, held = FieldIndex(), dict[int, Any]()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(value_order, "BLOCK", 2)
        for label, value, is_added, bound, limit in steps:
            if label in held:
                index.remove(label, held.pop(label))
            if is_added:
                index.add(label, value)
                held[label] = value
            expected = {
                one for one, had in held.items() if any(satisfies(key, bound, limit) for key in value_keys(had))
            }
            assert set(index.compare(bound, limit)) == expected


@pytest.mark.parametrize("grown", [False, True])
def test_a_range_over_many_values_meets_few_bitmaps(grown: bool) -> None:
    many = 50_000
    index = FieldIndex() if grown else FieldIndex.build((label, label) for label in range(many))
    assert len(index.compare(Bound.GTE, 10)) == (0 if grown else many - 10)
    for label in range(many if grown else 0):
        index.add(label, label)
    for bound, limit, found in ((Bound.GTE, 10, many - 10), (Bound.LT, 25_100, 25_100), (Bound.GT, many, 0)):
        assert len(index.compare(bound, limit)) == found
        assert len(index._order("number").beyond(bound, limit)) < many / 50
