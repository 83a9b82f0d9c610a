"""Checks that source, catalog and views agree, and mends what does not, from the outside in.

First the catalog against live sources and against itself, then the views against the catalog: what is mended in one is
on its way to the next.
"""

from __future__ import annotations

import time
from dataclasses import replace

from pyroaring import BitMap64

from api.knowledge_base import KnowledgeBase
from api.serving.collection_runtime import CollectionRuntime
from api.upkeep.source_verification import SourceComparison, compare_sources
from api.upkeep.verification_result import Difference, VerificationResult
from api.upkeep.view_contents import Contents, differing_contents, forget_embeddings, take_out
from ingest.regeneration import embed_missing
from retrieval.errors import NotFoundError
from retrieval.types import OPERATOR

LOOK_SECONDS = 0.1
MAX_LOOKS = 20  # until the views have reached what was committed when the comparison began


def verify_collection(kb: KnowledgeBase, collection: str, *, repair: bool = False) -> VerificationResult:
    """Compare live sources, catalog and each view by key, label and hash; mend them when asked.

    A view is compared by label and by what it holds under it. Searches and changes go on meanwhile.
    """
    with kb.runtimes.use(collection) as runtime:
        comparisons = compare_sources(kb, runtime)
        before, damaged, contents = _everything(kb, runtime, comparisons)
        if not repair or before.in_step:
            return before
        for comparison in comparisons.values():
            comparison.mend(damaged)
        lost = _rewrite(kb, runtime, damaged)
        forget_embeddings(kb.catalog, runtime, contents)
        embed_missing(kb.catalog, runtime.collection, runtime.encoder)
        take_out(runtime, contents)
        runtime.follower.rebuild()
        after, still, _ = _everything(kb, runtime, compare_sources(kb, runtime))
    is_mended = after.in_step or (bool(lost) and set(still) <= set(lost))
    return replace(before, seq=after.seq, documents=after.documents, chunks=after.chunks, lost=lost, repaired=is_mended)


def verify_runtime(kb: KnowledgeBase, runtime: CollectionRuntime) -> VerificationResult:
    """Compare the views of one generation with what the catalog has for it, by label.

    Writes go on meanwhile, so the catalog is read a little later than the views. What was changed in between is left
    out: whether views follow that is not known yet. Views that stand still are told by all that they lack.
    """
    views, goal = runtime.follower.views, kb.catalog.collections.last_seq(runtime.collection.id)
    for _ in range(MAX_LOOKS):
        with runtime.follower.paused():
            reached = views.seq  # first: another process may advance a view on a server while it is read
            held = {"sparse": views.sparse.labels(), "dense": views.dense.labels()}
            held["attributes"] = views.attributes.labels()
        state = kb.catalog.log.state(runtime.collection, since=reached)
        if reached >= goal:
            break
        time.sleep(LOOK_SECONDS)
    on_its_way = state.changed if reached >= goal else BitMap64()
    wanted = {"sparse": state.labels, "dense": state.labels - state.unembedded, "attributes": state.labels}
    differences = {name: _difference(wanted[name], held[name], on_its_way) for name in wanted}
    return VerificationResult(
        runtime.name, state.seq, state.documents, len(state.labels), len(state.unembedded), differences
    )


def _everything(
    kb: KnowledgeBase, runtime: CollectionRuntime, comparisons: dict[str, SourceComparison]
) -> tuple[VerificationResult, dict[str, bool], Contents]:
    """The result, damaged documents with whether their text is whole, and what views hold otherwise."""
    result = verify_runtime(kb, runtime)
    contents = differing_contents(kb.catalog, runtime)
    views = {
        "sparse": replace(result.views["sparse"], changed=len(contents.words)),
        "dense": replace(result.views["dense"], changed=len(contents.vectors | contents.restrictions)),
        "attributes": replace(result.views["attributes"], changed=len(contents.attributes)),
    }
    damaged = dict(kb.catalog.integrity.damaged(runtime.collection))
    sources = {name: comparison.result for name, comparison in comparisons.items()}
    return replace(result, views=views, damaged=sorted(damaged), sources=sources), damaged, contents


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


def _difference(expected: BitMap64, held: BitMap64, but: BitMap64) -> Difference:
    return Difference(len(expected - held - but), len(held - expected - but))
