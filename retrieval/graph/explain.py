"""In words, what the graph gave to a hit: the name or address over which the score came."""

from __future__ import annotations

import numpy as np

from retrieval.graph.nodes import references_of
from retrieval.types import IndexedChunk


def name_of_node(node: int, chunk: IndexedChunk) -> str | None:
    """What the chunk calls that node; None where it does not refer to it.

    The graph keeps numbers only; the words are read from the hit itself, so nothing else is told.
    """
    if not node:
        return None
    for reference in references_of(chunk):
        if reference.hash & ~1 == node:
            return reference.name.rpartition("\n")[2]
    return None


def as_indexed(title: str, heading: str, text: str, key: str, source: str, uri: str | None) -> IndexedChunk:
    """A chunk with what names and addresses are read from, and nothing else."""
    metadata = {"_key": key, "_source": source}
    return IndexedChunk(0, 0, title, heading, text, np.empty(0, np.float32), (), metadata, uri)
