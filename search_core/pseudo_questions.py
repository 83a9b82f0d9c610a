"""Questions made from the corpus where nobody judged any: titles asked of their text, sentences of their passage.

What is asked is taken out of the text first (the inverse cloze task, Lee et al. 2019), or word search would be perfect.
How far to trust them: on Cranfield plans were ranked by title questions as by real ones with a rank correlation of
0.59, by cloze questions 0.58; for settings of a graph there was none. So they choose, and promote nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from retrieval.analyzer import Analyzer
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.contracts import Encoder
from retrieval.sparse import SparseView
from retrieval.types import IndexedChunk, ViewBatch
from search_core.errors import SupervisionError
from search_core.snapshot import CorpusSnapshot, key_of, passage_of
from search_core.supervision import Supervision

MOST = 300  # questions; each costs the encoding of an altered passage
LEAST_WORDS = 4  # of a sentence or title that can be a question (Chinese: characters)
LEAST_REST = 80  # characters of the passage that remain
_SENTENCES = re.compile(r"[^.!?。！？\n]+[.!?。！？]?")
TRUST = (
    "questions were made from the corpus: they rank plans as people's questions do only in part "
    "(rank correlation about 0.6 on Cranfield), so nothing is promoted by them"
)


def questions_from_corpus(snapshot: CorpusSnapshot, encoder: Encoder, seed: int) -> tuple[CorpusSnapshot, Supervision]:
    """Questions, and the corpus without what they ask. Raises `SupervisionError` for a corpus too small to ask."""
    generator = np.random.default_rng(seed)
    altered: dict[int, IndexedChunk] = {}
    questions = []
    for place in generator.permutation(len(snapshot.chunks)):
        chunk = snapshot.chunks[place]
        made = _question(chunk, generator)
        if made is None:
            continue
        text, rest = made
        questions.append(EvalQuery(f"made-{chunk.label}", text, {key_of(chunk): 1}))
        altered[int(place)] = rest
        if len(questions) == MOST:
            break
    if not questions:
        raise SupervisionError(
            f"no question can be made from the {len(snapshot.chunks)} chunks of collection "
            f"{snapshot.collection.name!r}: they are too short; give judged questions (--queries, --qrels)"
        )
    supervision = Supervision(tuple(questions), "made from the corpus", False, (TRUST,))
    return _with_altered(snapshot, altered, encoder), supervision


def _question(chunk: IndexedChunk, generator: np.random.Generator) -> tuple[str, IndexedChunk] | None:
    """A question and the chunk without it."""
    if _is_long_enough(chunk.title) and generator.random() < 0.5 and len(chunk.text) >= LEAST_REST:
        rest = re.sub(re.escape(chunk.title), " ", chunk.text, flags=re.I)
        return chunk.title, replace(chunk, title="", heading="", text=rest)
    sentences = [found for found in _SENTENCES.finditer(chunk.text) if _is_long_enough(found[0])]
    if not sentences:
        return None
    cut = sentences[int(generator.integers(len(sentences)))]
    rest = chunk.text[: cut.start()] + chunk.text[cut.end() :]
    return (cut[0].strip(), replace(chunk, text=rest)) if len(rest.strip()) >= LEAST_REST else None


def _is_long_enough(text: str) -> bool:
    return len(re.findall(r"[一-鿿]|\w+", text)) >= LEAST_WORDS


def _with_altered(snapshot: CorpusSnapshot, altered: dict[int, IndexedChunk], encoder: Encoder) -> CorpusSnapshot:
    places = sorted(altered)
    passages = [passage_of(altered[place]) for place in places]
    vectors = snapshot.vectors.copy()
    vectors[places] = encoder.encode_passages(passages)
    chunks = list(snapshot.chunks)
    for place in places:
        chunks[place] = replace(altered[place], vector=vectors[place])
    settings = snapshot.collection.settings
    words = _words(chunks, Analyzer(settings.dictionary, settings.synonyms), snapshot.seq)
    return replace(snapshot, chunks=tuple(chunks), vectors=vectors, words=words)


def _words(chunks: Iterable[IndexedChunk], analyzer: Analyzer, seq: int) -> SparseView:
    view = SparseView(None, analyzer)
    view.apply(ViewBatch(seq, (), tuple(chunks)))
    view.save()
    return view
