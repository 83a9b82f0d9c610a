"""Questions with and without an answer, each asked to a whole collection and retrieved as the product retrieves.

Collections: the paragraphs of squad_dev's train or eval articles, cmrc2018 trial or dev, techqa (both halves of its
questions ask all of it). To each, questions of other data sets are added: nothing there can answer them.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ingest.chunking import StructureChunker
from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.types import Citation, Passage, TermStatistics
from retrieval.contracts import Encoder
from retrieval.plan import Plan
from retrieval.ranking.fusion import FusionSignals, fuse
from retrieval.sparse import SparseView
from retrieval.types import Document, IndexedChunk, Ranking, Vectors, ViewBatch

PASSAGES = 5  # given to the answerer

# Asked to collections they have nothing to do with. No source of the training side appears on the evaluation side.
OFF_CORPUS = {
    "train": ("clinc150", "msmarco_sample", "baoxian_faq_zh"),
    "eval": ("fiqa_pool", "nfcorpus", "smp2019_nlu"),
}
OFF_CORPUS_EACH = 150


@dataclass(frozen=True)
class Asked:
    """A question; `golds` are its right answers, empty where the collection holds none."""

    text: str
    kind: str  # "answerable", "unanswerable" (near the collection's topics) or "off-corpus"
    golds: tuple[str, ...] = ()
    gold_document: str = ""

    def is_right(self, citations: Sequence[Citation]) -> bool:
        """Whether a citation holds a right answer (techqa: comes from the document with the answer)."""
        if not self.golds:
            return any(one.document_id == self.gold_document for one in citations if self.gold_document)
        said = squeezed(" ".join(one.quote for one in citations))
        return any(squeezed(gold) in said for gold in self.golds if squeezed(gold))


@dataclass
class AnswerSet:
    """A collection with its questions."""

    name: str
    documents: list[Document]
    questions: list[Asked]
    is_dense: bool = True  # False: too many chunks to encode in a benchmark; words only
    chunks: list[IndexedChunk] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)


class Remembering:
    """An `Encoder` that encodes each text once."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors: dict[str, Any] = {}
        self.fingerprint, self.dim, self.coverage = encoder.fingerprint, encoder.dim, encoder.coverage

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        for begin in range(0, len(new), 256):
            part = new[begin : begin + 256]
            self._vectors.update(zip(part, self._encoder.encode_passages(part), strict=True))
        return np.array([self._vectors[text] for text in texts], np.float32).reshape(len(texts), self.dim)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self.encode_passages(texts)  # MiniLM: one tower for both


class Collection:
    """The chunks of a set in a sparse view and a matrix; retrieval by the default plan."""

    def __init__(self, answer_set: AnswerSet, encoder: Encoder, analyzer: Analyzer) -> None:
        self._encoder = encoder
        self._is_dense = answer_set.is_dense
        self.passages = list(passages_of(answer_set.documents))
        chunks = [
            IndexedChunk(label, label, one.title, "", one.text, None, (), {}) for label, one in enumerate(self.passages)
        ]
        self._view = SparseView(None, analyzer)
        self._view.apply(ViewBatch(1, (), chunks))
        self._matrix = self._encode() if answer_set.is_dense else None
        self.statistics = _statistics(self.passages, analyzer)

    def retrieve(self, question: str, count: int = PASSAGES) -> list[Passage]:
        """The best passages, best first."""
        plan = Plan()
        sparse = self._view.search(question, plan.sparse_depth)
        signals = FusionSignals(coverage=self._encoder.coverage(question))
        found = fuse(plan, sparse, self._dense(question, plan.dense_depth), signals)
        return [self.passages[one.label] for one in found[:count]]

    def _encode(self) -> Vectors:
        return self._encoder.encode_passages([f"{one.title}\n{one.text}" for one in self.passages])

    def _dense(self, question: str, depth: int) -> Ranking:
        if self._matrix is None:
            return Ranking.empty()
        scores = self._matrix @ self._encoder.encode_queries([question])[0]
        best = np.argsort(-scores, kind="stable")[:depth]
        return Ranking(best.astype(np.int64), scores[best])


def squeezed(text: str) -> str:
    """Lower case without white space, so that wrapping and case do not count."""
    return re.sub(r"\s+", "", text).casefold()


def load_sets(folder: Path, side: str, limit: int, seed: int = 0) -> list[AnswerSet]:
    """The sets of the side "train" or "eval", at most `limit` of their own questions each, with off-corpus ones."""
    own = [squad(folder, side), cmrc(folder, side), techqa(folder, side)]
    off = list(off_corpus(folder, side, seed))
    for one in own:
        random.Random(seed).shuffle(one.questions)
        del one.questions[limit:]
        one.questions.extend(off)
    return own


