"""One metadata field as bitmaps: which labels have it, which have each value, and the values in order for ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pyroaring import BitMap64

from retrieval.filters import Bound, Scalar, ValueKey, value_key, value_keys
from retrieval.views.value_order import ValueOrder


class FieldIndex:
    """Labels by value of one field. Not safe for threads by itself: the view guards it."""

    def __init__(self) -> None:
        self.present = BitMap64()
        self._by_value: dict[ValueKey, BitMap64] = {}
        self._ordered: dict[str, ValueOrder] = {}  # by kind; filled by the first range query

    @classmethod
    def build(cls, values: Iterable[tuple[int, Any]]) -> FieldIndex:
        """The index of these (label, metadata value) pairs."""
        index = cls()
        present: list[int] = []
        by_value: dict[ValueKey, list[int]] = {}
        for label, value in values:
            if value is not None:
                present.append(label)
            for key in value_keys(value):
                by_value.setdefault(key, []).append(label)
        index.present = BitMap64(present)
        index._by_value = {key: BitMap64(labels) for key, labels in by_value.items()}
        return index

    def add(self, label: int, value: Any) -> None:
        """Put a label in with its metadata value."""
        if value is not None:
            self.present.add(label)
        for key in value_keys(value):
            is_new = key not in self._by_value
            if is_new:
                self._by_value[key] = BitMap64()
            self._by_value[key].add(label)
            if (order := self._ordered.get(key[0])) is not None:
                order.add(key[1], label, is_new=is_new)

    def remove(self, label: int, value: Any) -> None:
        """Take a label out; `value` is what it was added with."""
        self.present.discard(label)
        for key in set(value_keys(value)):
            members = self._by_value[key]
            members.discard(label)
            is_gone = not members
            if is_gone:
                del self._by_value[key]
            if (order := self._ordered.get(key[0])) is not None:
                order.remove(key[1], label, is_gone=is_gone)

    def having(self, value: Scalar) -> BitMap64:
        """Labels with this value: as `any_of` of it alone, which takes three times as long."""
        members = self._by_value.get(key) if (key := value_key(value)) is not None else None
        return BitMap64() if members is None else members.copy()

    def any_of(self, values: Iterable[Scalar]) -> BitMap64:
        """Labels with one of the values."""
        keys = (value_key(value) for value in values)
        return BitMap64().union(*(self._by_value[key] for key in keys if key is not None and key in self._by_value))

    def compare(self, bound: Bound, limit: Scalar) -> BitMap64:
        """Labels with a value on this side of the limit, among values of its kind."""
        key = value_key(limit)
        if key is None:
            return BitMap64()
        kind, edge = key
        return BitMap64().union(*self._order(kind).beyond(bound, edge))

    def with_text(self, holds: Callable[[str], bool]) -> BitMap64:
        """Labels with a text for which that holds. It is asked of each text once, however many labels have it."""
        # As they were put in, which is how they lie in memory: by rising value it takes five times as long.
        found = [labels for (kind, text), labels in self._by_value.items() if kind == "text" and holds(text)]
        return BitMap64().union(*found)

    def _order(self, kind: str) -> ValueOrder:
        order = self._ordered.get(kind)
        if order is None:
            values = (value for other, value in self._by_value if other == kind)
            order = self._ordered[kind] = ValueOrder(values, lambda value: self._by_value[kind, value])
        return order
