"""A value that a decision may have: text, number, truth or nothing."""

from __future__ import annotations

from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None


def key(value: Scalar) -> tuple[str, Scalar]:
    """A value together with its type, because `True == 1 == 1.0` in Python but not in a plan."""
    return type(value).__name__, value


def same(one: Scalar, other: Scalar) -> bool:
    """Whether two values are equal and of one type."""
    return key(one) == key(other)
