"""Planetoid citation graphs with their public split (Yang et al. 2016, arXiv:1603.08861), read from plain files.

`nodes.jsonl` has one {id, label, features, split} a line, the features as the places of the words present; `edges.tsv`
has each undirected edge once, under a header line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search_core.errors import CorpusError
from search_core.models.edges import Edges, Places, make_edges

Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NodeTask:
    """A graph whose nodes are to be classified. `labels` is -1 where none is known; the parts hold node numbers."""

    features: Features  # (nodes, width), each row summing to 1: the share of each word
    edges: Edges
    labels: Places  # (nodes,)
    train: Places
    validation: Places
    test: Places

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.labels.max()) + 1


def read_planetoid(folder: Path) -> NodeTask:
    """The graph of that folder. Raises `CorpusError` where a file is absent or does not read as described above."""
    try:
        lines = (folder / "nodes.jsonl").read_text(encoding="utf-8").splitlines()
        nodes = sorted((json.loads(line) for line in lines), key=lambda node: int(node["id"]))
        edges = (folder / "edges.tsv").read_text(encoding="utf-8").splitlines()[1:]
        pairs = np.array([line.split() for line in edges], np.int64).reshape(-1, 2)
        parts = {name: _part(nodes, name) for name in ("train", "val", "test")}
        labels = np.array([node["label"] for node in nodes], np.int64)
        features = bag_of_words([node["features"] for node in nodes])
    except (OSError, ValueError, KeyError) as error:
        raise CorpusError(f"{folder} is no Planetoid graph: {error}; expected nodes.jsonl and edges.tsv") from error
    return NodeTask(features, make_edges(len(nodes), pairs), labels, parts["train"], parts["val"], parts["test"])


def bag_of_words(words: list[list[int]]) -> Features:
    """(nodes, vocabulary) shares of words, each row summing to 1; a node without words is a row of zeros."""
    width = max((max(row, default=-1) for row in words), default=-1) + 1
    features = np.zeros((len(words), width), np.float32)
    for place, row in enumerate(words):
        features[place, row] = 1.0 / max(len(set(row)), 1)
    return features


def _part(nodes: list[dict[str, object]], name: str) -> Places:
    return np.array([place for place, node in enumerate(nodes) if node["split"] == name], np.int64)
