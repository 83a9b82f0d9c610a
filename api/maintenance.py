"""Checks that the views agree with the catalog, and embeds collections anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyroaring import BitMap64

from api.knowledge_base import KnowledgeBase

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
    runtime = kb.runtime(collection)
    if repair:
        before = _verdict(kb, collection)
        if before.in_step:
            return before
        _embed_missing(kb, collection, runtime.encoder.fingerprint, lambda _: None)
        runtime.follower.rebuild()
        after = _verdict(kb, collection)
        return Verdict(
            collection, after.seq, after.documents, after.chunks, before.unembedded, before.views, after.in_step
        )
    return _verdict(kb, collection)


def _verdict(kb: KnowledgeBase, collection: str) -> Verdict:
    runtime = kb.runtime(collection)
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
    return Verdict(collection, state.seq, state.documents, len(state.labels), len(state.unembedded), differences)


def _difference(expected: BitMap64, held: BitMap64) -> Difference:
    return Difference(len(expected - held), len(held - expected))


def reindex_collection(
    kb: KnowledgeBase, collection: str, encoder: str, progress: Callable[[int], None]
) -> dict[str, Any]:
    """Embed every passage by the encoder (default: the settings'), then point the collection at it.

    Until the switch, searches use the old embeddings; changes committed meanwhile are embedded before it too.
    """
    name = encoder or kb.settings.encoder
    fingerprint = kb.open_encoder(name).fingerprint
    embedded = _embed_missing(kb, collection, fingerprint, progress, name)
    kb.catalog.collections.set_encoder(collection, name, fingerprint)
    kb.forget_runtime(collection)
    embedded += _embed_missing(kb, collection, fingerprint, progress, name)  # what changed during the switch
    return {"collection": collection, "encoder": name, "fingerprint": fingerprint, "embedded": embedded}


def _embed_missing(
    kb: KnowledgeBase, collection: str, fingerprint: str, progress: Callable[[int], None], encoder: str = ""
) -> int:
    record = kb.catalog.collections.get(collection)
    model = kb.open_encoder(encoder or record.encoder)
    count = 0
    for passages in kb.catalog.embeddings.missing_passages(record, fingerprint):
        vectors = model.encode_passages(list(passages.values()))
        kb.catalog.embeddings.store(fingerprint, dict(zip(passages, vectors, strict=True)))
        count += len(passages)
        progress(len(passages))
    return count
