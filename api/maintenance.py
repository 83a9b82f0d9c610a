"""Checks that source, catalog and views agree, and mends what does not, from the outside in.

First the catalog against live sources and against itself, then the views against the catalog: what is mended in one is
on its way to the next.
"""

from __future__ import annotations

from dataclasses import replace

from pyroaring import BitMap64

from api.collection_runtime import CollectionRuntime
from api.knowledge_base import KnowledgeBase
from api.source_verification import SourceComparison, compare_sources
from api.verdict import Difference, Verdict
from api.view_contents import Contents, differing_contents, replace_vectors
from ingest.regeneration import embed_missing
from retrieval.errors import NotFoundError
from retrieval.types import OPERATOR

MAX_LOOKS = 20  # under steady writes one of so many falls between two commits


def verify_collection(kb: KnowledgeBase, collection: str, *, repair: bool = False) -> Verdict:
    """Compare live sources, catalog and each view by key, label and hash; mend them when asked.

    A view is compared by label, for a label names one passage for ever. Searches and changes go on meanwhile.
    """
    with kb.runtimes.use(collection) as runtime:
        comparisons = compare_sources(kb, runtime)
        before, damaged, contents = _everything(kb, runtime, comparisons)
        if not repair or before.in_step:
            return before
        for comparison in comparisons.values():
            comparison.mend(damaged)
        lost = _rewrite(kb, runtime, damaged)
        replace_vectors(kb.catalog, runtime, contents.vectors)
        embed_missing(kb.catalog, runtime.collection, runtime.encoder)
        runtime.follower.rebuild()
        after, still, _ = _everything(kb, runtime, compare_sources(kb, runtime))
    is_mended = after.in_step or (bool(lost) and set(still) <= set(lost))
    return replace(before, seq=after.seq, documents=after.documents, chunks=after.chunks, lost=lost, repaired=is_mended)


def verify_runtime(kb: KnowledgeBase, runtime: CollectionRuntime) -> Verdict:
    """Compare the views of one generation with what the catalog has for it, by label."""
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


def _everything(
    kb: KnowledgeBase, runtime: CollectionRuntime, comparisons: dict[str, SourceComparison]
) -> tuple[Verdict, dict[str, bool], Contents]:
    """The verdict, damaged documents with whether their text is whole, and what views hold otherwise."""
    verdict = verify_runtime(kb, runtime)
    contents = differing_contents(kb.catalog, runtime)
    views = {
        **verdict.views,
        "dense": replace(verdict.views["dense"], changed=len(contents.vectors)),
        "attributes": replace(verdict.views["attributes"], changed=len(contents.attributes)),
    }
    damaged = dict(kb.catalog.integrity.damaged(runtime.collection))
    sources = {name: comparison.verdict for name, comparison in comparisons.items()}
    return replace(verdict, views=views, damaged=sorted(damaged), sources=sources), damaged, contents


def _rewrite(kb: KnowledgeBase, runtime: CollectionRuntime, damaged: dict[str, bool]) -> list[str]:
    """Write damaged documents anew from their own text; those whose text is not known any more come back."""
    still = dict(kb.catalog.integrity.damaged(runtime.collection)) if damaged else {}  # a source may have mended some
    whole = [key for key, is_whole in still.items() if is_whole]
    kb.catalog.integrity.distrust(runtime.collection, set(whole))
    for key in whole:
        try:
            stored = kb.catalog.documents.get(runtime.collection, key, OPERATOR)
        except NotFoundError:  # deleted meanwhile
            continue
        runtime.pipeline.write([stored.document])
    return sorted(key for key, is_whole in still.items() if not is_whole)


def _difference(expected: BitMap64, held: BitMap64) -> Difference:
    return Difference(len(expected - held), len(held - expected))
