"""Trees of pages that nest deeper than libxml2 builds them: it leaves out the rest of such a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree

MAX_DEPTH = 250  # levels; libxml2 builds 255, browsers 512
KEPT_DEPTH = 100  # levels that stay open where that is reached, so that a table beyond has room to be whole


class FlatTree:
    """Builds a page's tree from the parser's events; what is too deep becomes a sibling, as in browsers."""

    def __init__(self) -> None:
        self._builder = etree.TreeBuilder()
        self._in_tree: list[
            bool
        ] = []  # for each element whose end tag is to come, whether it is still open in the tree
        self._open: list[tuple[str, int]] = []  # those that are: tag and place in the list above

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Open an element; where that is too deep, it takes the place of many around it."""
        if len(self._open) == MAX_DEPTH:
            while len(self._open) > KEPT_DEPTH:
                self._in_tree[self._close()] = False
        self._builder.start(tag, dict(attributes))
        self._open.append((tag, len(self._in_tree)))
        self._in_tree.append(True)

    def end(self, tag: str) -> None:
        """Close an element, unless another took its place."""
        if self._in_tree.pop():
            self._close()

    def _close(self) -> int:
        tag, place = self._open.pop()
        self._builder.end(tag)
        return place

    def data(self, text: str) -> None:
        """Add words."""
        self._builder.data(text)

    def close(self) -> Any:
        """The root element."""
        return self._builder.close()
