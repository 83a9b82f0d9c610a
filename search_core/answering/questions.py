"""The questions an answer model is chosen by: of the collection itself where answers are known, else of named files.

Own questions are asked as they would be in service, with the passages that the serving plan finds. Questions of files
in SQuAD's layout come with their own passage and with others of the same article, so that there is something to choose
from.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from infra.wording import counted
from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.question import read_question
from retrieval.answer.types import PASSAGES_PER_ANSWER, Passage, TermStatistics
from retrieval.catalog.eval_sets import EvalQuery, words_of
from retrieval.contracts import Encoder, Reranker
from retrieval.plan import Plan
from retrieval.ranking.rerank import build_reranker
from retrieval.types import IndexedChunk
from search_core.corpus.legs import CachedLegs, ask_legs
from search_core.corpus.served_parts import as_served, served_parts
from search_core.corpus.snapshot import CorpusSnapshot, key_of, passage_of
from search_core.errors import SupervisionError
from search_core.questions.evidence import Evidence
from search_core.questions.question_kinds import kinds_of
from search_core.questions.splits import CHAINED, connected
from search_core.reader.data import Question, read_squad
from search_core.spaces.plan_mapping import deepest

PASSAGES = 5  # given to an answer model with a question of a file
MAX_QUESTIONS = 400  # of files; more make the comparison longer and hardly surer
MIN_QUESTIONS = 20  # fewer are not half sealed and still tell anything apart
MIN_SEALED = 10  # are asked even when time is up; fewer prove nothing


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question, its right answers (none: it is to be refused), and the passages it is answered from, best first."""

    key: str
    text: str
    answers: tuple[str, ...]
    passages: tuple[Passage, ...]
    group: str  # questions of one group are not split
    statistics: TermStatistics | None = None  # of the collection, as in service; None: it is a file's question
    spelt: str = ""  # the text with its mistyped words corrected, as in service; "": as it is

    @property
    def kinds(self) -> tuple[str, ...]:
        """The strata it belongs to."""
        language, _ = kinds_of(EvalQuery(self.key, self.text, {}))
        return (language, "answerable" if self.answers else "unanswerable")


@dataclass(frozen=True, slots=True)
class Questions:
    """Working and sealed questions, and where they come from."""

    choose: tuple[AskedQuestion, ...]
    sealed: tuple[AskedQuestion, ...]
    origin: str
    notes: tuple[str, ...] = ()  # what was passed over, and why
    left_out: frozenset[str] = frozenset()  # readers that know too many of them


def split(found: Sequence[AskedQuestion], origin: str, seed: int) -> Questions:
    """Half of the groups to choose on, the larger half sealed. Raises `SupervisionError` where there are too few."""
    by_group: dict[str, list[AskedQuestion]] = {}
    for one in found:
        by_group.setdefault(one.group, []).append(one)
    groups = [by_group[name] for name in sorted(by_group)]
    if len(found) < MIN_QUESTIONS or len(groups) < 2:
        raise SupervisionError(
            f"{counted(len(found), 'question')} with known answers, in {counted(len(groups), 'document')}, "
            "cannot tell answer models apart; "
            f"expected at least {MIN_QUESTIONS} of two documents or more"
        )
    drawn = random.Random(seed)  # noqa: S311 - a split, not a secret
    drawn.shuffle(groups)
    halves: tuple[list[AskedQuestion], list[AskedQuestion]] = ([], [])
    for group in sorted(groups, key=len, reverse=True):  # large ones first, or the last one tips the scales
        min(halves, key=len).extend(group)
    choose, sealed = sorted(halves, key=len)
    for half in halves:
        drawn.shuffle(half)  # so that the first ones are of all kinds
    return Questions(tuple(choose), tuple(sealed), origin)


def evidence_of(questions: Sequence[AskedQuestion]) -> Evidence:
    """What these prove: those of one group stand together, as in the proof."""
    return Evidence.linked_by([one.text for one in questions], [[one.group] for one in questions])


def read_files(names: str) -> list[Question]:
    """The questions of SQuAD files, named with commas. Raises `SupervisionError`."""
    return [question for name in names.split(",") if name.strip() for question in read_squad(Path(name.strip()))]


def of_files(found: Sequence[Question], seed: int) -> list[AskedQuestion]:
    """A sample of a file's questions, each with its passage and others of its article."""
    drawn = random.Random(seed)  # noqa: S311 - a sample, not a secret
    passages: dict[str, list[str]] = {}
    for question in found:
        passages.setdefault(question.article, []).append(question.passage)
    by_article = {article: sorted(set(texts)) for article, texts in passages.items()}
    sample = drawn.sample(found, min(len(found), MAX_QUESTIONS))
    return [_with_others(question, by_article[question.article], drawn) for question in sample]


