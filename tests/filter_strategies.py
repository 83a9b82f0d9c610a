"""Filters and callers drawn at random, for tests of what they let through."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from retrieval.filters import And, AnyOf, Bound, Compare, Exists, Filter, Not, Or, Scalar
from retrieval.types import OPERATOR, Principal


def conditions(
    fields: Sequence[str], scalars: SearchStrategy[Scalar], limits: SearchStrategy[Scalar]
) -> SearchStrategy[Filter]:
    """Filters over these fields and one that no chunk has, compared with `limits`."""
    field = st.sampled_from([*fields, "missing"])
    return st.recursive(
        st.one_of(
            st.builds(AnyOf, field, st.lists(scalars, max_size=3).map(tuple)),
            st.builds(Compare, field, st.sampled_from(Bound), limits),
            st.builds(Exists, field),
        ),
        lambda inner: st.one_of(
            st.builds(And, st.lists(inner, max_size=3).map(tuple)),
            st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
            st.builds(Not, inner),
        ),
        max_leaves=6,
    )


def principals(groups: Sequence[str]) -> SearchStrategy[Principal]:
    """The operator, and callers in some of these groups and one that nobody knows."""
    some = st.frozensets(st.sampled_from([*groups, "unknown"]))
    return st.one_of(st.just(OPERATOR), some.map(lambda chosen: Principal("p", chosen)))
