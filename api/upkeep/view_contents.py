"""Whether views hold of each chunk what the catalog says: its words, its vector, its rights and its metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from pyroaring import BitMap64

from api.serving.collection_runtime import CollectionRuntime
from retrieval.catalog import Catalog
from retrieval.contracts import IndexView, VectorView, server_part
from retrieval.types import IndexedChunk, ViewBatch

CLOSE = 1e-3  # in each component of a unit vector; a server that stores vectors rounds them


@dataclass(frozen=True, slots=True)
class Contents:
    """Labels that are held, but with something else than the catalog has, or as newer than the catalog is."""

    words: BitMap64 = field(default_factory=BitMap64)  # an index on a server filters: its rights and metadata as well
    vectors: BitMap64 = field(default_factory=BitMap64)
    restrictions: BitMap64 = field(default_factory=BitMap64)  # rights and metadata beside vectors, on a server
    attributes: BitMap64 = field(default_factory=BitMap64)

    def labels(self) -> BitMap64:
        """Those of any kind."""
        return self.words | self.vectors | self.restrictions | self.attributes

    def without(self, labels: BitMap64) -> Contents:
        """The same but for these."""
        return Contents(
            self.words - labels, self.vectors - labels, self.restrictions - labels, self.attributes - labels
        )


def differing_contents(catalog: Catalog, runtime: CollectionRuntime) -> Contents:
    """What differs at two looks, and did not change meanwhile: a change on its way is no difference."""
    first = _look(catalog, runtime, None)
    if not (suspected := first.labels()):
        return first
    runtime.follower.catch_up()
    reached = runtime.follower.views.seq
    second = _look(catalog, runtime, suspected)
    if not second.labels():
        return second
    return second.without(catalog.log.state(runtime.collection, since=reached).changed)


def forget_embeddings(catalog: Catalog, runtime: CollectionRuntime, contents: Contents) -> None:
    """Take the embeddings of vectors that differ out of the catalog: nobody knows which of the two is right."""
    hashes = catalog.log.text_hashes(runtime.collection, contents.vectors)
    catalog.embeddings.forget(runtime.collection.encoder_fingerprint, hashes)


def take_out(runtime: CollectionRuntime, contents: Contents) -> None:
    """Take words and vectors that differ out of the views, which skip what they hold; a rebuild brings them anew.

    An index on a server is left alone: a rebuild replaces each of its chunks, and until then searches find them.
    """
    views = runtime.follower.views
    with runtime.follower.paused():
        for view, labels in ((views.dense, contents.vectors), (views.sparse, contents.words)):
            if labels and server_part(view) is None:
                view.apply(ViewBatch(view.seq, list(labels), []))


def _look(catalog: Catalog, runtime: CollectionRuntime, only: BitMap64 | None) -> Contents:
    views, found, seen = runtime.follower.views, Contents(), BitMap64()
    held = views.dense.labels()
    for chunks in _chunks(catalog, runtime):
        looked = chunks if only is None else [chunk for chunk in chunks if chunk.label in only]
        seen.update(chunk.label for chunk in looked)
        found.words.update(views.sparse.differing(looked))
        found.vectors.update(_other_vectors(views.dense, [chunk for chunk in looked if chunk.label in held]))
        found.restrictions.update(views.dense.differing(looked))
        found.attributes.update(views.attributes.differing(looked))
    found.words.update(_newer_than_the_log(catalog, runtime, views.sparse) & seen)
    found.restrictions.update(_newer_than_the_log(catalog, runtime, views.dense) & seen)
    return found


def _newer_than_the_log(catalog: Catalog, runtime: CollectionRuntime, view: IndexView) -> BitMap64:
    """Labels that an index on a server has as of operations to come: it would refuse those as older."""
    if (server := server_part(view)) is None:
        return BitMap64()
    held = server.newer_than(catalog.collections.last_seq(runtime.collection.id))
    newest = catalog.collections.last_seq(runtime.collection.id)  # again: what was written meanwhile is no newer
    return BitMap64([label for label, operation in held.items() if operation > newest])


def _other_vectors(view: VectorView, held: Sequence[IndexedChunk]) -> list[int]:
    """Labels of those of the chunks whose vector the view has otherwise."""
    expected = {chunk.label: chunk.vector for chunk in held if chunk.vector is not None}
    if not expected:
        return []
    labels = np.array(list(expected), np.int64)
    away = np.abs(view.vectors(labels, anew=True) - np.stack(list(expected.values()))).max(axis=1)
    differing: list[int] = labels[away > CLOSE].tolist()
    return differing


def _chunks(catalog: Catalog, runtime: CollectionRuntime) -> Iterator[list[IndexedChunk]]:
    nothing = BitMap64()
    for batch in catalog.log.everything(runtime.collection, nothing, nothing):
        yield list(batch.added)
