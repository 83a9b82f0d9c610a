"""Fewer things than there are, evenly spread."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TypeVar

COMPARED_ON = 600  # questions that plans are compared on: more tell differences apart that no gate would see

T = TypeVar("T")


def thinned(things: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of them, evenly spread; which ones depends on how many there are alone."""
    return things[:: max(1, ceil(len(things) / most))]


def compared_on(places: Sequence[int]) -> Sequence[int]:
    """As many of these questions as plans are compared on, spread evenly."""
    return thinned(places, COMPARED_ON)
