"""How much longer a request takes by one plan than by another: pairs of searches, until the answer is certain.

The time is the processor's, of this thread, on which a search does all of its work: what other programs do to the
clock by the wall once made a gate refuse one day what it let through on another, and what other jobs and searches of
the same process do would count in its processor time. A busy machine still disturbs caches, which only ever lengthens a
search, so the quickest of some turns counts, and the median over questions of the ratio of both.

Not counted are the helper threads of a reranker that has some; both plans have the same one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from math import comb

import numpy as np

from retrieval.analysis.analyzer import Analyzer
from retrieval.catalog import Catalog
from retrieval.dense import FLAT_LIMIT
from retrieval.dense.products import inner_products
from retrieval.search.highlights import highlights, marked_tokens
from retrieval.search.legs import legs_of
from retrieval.search.request_time import LATENCY_RATIO, REQUEST_MS
from retrieval.search.types import CHUNKS_PER_DOCUMENT
from retrieval.types import OPERATOR
from search_core.candidate import Candidate
from search_core.corpus.legs import HITS
from search_core.proof.gate import Latency

QUESTIONS = 20  # timed before it is first looked whether the answer is certain, and so many more each time
MAX_QUESTIONS = 80  # questions; where 80 leave it open, both plans differ by very nearly what is allowed
TURNS = 4  # of each question, the older plan first in one and last in the next
LEVEL = 0.99  # of the interval: it is looked at up to four times

Search = Callable[[], object]


def compare_latency(catalog: Catalog, before: Candidate, after: Candidate, places: tuple[int, ...]) -> Latency | None:
    """Whole searches, each with what its plan asks of a search, as parts of requests; None where both are the same."""
    if before.plan == after.plan and after.model is None:
        return None
    settings = before.legs.snapshot.collection.settings
    search = partial(_search, catalog, Analyzer(settings.dictionary, settings.synonyms))
    pairs = ((partial(search, before, place), partial(search, after, place)) for place in places)
    return time_pairs(pairs, around=REQUEST_MS / 1000)


def time_pairs(
    pairs: Iterable[tuple[Search, Search]], clock: Callable[[], float] = time.thread_time, around: float = 0.0
) -> Latency:
    """Time searches before and after, question by question, until the interval of the ratio leaves out the limit.

    `around`: seconds that surround each of them.
    """
    before: list[float] = []
    after: list[float] = []
    for pair in pairs:
        old, new = _quickest(pair, clock)
        before.append(old + around)
        after.append(new + around)
        if len(before) % QUESTIONS == 0:
            latency = _latency(before, after)
            if latency.low > LATENCY_RATIO or latency.high <= LATENCY_RATIO or len(before) >= MAX_QUESTIONS:
                return latency
    return _latency(before, after)


def _quickest(pair: tuple[Search, Search], clock: Callable[[], float]) -> tuple[float, float]:
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(TURNS):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            began = clock()
            pair[which]()
            taken[which].append(clock() - began)
    return min(taken[0]), min(taken[1])


def _latency(before: list[float], after: list[float]) -> Latency:
    """Median before, median ratio, and the interval that the order statistics give for it."""
    ratios = np.sort(np.array(after) / np.array(before))
    outside = _outside(len(ratios))
    median_ms = float(np.median(before)) * 1000
    ratio = float(np.median(ratios))
    return Latency(median_ms, median_ms * ratio, float(ratios[outside]), float(ratios[-1 - outside]))


def _outside(count: int) -> int:
    """How many values on either side may be left out of an interval of the median, whatever the distribution."""
    tail, outside = 0.0, -1
    while (tail := tail + comb(count, outside + 1) / 2**count) <= (1 - LEVEL) / 2:
        outside += 1
    return max(outside, 0)


def _search(catalog: Catalog, analyzer: Analyzer, candidate: Candidate, place: int) -> None:
    """What `retrieval.retriever` does for this plan, highlights included, as searches have them by default.

    Where a graph finds the nearest vectors, as many are compared as would be without one: that takes about as long.
    """
    legs, plan = candidate.legs, candidate.plan
    text, needed = legs.questions[place].text, HITS * CHUNKS_PER_DOCUMENT
    asked = legs_of(plan.fusion)
    if "sparse" in asked:
        legs.snapshot.words.search(text, max(plan.sparse_depth, needed))
    if "dense" in asked or plan.precedents is not None:
        vector = candidate.encoder.encode_passages([text])  # queries are remembered; a new one costs what this costs
        if candidate.precedents is not None and plan.precedents is not None:
            candidate.precedents.near(vector[0])
        if candidate.adapter is not None and plan.adapter is not None:
            vector = candidate.adapter.apply(vector)
        if "dense" in asked:
            scores = inner_products(legs.snapshot.vectors[:FLAT_LIMIT], vector[0])
            np.argpartition(-scores, min(max(plan.dense_depth, needed), len(scores)) - 1)
    found = replace(legs, rerankings=legs.rerankings.anew()).best(plan, place)
    catalog.documents.visible(legs.snapshot.collection, [chunk.label for chunk in found], OPERATOR)
    marked = marked_tokens(analyzer, text)
    for chunk in found:
        highlights(analyzer, marked, chunk.text)
