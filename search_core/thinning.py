"""Fewer things than there are, evenly spread."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TypeVar

T = TypeVar("T")


def thinned(things: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of them, evenly spread; which ones depends on how many there are alone."""
    return things[:: max(1, ceil(len(things) / most))]
