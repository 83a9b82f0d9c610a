"""Filters and callers drawn at random, for tests of what they let through."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from retrieval.filters import And, AnyOf, Bound, Compare, Exists, Filter, HasPart, Not, Or, PartOperator, Scalar
from retrieval.types import OPERATOR, Principal

# Texts that say something else where they are taken for patterns, and parts of them.
HOSTILE_TEXTS = ["", "*", "?", "\\", "a*b", "a?b", "a\\b", "axb", "\\*", "A*B", "产品手册", "手册", "a\x1ftb", "😀册"]
PARTS = st.sampled_from([*HOSTILE_TEXTS, "a", "b", "A", "x", "2024", "0", "册", "产品", "b*", "*b", "\x1f", "\\\\"])


def conditions(
    fields: Sequence[str], scalars: SearchStrategy[Scalar], limits: SearchStrategy[Scalar]
) -> SearchStrategy[Filter]:
    """Filters over these fields and one that no chunk has, compared with `limits`, and looking for `PARTS`."""
    field = st.sampled_from([*fields, "missing"])
    return st.recursive(
        st.one_of(
            st.builds(AnyOf, field, st.lists(scalars, max_size=3).map(tuple)),
            st.builds(Compare, field, st.sampled_from(Bound), limits),
            st.builds(HasPart, field, st.sampled_from(PartOperator), PARTS),
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