def squad(folder: Path, side: str) -> AnswerSet:
    """squad_dev by article: questions of v1.1 and v2.0, paragraphs of both."""
    titles = set(json.loads((folder / "squad_dev" / "article_split.json").read_text())[side])
    documents: dict[str, Document] = {}
    questions: dict[str, Asked] = {}
    for version in ("v1.1", "v2.0"):
        articles = json.loads(gzip.open(folder / "squad_dev" / f"dev-{version}.json.gz").read())["data"]
        for article in articles:
            if article["title"] in titles:
                _read_squad(article, documents, questions)
    return AnswerSet(f"squad_dev/{side}", list(documents.values()), list(questions.values()))


def _read_squad(article: dict[str, Any], documents: dict[str, Document], questions: dict[str, Asked]) -> None:
    title = article.get("title", "").replace("_", " ")
    for paragraph in article["paragraphs"]:
        context = paragraph["context"]
        document = documents.setdefault(context, _document(context, title, len(documents)))
        for asked in paragraph["qas"]:
            golds = () if asked.get("is_impossible") else tuple(answer["text"] for answer in asked["answers"])
            kind = "answerable" if golds else "unanswerable"
            questions.setdefault(asked["id"], Asked(asked["question"], kind, golds, document.key))


def _document(context: str, title: str, number: int) -> Document:
    """Every second one begins with its title as a heading, as documents outside of benchmarks do."""
    text = f"{title}\n\n{context}" if title and number % 2 else context
    return Document(f"{title}/{number}", text, title)


def cmrc(folder: Path, side: str) -> AnswerSet:
    """cmrc2018: trial to train on, dev to evaluate on. It has no unanswerable questions and no titles."""
    name = "cmrc2018_trial.json" if side == "train" else "cmrc2018_dev.json.gz"
    documents: dict[str, Document] = {}
    questions: dict[str, Asked] = {}
    for article in json.loads(_read(folder / "cmrc2018" / name))["data"]:
        _read_squad({**article, "title": ""}, documents, questions)
    return AnswerSet(f"cmrc2018/{side}", list(documents.values()), list(questions.values()))


def techqa(folder: Path, side: str) -> AnswerSet:
    """techqa: both sides ask the whole corpus; questions are divided by a hash of their id."""
    documents = [
        Document(one["id"], one["text"], one["title"]) for one in _lines(folder / "techqa" / "corpus.jsonl.gz")
    ]
    rows = (line.split() for line in (folder / "techqa" / "qrels.tsv").read_text().splitlines()[1:])
    gold = {row[0]: row[1] for row in rows}
    questions = [
        Asked(one["text"], "unanswerable" if one["is_impossible"] else "answerable", (), gold.get(one["id"], ""))
        for one in _lines(folder / "techqa" / "queries.jsonl")
        if (zlib.crc32(one["id"].encode()) % 2 == 0) == (side == "train")
    ]
    return AnswerSet(f"techqa/{side}", documents, questions, is_dense=False)


def off_corpus(folder: Path, side: str, seed: int) -> Iterator[Asked]:
    """Questions from data sets about other things."""
    for source in OFF_CORPUS[side]:
        path = next(path for name in ("queries.jsonl", "*.jsonl*") for path in sorted((folder / source).glob(name)))
        texts = sorted({one["text"] for one in _lines(path)})
        chosen = random.Random(seed).sample(texts, OFF_CORPUS_EACH)
        yield from (Asked(text, "off-corpus") for text in chosen)


def passages_of(documents: Iterable[Document]) -> Iterator[Passage]:
    """The chunks of the documents as passages."""
    chunker = StructureChunker()
    for document in documents:
        for chunk in chunker.chunk(document):
            yield Passage(f"{document.key}#{chunk.ordinal}", document.key, document.title, chunk.text, chunk.start)


def _statistics(passages: Sequence[Passage], analyzer: Analyzer) -> TermStatistics:
    counts: dict[str, int] = {}
    for passage in passages:
        for token in set(analyzer.tokens(f"{passage.title}\n{passage.text}")):
            counts[token] = counts.get(token, 0) + 1
    frequency: Callable[[str], int] = lambda token: counts.get(token, 0)  # noqa: E731 - a dataclass wants a plain function
    return TermStatistics(len(passages), frequency)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _read(path).splitlines() if line.strip()]


def _read(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
