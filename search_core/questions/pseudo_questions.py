"""Questions made from the corpus where nobody judged any: titles asked of their text, sentences of their passage.

What is asked is taken out of the whole document first (the inverse cloze task, Lee et al. 2019), or word search would
be perfect.
How far to trust them: on Cranfield plans were ranked by title questions as by real ones with a rank correlation of
0.59, by cloze questions 0.58; for settings of a graph there was none. So they choose, and promote nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from infra.wording import counted
from retrieval.analysis.analyzer import Analyzer
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.contracts import Encoder
from retrieval.sparse import SparseView
from retrieval.types import IndexedChunk, ViewBatch
from search_core.corpus.snapshot import CorpusSnapshot, LazyGraph, key_of, passage_of
from search_core.errors import SupervisionError
from search_core.questions.splits import MIN_QUESTIONS
from search_core.questions.supervision import MADE, Supervision

MAX_QUESTIONS = 300  # questions; each costs the encoding of the altered passages
MAX_SIBLINGS = 50  # chunks of a document whose title is asked: without it all of them are encoded again
MIN_WORDS = 4  # of a sentence or title that can be a question (Chinese: characters)
MIN_REST = 80  # characters of the passage that remain
_SENTENCES = re.compile(r"[^.!?。！？\n]+[.!?。！？]?")
_TURKISH = str.maketrans("İı", "ii")
TRUST = (
    "questions were made from the corpus: they rank plans as people's questions do only in part "
    "(rank correlation about 0.6 on Cranfield), so nothing is promoted by them"
)


def questions_from_corpus(snapshot: CorpusSnapshot, encoder: Encoder, seed: int) -> tuple[CorpusSnapshot, Supervision]:
    """Questions, and the corpus without what they ask. Raises `SupervisionError` for a corpus too small to ask."""
    generator = np.random.default_rng(seed)
    siblings: dict[str, list[int]] = {}
    for place, chunk in enumerate(snapshot.chunks):
        siblings.setdefault(key_of(chunk), []).append(place)
    chunks, questions, folded = list(snapshot.chunks), [], dict[int, str]()
    for place in generator.permutation(len(chunks)):
        chunk = chunks[place]
        document = siblings[key_of(chunk)]
        text = _question(chunk, len(document), generator)
        if text is None or len(_without(chunk, text).text.strip()) < MIN_REST:
            continue
        rest = {at: _without(chunks[at], text) for at in _that_may_say(text, document, chunks, folded)}
        if not all(map(_says_something, rest.values())):
            continue
        questions.append(EvalQuery(f"made-{chunk.label}", text, {key_of(chunk): 1}))
        for at, altered in rest.items():
            chunks[at] = altered
            del folded[at]
        if len(questions) == MAX_QUESTIONS:
            break
    if len(questions) < MIN_QUESTIONS:
        raise SupervisionError(
            f"only {counted(len(questions), 'question')} can be made from {counted(len(snapshot.chunks), 'chunk')} of "
            f"collection {snapshot.collection.name!r}, expected at least {MIN_QUESTIONS}: give judged questions "
            "(an evaluation set, or --queries and --qrels), or more documents"
        )
    supervision = Supervision(tuple(questions), MADE, False, (TRUST,))
    return _with_altered(snapshot, chunks, encoder), supervision


def _question(chunk: IndexedChunk, siblings: int, generator: np.random.Generator) -> str | None:
    """The title of its document, or a sentence."""
    if siblings <= MAX_SIBLINGS and _is_long_enough(chunk.title) and generator.random() < 0.5:
        return chunk.title
    sentences = [found[0].strip() for found in _SENTENCES.finditer(chunk.text) if _is_long_enough(found[0])]
    return sentences[int(generator.integers(len(sentences)))] if sentences else None


def _that_may_say(asked: str, places: list[int], chunks: list[IndexedChunk], folded: dict[int, str]) -> list[int]:
    """Those that hold every word of it: an expression for each of thousands of chunks would take minutes."""
    words = _folded(asked).split()
    found = []
    for at in places:
        if at not in folded:
            folded[at] = _folded(chunks[at].words)
        if all(word in folded[at] for word in words):
            found.append(at)
    return found


def _folded(text: str) -> str:
    """Equal at least where `re.I` finds texts equal, to which each Turkish i is an i."""
    return text.translate(_TURKISH).casefold()


def _without(chunk: IndexedChunk, asked: str) -> IndexedChunk:
    """The chunk where it does not say this, in capitals or not; itself where it never did."""
    said = re.compile(r"\s+".join(map(re.escape, asked.split())), re.I)
    title, heading, text = (said.sub(" ", part) for part in (chunk.title, chunk.heading, chunk.text))
    if title != chunk.title:
        title = heading = ""  # what stands under a title says it again in other words
    if (title, heading, text) == (chunk.title, chunk.heading, chunk.text):
        return chunk
    return replace(chunk, title=title, heading=heading, text=text)


def _says_something(chunk: IndexedChunk) -> bool:
    return bool(passage_of(chunk).strip())


def _is_long_enough(text: str) -> bool:
    return len(re.findall(r"[一-鿿]|\w+", text)) >= MIN_WORDS


def _with_altered(snapshot: CorpusSnapshot, chunks: list[IndexedChunk], encoder: Encoder) -> CorpusSnapshot:
    places = [place for place, chunk in enumerate(chunks) if chunk is not snapshot.chunks[place]]
    vectors = snapshot.vectors.copy()
    vectors[places] = encoder.encode_passages([passage_of(chunks[place]) for place in places])
    for place in places:
        chunks[place] = replace(chunks[place], vector=vectors[place])
    settings = snapshot.collection.settings
    analyzer = Analyzer(settings.dictionary, settings.synonyms)
    graph, words = LazyGraph(chunks, analyzer, snapshot.seq), _words(chunks, analyzer, snapshot.seq)
    return replace(snapshot, chunks=tuple(chunks), vectors=vectors, words=words, graph=graph)


def _words(chunks: Iterable[IndexedChunk], analyzer: Analyzer, seq: int) -> SparseView:
    view = SparseView(None, analyzer)
    view.apply(ViewBatch(seq, (), tuple(chunks)))
    view.save()
    return view
