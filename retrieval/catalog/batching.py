"""Long lists in parts: a statement takes only so many bound values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")

KEYS_PER_QUERY = 500  # well under SQLite's and PostgreSQL's limits on bound values


def in_parts(items: Sequence[T], size: int = KEYS_PER_QUERY) -> Iterable[Sequence[T]]:
    """The items in runs of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))
