"""The corpus graph of a whole corpus: typed nodes, and for each kind of edge the pairs of chunks that it connects."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from infra.wording import counted
from retrieval.analysis.analyzer import Analyzer
from retrieval.errors import InvalidInputError
from retrieval.graph.nearest import Neighbours, nearest_vectors, nearest_words, no_neighbours, rare_limit, undirected
from retrieval.graph.nodes import NodeKind, Reference, references_of
from retrieval.types import IndexedChunk, Labels, Vectors

NEIGHBOURS = 10  # of a chunk, by words, vectors and names
HUB_LIMIT = 200  # chunks: a node that more refer to connects nothing, for it is about none of them
PARENT_WEIGHT = 0.5  # of the edge to the document's first chunk, beside 1 to the chunk before and after


class EdgeKind(StrEnum):
    """What an edge says of its two chunks."""

    DENSE = "dense"  # their vectors are near
    WORDS = "words"  # they share rare words
    ENTITIES = "entities"  # they name the same thing
    STRUCTURE = "structure"  # one follows the other in a document, or begins it
    LINKS = "links"  # one mentions the other's title, links to it, or a foreign key joins their rows
    HYPERLINKS = "hyperlinks"  # those of the former that a document's author set, by URL or path
    FOREIGN_KEYS = "foreign-keys"  # those that the source database has


@dataclass(frozen=True, slots=True)
class EdgeList:
    """Undirected edges, each once: (m, 2) chunk labels, the lower first, sorted; (m,) weights above 0, at most 1."""

    pairs: Labels
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True, slots=True)
class CorpusGraph:
    """Chunks by rising label, the edges between them by kind, and the names and addresses behind some of these.

    `memberships` has one row for each chunk that refers to a node: (k, 3) place of the chunk in `labels`, place of the
    node in `nodes`, 1 where the chunk is that thing and 0 where it mentions it. Nodes that one chunk alone refers to
    are left out. `documents`: (n,) the document of each chunk.
    """

    labels: Labels
    documents: NDArray[np.int64]
    edges: Mapping[EdgeKind, EdgeList]
    nodes: tuple[tuple[NodeKind, str], ...]
    memberships: NDArray[np.int64]

    def places(self, kind: EdgeKind | str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """((m, 2) places in `labels` instead of labels, (m,) weights) of one kind; empty where it was not built."""
        edges = self.edges.get(EdgeKind(kind))
        if edges is None:
            return no_neighbours()
        return np.searchsorted(self.labels, edges.pairs), edges.weights


def build_graph(
    chunks: Sequence[IndexedChunk],
    vectors: Vectors | None = None,
    *,
    analyzer: Analyzer | None = None,
    neighbours: int = NEIGHBOURS,
    kinds: Collection[EdgeKind | str] = tuple(EdgeKind),
) -> CorpusGraph:
    """The graph of these chunks, in any order. `vectors`: (n, dim) unit vectors in the order of `chunks`.

    Without vectors those of the chunks are used; where one has none, there are no dense edges. No language model takes
    part, and equal chunks give an equal graph. Use `graph.edges[EdgeKind.DENSE].pairs` for labels, or
    `graph.places("dense")` for places in `graph.labels` (with rows of a vector matrix in that order):

        graph = build_graph(snapshot.chunks, snapshot.vectors)
        pairs, weights = graph.places("links")  # (m, 2), (m,); undirected, each once

    About 8 s for 10,000 chunks on one core. Raises `InvalidInputError` where vectors and chunks do not match, or
    `neighbours` is below 1.
    """
    _check(chunks, vectors, neighbours)
    order = np.argsort([chunk.label for chunk in chunks], kind="stable")
    ordered = [chunks[at] for at in order]
    wanted = {EdgeKind(kind) for kind in kinds}
    labels = np.array([chunk.label for chunk in ordered], np.int64)
    documents = np.array([chunk.document for chunk in ordered], np.int64)
    found: dict[EdgeKind, Neighbours] = {}
    if EdgeKind.DENSE in wanted:
        rows = _vectors_of(ordered) if vectors is None else vectors[order]
        found[EdgeKind.DENSE] = no_neighbours() if rows is None else nearest_vectors(rows, neighbours)
    if EdgeKind.WORDS in wanted:
        found[EdgeKind.WORDS] = nearest_words(_words(ordered, analyzer or Analyzer()), neighbours)
    if EdgeKind.STRUCTURE in wanted:
        found[EdgeKind.STRUCTURE] = structure(documents)
    nodes, memberships = _nodes(ordered) if wanted & {EdgeKind.ENTITIES, *_LINKING} else ((), _NO_MEMBERS)
    if EdgeKind.ENTITIES in wanted:
        found[EdgeKind.ENTITIES] = _entities(nodes, memberships, len(ordered), neighbours)
    for kind in sorted(wanted & set(_LINKING)):
        found[kind] = _links(nodes, memberships, documents, _LINKING[kind])
    edges = {kind: EdgeList(labels[pairs], weights) for kind, (pairs, weights) in found.items()}
    return CorpusGraph(labels, documents, edges, nodes, memberships)


def structure(documents: NDArray[np.int64]) -> Neighbours:
    """Edges within documents, whose chunks stand in the order of the text: to the next one, and to the first."""
    order = np.argsort(documents, kind="stable")
    ranked = documents[order]
    starts = np.flatnonzero(np.r_[True, np.diff(ranked) != 0]) if len(ranked) else np.empty(0, np.int64)
    first = np.repeat(order[starts], np.diff(np.r_[starts, len(ranked)])) if len(ranked) else order
    follows = np.flatnonzero(np.diff(ranked) == 0)
    along = np.stack([order[follows], order[follows + 1]], axis=1)
    up = np.stack([first, order], axis=1)
    weights = np.r_[np.ones(len(along)), np.full(len(up), PARENT_WEIGHT)].astype(np.float32)
    return undirected(np.vstack([along, up]), weights)


def name_weight(members: int, chunks: int) -> float:
    """How much a node says that so many of the chunks refer to: 1 for two of many, towards 0 for a common one."""
    return math.log(1.0 + chunks / members) / math.log(1.0 + chunks / 2) if chunks > 1 else 1.0


def word_numbers(tokens: Collection[str]) -> NDArray[np.int64]:
    """(n,) the distinct tokens as 32-bit numbers, rising."""
    return np.unique(np.fromiter((zlib.crc32(token.encode()) for token in tokens), np.int64, len(tokens)))


_LINKING = {  # kinds of links -> the nodes that they lead over
    EdgeKind.LINKS: frozenset(NodeKind),
    EdgeKind.HYPERLINKS: frozenset({NodeKind.ADDRESS}),
    EdgeKind.FOREIGN_KEYS: frozenset({NodeKind.ROW}),
}
_NO_MEMBERS = np.empty((0, 3), np.int64)


def _words(chunks: Sequence[IndexedChunk], analyzer: Analyzer) -> list[NDArray[np.int64]]:
    passages = ("\n".join((chunk.title, chunk.heading, chunk.text)) for chunk in chunks)
    return [word_numbers(set(analyzer.query_tokens(passage))) for passage in passages]


def _nodes(chunks: Sequence[IndexedChunk]) -> tuple[tuple[tuple[NodeKind, str], ...], NDArray[np.int64]]:
    """Nodes that several chunks refer to, sorted, and the memberships."""
    members: dict[tuple[NodeKind, str], list[tuple[int, bool]]] = {}
    for place, chunk in enumerate(chunks):
        for reference in references_of(chunk):
            members.setdefault(_node(reference), []).append((place, reference.is_it))
    shared = sorted(node for node, those in members.items() if len(those) > 1)
    rows = [(place, number, is_it) for number, node in enumerate(shared) for place, is_it in members[node]]
    return tuple(shared), np.array(rows, np.int64).reshape(-1, 3)


def _node(reference: Reference) -> tuple[NodeKind, str]:
    return reference.kind, reference.name


def _entities(
    nodes: Sequence[tuple[NodeKind, str]], memberships: NDArray[np.int64], chunks: int, neighbours: int
) -> Neighbours:
    """Each chunk with those that name most of what it names, rare names first."""
    limit = min(HUB_LIMIT, rare_limit(chunks))
    shared: dict[tuple[int, int], float] = {}
    for number, places, _ in _by_node(memberships):
        if nodes[number][0] is NodeKind.NAME and len(places) <= limit:
            weight = name_weight(len(places), chunks)
            for at, one in enumerate(places):
                for other in places[at + 1 :]:
                    shared[one, other] = shared.get((one, other), 0.0) + weight
    return _strongest(shared, chunks, neighbours)


def _links(
    nodes: Sequence[tuple[NodeKind, str]],
    memberships: NDArray[np.int64],
    documents: NDArray[np.int64],
    over: Collection[NodeKind],
) -> Neighbours:
    """Chunks that mention a thing with those that are it; and chunks that link to one page or join one row."""
    pairs: list[tuple[int, int]] = []
    weights: list[float] = []
    for number, places, are in _by_node(memberships):
        if len(places) > HUB_LIMIT or nodes[number][0] not in over:
            continue
        mentioning = [place for place, is_it in zip(places, are, strict=True) if not is_it]
        # A document is entered by its first chunk, as a reader would.
        being = list(
            {int(documents[p]): p for p, is_it in reversed(list(zip(places, are, strict=True))) if is_it}.values()
        )
        pairs += [(one, other) for one in mentioning for other in being if documents[one] != documents[other]]
        weights += [1.0] * (len(pairs) - len(weights))
        if nodes[number][0] is not NodeKind.NAME and len(mentioning) > 1:
            joined = [(one, other) for at, one in enumerate(mentioning) for other in mentioning[at + 1 :]]
            joined = [(one, other) for one, other in joined if documents[one] != documents[other]]
            pairs += joined
            weights += [1.0 / (len(mentioning) - 1)] * len(joined)
    return undirected(np.array(pairs, np.int64).reshape(-1, 2), np.array(weights, np.float32))


def _by_node(memberships: NDArray[np.int64]) -> list[tuple[int, list[int], list[int]]]:
    """(node, places of its chunks, 1 where the chunk is it) of each node."""
    if not len(memberships):
        return []
    starts = np.flatnonzero(np.r_[True, np.diff(memberships[:, 1]) != 0])
    parts = np.split(memberships, starts[1:])
    return [(int(part[0, 1]), part[:, 0].tolist(), part[:, 2].tolist()) for part in parts]


def _strongest(shared: Mapping[tuple[int, int], float], chunks: int, neighbours: int) -> Neighbours:
    """The `neighbours` heaviest edges of each chunk, weights scaled so that the heaviest of all is 1."""
    if not shared:
        return no_neighbours()
    ends = np.array(list(shared), np.int64)
    weights = np.array(list(shared.values()), np.float32)
    both, doubled = np.vstack([ends, ends[:, ::-1]]), np.tile(weights, 2)
    order = np.lexsort((both[:, 1], -doubled, both[:, 0]))
    both, doubled = both[order], doubled[order]
    starts = np.searchsorted(both[:, 0], np.arange(chunks))
    kept = np.arange(len(both)) - starts[both[:, 0]] < neighbours
    return undirected(both[kept], doubled[kept] / doubled.max())


def _vectors_of(chunks: Sequence[IndexedChunk]) -> Vectors | None:
    vectors = [chunk.vector for chunk in chunks if chunk.vector is not None]
    return np.stack(vectors) if chunks and len(vectors) == len(chunks) else None


def _check(chunks: Sequence[IndexedChunk], vectors: Vectors | None, neighbours: int) -> None:
    if neighbours < 1:
        raise InvalidInputError(f"neighbours is {neighbours}; expected at least 1")
    if vectors is not None and len(vectors) != len(chunks):
        raise InvalidInputError(
            f"{counted(len(chunks), 'chunk')} came with {counted(len(vectors), 'vector')}; expected one each"
        )