def _with_others(question: Question, texts: Sequence[str], drawn: random.Random) -> AskedQuestion:
    others = [text for text in texts if text != question.passage and not any(gold in text for gold in question.answers)]
    texts = [question.passage, *drawn.sample(others, min(len(others), PASSAGES - 1))]
    drawn.shuffle(texts)
    passages = tuple(
        Passage(f"{question.key}-{at}", f"{question.key}-{at}", question.article, text, score=1 / (at + 1))
        for at, text in enumerate(texts)
    )
    return AskedQuestion(question.key, question.text, question.answers, passages, question.article)


def of_collection(
    snapshot: CorpusSnapshot, plan: Plan, encoder: Encoder, questions: Sequence[EvalQuery], data_dir: Path
) -> list[AskedQuestion]:
    """The collection's own questions with the passages that its plan finds. Raises `SupervisionError`.

    Those of the same words stay together, and those about one document where judgements say which these are.
    """
    missing = sorted(question.id for question in questions if not question.text.strip())
    if missing:
        raise SupervisionError(f"answers are given for question {missing[0]!r}, which has no text; expected every one")
    ordered = sorted(questions, key=lambda question: question.id)
    groups = {at: f"{places[0]}" for places in kept_together(ordered) for at in places}
    analyzer = Analyzer(snapshot.collection.settings.dictionary, snapshot.collection.settings.synonyms)
    reranker = None if plan.rerank is None else build_reranker(plan.rerank.name)
    legs = as_served(ask_legs(snapshot, encoder, ordered, depth=deepest(plan)), served_parts(plan, encoder, data_dir))
    return [
        AskedQuestion(
            one.id,
            one.text,
            tuple(filter(None, one.answers or ())),
            _passages(legs, plan, place, reranker),
            groups[place],
            _statistics(snapshot, analyzer, legs.texts[place]),
            legs.texts[place],
        )
        for place, one in enumerate(ordered)
    ]


def links_of(question: EvalQuery) -> list[str]:
    """What keeps it together with others: its words first, then the documents that answer it, where they are known."""
    relevant = sorted(key for key, grade in question.judgements.items() if grade > 0)
    return [f"words {words_of(question.text)}", *(f"document {key}" for key in relevant)]


def kept_together(questions: Sequence[EvalQuery]) -> list[list[int]]:
    """Places of the questions that have words or a document in common.

    Where chains of documents link more than half of them, which no two halves can keep apart, the first document of
    each counts alone.
    """
    links = [links_of(one) for one in questions]
    groups = connected(links)
    if max(map(len, groups), default=0) <= CHAINED * len(questions):
        return groups
    return connected([names[:2] for names in links])


def shared_documents(found: Questions, judged: Sequence[EvalQuery]) -> tuple[str, ...]:
    """What to say where sealed questions have a document in common with those that are chosen by; empty: none has."""
    documents = {one.id: frozenset(links_of(one)[1:]) for one in judged}
    worked = frozenset().union(*(documents[one.key] for one in found.choose))
    share = sum(bool(documents[one.key] & worked) for one in found.sealed) / len(found.sealed)
    if not share:
        return ()
    return (f"{share:.0%} of the sealed questions share a relevant document with questions that were worked with",)


def _passages(legs: CachedLegs, plan: Plan, place: int, reranker: Reranker | None) -> tuple[Passage, ...]:
    found = [(candidate.label, candidate.score) for candidate in legs.candidates(plan, place)[: _pool(plan)]]
    if plan.rerank is not None and reranker is not None:
        first, rest = found[: plan.rerank.depth], found[plan.rerank.depth :]
        texts = [passage_of(_chunk(legs.snapshot, label)) for label, _ in first]
        scores = reranker.rerank(legs.texts[place], texts)
        ranked = sorted(zip((label for label, _ in first), scores, strict=True), key=lambda one: (-one[1], one[0]))
        found = ranked + rest
    return tuple(_passage(legs.snapshot, label, score) for label, score in found[:PASSAGES_PER_ANSWER])


def _pool(plan: Plan) -> int:
    return PASSAGES_PER_ANSWER if plan.rerank is None else max(PASSAGES_PER_ANSWER, plan.rerank.depth)


def _statistics(snapshot: CorpusSnapshot, analyzer: Analyzer, text: str) -> TermStatistics:
    """Read now, for the snapshot's words are given up before anybody answers."""
    words = snapshot.words
    counts = {term: words.document_frequency(term) for term in read_question(text, analyzer).terms}
    return TermStatistics(len(words), lambda term: counts.get(term, 0))


def _passage(snapshot: CorpusSnapshot, label: int, score: float) -> Passage:
    chunk = _chunk(snapshot, label)
    return Passage(str(label), key_of(chunk), chunk.title, chunk.text, score=score, heading=chunk.heading)


def _chunk(snapshot: CorpusSnapshot, label: int) -> IndexedChunk:
    return snapshot.chunks[int(np.searchsorted(snapshot.labels, label))]
