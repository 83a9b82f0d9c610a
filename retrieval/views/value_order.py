"""Values of one kind in rising order, in blocks that know their labels: a range is a few unions, not one a value."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable
from typing import Any

from pyroaring import BitMap64

from retrieval.filters import Bound

BLOCK = 256  # values; at 100,000 of them a range meets 400 blocks and the values of one, which takes about as long


class _Block:
    """Rising values; `labels` are those of all of them, once a range has asked."""

    __slots__ = ("labels", "values")

    def __init__(self, values: list[Any]) -> None:
        self.values = values
        self.labels: BitMap64 | None = None


class ValueOrder:
    """Follows a field's values of one kind; `members` gives the labels of one of them. Guarded by the view."""

    def __init__(self, values: Iterable[Any], members: Callable[[Any], BitMap64]) -> None:
        self._members = members
        rising = sorted(values)
        self._blocks = [_Block(rising[start : start + BLOCK]) for start in range(0, len(rising), BLOCK)]
        self._highest = [block.values[-1] for block in self._blocks]

    def add(self, value: Any, label: int, *, is_new: bool) -> None:
        """That label has the value now; `is_new`: no other had."""
        if not self._blocks:
            self._blocks, self._highest = [_Block([])], [value]
        place = min(bisect_left(self._highest, value), len(self._blocks) - 1)
        block = self._blocks[place]
        if is_new:
            insort(block.values, value)
            self._highest[place] = block.values[-1]
        if block.labels is not None:
            block.labels.add(label)
        if len(block.values) > 2 * BLOCK:
            self._split(place)

    def remove(self, value: Any, label: int, *, is_gone: bool) -> None:
        """The label loses this value, as every other of its own; `is_gone`: nobody has the value any more."""
        place = bisect_left(self._highest, value)
        block = self._blocks[place]
        if block.labels is not None:
            block.labels.discard(label)
        if not is_gone:
            return
        del block.values[bisect_left(block.values, value)]
        if block.values:
            self._highest[place] = block.values[-1]
        else:
            del self._blocks[place], self._highest[place]

    def beyond(self, bound: Bound, edge: Any) -> list[BitMap64]:
        """Bitmaps that together are the labels with a value on this side of the edge."""
        rises = bound in (Bound.GT, Bound.GTE)
        cut = bisect_right if bound in (Bound.GT, Bound.LTE) else bisect_left
        place = cut(self._highest, edge)
        whole = self._blocks[place + 1 :] if rises else self._blocks[:place]
        found = [self._labels(block) for block in whole]
        if place < len(self._blocks):
            values = self._blocks[place].values
            at = cut(values, edge)
            found += [self._members(value) for value in (values[at:] if rises else values[:at])]
        return found

    def _labels(self, block: _Block) -> BitMap64:
        if block.labels is None:
            block.labels = BitMap64().union(*(self._members(value) for value in block.values))
        return block.labels

    def _split(self, place: int) -> None:
        values = self._blocks[place].values
        self._blocks[place : place + 1] = [_Block(values[:BLOCK]), _Block(values[BLOCK:])]
        self._highest[place : place + 1] = [values[BLOCK - 1], values[-1]]
