"""Checks that the views agree with the catalog, and mends them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyroaring import BitMap64

from api.collection_runtime import CollectionRuntime
from api.knowledge_base import KnowledgeBase
from ingest.regeneration import embed_missing

MAX_LOOKS = 20  # under steady writes one of so many falls between two commits


@dataclass(frozen=True, slots=True)
class Difference:
    """How one view departs from the catalog, in labels."""

    missing: int
    surplus: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found. `unembedded` passages can be found by words only."""

    collection: str
    seq: int
    documents: int
    chunks: int
    unembedded: int
    views: dict[str, Difference]
    repaired: bool = False

    @property
    def in_step(self) -> bool:
        """Whether every view holds exactly the catalog's chunks, each with its embedding."""
        return not self.unembedded and not any(d.missing or d.surplus for d in self.views.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "collection": self.collection,
            "seq": self.seq,
            "documents": self.documents,
            "chunks": self.chunks,
            "unembedded": self.unembedded,
            "views": {n: {"missing": d.missing, "surplus": d.surplus} for n, d in self.views.items()},
            "in_step": self.in_step,
            "repaired": self.repaired,
        }

    def sentence(self) -> str:
        """The verdict for a person."""
        size = f"{self.collection}: {self.documents:,} documents, {self.chunks:,} chunks at operation {self.seq}"
        if self.in_step:
            return f"{size}; catalog, words index and vectors agree"
        found = [f"{n}: {d.missing} missing, {d.surplus} too many" for n, d in self.views.items()]
        found += [f"{self.unembedded} passages without embedding"] if self.unembedded else []
        return f"{size}; {'; '.join(found)}; {'repaired' if self.repaired else 'repair with --repair'}"


def verify_collection(kb: KnowledgeBase, collection: str, *, repair: bool = False) -> Verdict:
    """Compare each view with the catalog by label (a label names one passage for ever); mend it when asked."""
    with kb.runtimes.use(collection) as runtime:
        before = verify_runtime(kb, runtime)
        if not repair or before.in_step:
            return before
        embed_missing(kb.catalog, runtime.collection, runtime.encoder)
        runtime.follower.rebuild()
        after = verify_runtime(kb, runtime)
    return Verdict(collection, after.seq, after.documents, after.chunks, before.unembedded, before.views, after.in_step)


def verify_runtime(kb: KnowledgeBase, runtime: CollectionRuntime) -> Verdict:
    """Compare the views of one generation with what the catalog has for it."""
    views = runtime.follower.views
    for _ in range(MAX_LOOKS):
        with runtime.follower.paused():
            state = kb.catalog.log.state(runtime.collection)
            differences = {
                "sparse": _difference(state.labels, views.sparse.labels()),
                "dense": _difference(state.labels - state.unembedded, views.dense.labels()),
                "attributes": _difference(state.labels, views.attributes.labels()),
            }
            if state.seq == views.seq:  # else something was committed between the two looks
                break
    return Verdict(runtime.name, state.seq, state.documents, len(state.labels), len(state.unembedded), differences)


def _difference(expected: BitMap64, held: BitMap64) -> Difference:
    return Difference(len(expected - held), len(held - expected))
