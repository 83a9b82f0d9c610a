"""Whether views hold of each chunk what the catalog says: its vector, its rights and its metadata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from pyroaring import BitMap64

from api.serving.collection_runtime import CollectionRuntime
from retrieval.catalog import Catalog
from retrieval.contracts import server_part
from retrieval.types import IndexedChunk, ViewBatch

CLOSE = 1e-3  # in each component of a unit vector; a server that stores vectors rounds them


@dataclass(slots=True)
class Contents:
    """Labels that are held, but with something else than the catalog has."""

    vectors: BitMap64 = field(default_factory=BitMap64)
    attributes: BitMap64 = field(default_factory=BitMap64)


def differing_contents(catalog: Catalog, runtime: CollectionRuntime) -> Contents:
    """What differs at two looks, and did not change meanwhile: a change on its way is no difference."""
    first = _look(catalog, runtime, None)
    if not first.vectors and not first.attributes:
        return first
    runtime.follower.catch_up()
    reached = runtime.follower.views.seq
    second = _look(catalog, runtime, first.vectors | first.attributes)
    if not second.vectors and not second.attributes:
        return second
    changed = catalog.log.state(runtime.collection, since=reached).changed
    return Contents(second.vectors - changed, second.attributes - changed)


def take_out(catalog: Catalog, runtime: CollectionRuntime, contents: Contents) -> None:
    """Take what differs out, vectors from the catalog too; what follows embeds and adds them again.

    The words of these chunks too: where a vector or rights are another chunk's, as after a catalog was put back to an
    older state, the words are as well, and cannot be compared. An index on a server is left alone: a rebuild replaces
    each of its chunks, and until then searches find them.
    """
    hashes = catalog.log.text_hashes(runtime.collection, contents.vectors)
    catalog.embeddings.forget(runtime.collection.encoder_fingerprint, hashes)
    views = runtime.follower.views
    with runtime.follower.paused():
        for view, labels in ((views.dense, contents.vectors), (views.sparse, contents.vectors | contents.attributes)):
            if labels and server_part(view) is None:
                view.apply(ViewBatch(view.seq, list(labels), []))


def _look(catalog: Catalog, runtime: CollectionRuntime, only: BitMap64 | None) -> Contents:
    views, found = runtime.follower.views, Contents()
    held = views.dense.labels()
    for chunks in _chunks(catalog, runtime):
        looked = chunks if only is None else [chunk for chunk in chunks if chunk.label in only]
        stored = [chunk for chunk in looked if chunk.vector is not None and chunk.label in held]
        if stored:
            labels = np.array([chunk.label for chunk in stored], np.int64)
            expected = np.stack([chunk.vector for chunk in stored if chunk.vector is not None])
            differ = np.abs(views.dense.vectors(labels) - expected).max(axis=1) > CLOSE
            found.vectors.update(labels[differ].tolist())
        known = views.attributes.labels()
        found.attributes.update(
            chunk.label for chunk in looked if chunk.label in known and not views.attributes.describes(chunk)
        )
    return found


def _chunks(catalog: Catalog, runtime: CollectionRuntime) -> Iterator[list[IndexedChunk]]:
    nothing = BitMap64()
    for batch in catalog.log.everything(runtime.collection, nothing, nothing):
        yield list(batch.added)
