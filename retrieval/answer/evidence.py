"""Candidate sentences of the passages and the features by which they are ranked.

Features are relative to the question and to the collection's term statistics, never to a retrieval plan's score
scale, so that a tuned plan does not upset the ranking. Where the encoder knows little of the question (Chinese with
an English model) its similarity fades out in proportion and the lexical features stand alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.analysis.folding import HAN
from retrieval.answer.question import Kind, Question, Tokens, content_tokens, fits_kind
from retrieval.answer.sentences import Span, is_table_row, split_sentences
from retrieval.answer.types import Passage, TermStatistics
from retrieval.contracts import Encoder
from retrieval.encoder import cosine_scale
from retrieval.types import HEADING_SEPARATOR

Features = NDArray[np.float64]

ENCODED_SENTENCES = 12  # as many as the encoder is asked about: about 10 ms on 2 cores; the others lack question words

TAKEN_OVER = 0.25  # weight of a term from the conversation beside a follow-up's own
MAX_LABEL_TOKENS = 16  # Han bigrams are tokens too
SCRIPT_SAMPLE = 2000  # characters of the passages that show how much of their script the encoder knows
_HAN_FUNCTION_WORDS = frozenset("由对从给向和与及或都也就还有到让")
_PROBLEM = re.compile(
    r"\W{0,3}(?:problem|question|symptoms?|issue|q|问题|故障现象|故障|现象|症状|问)\W{0,2}[:：]", re.IGNORECASE
)
_HELP = re.compile(
    r"\W{0,3}(?:solution|resolution|remedy|workaround|fix|解决(?:方法|办法|方案|措施)?|处理(?:方法|办法|措施)?|对策)\W{0,2}[:：]",
    re.IGNORECASE,
)
BLANK_LINE = re.compile(r"\n[ \t]*\n")
_ENDS = frozenset(".!?;。！？；…")
_OTHER_SCRIPT = re.compile("[\u0370-\u1dff\u2e80-\ud7ff\uf900-\ufaff]+")

SENTENCE_FEATURES = (
    "lexical",  # share of the question's term weight in the sentence
    "lexical_unknown",  # the same, times the share of the question the encoder does not know
    "context",  # share in title, previous sentence (of a table's row: its header) and sentence together
    "passage",  # share in title and passage
    "keys",  # share of the question's names and numbers in title, previous sentence and sentence
    "dense",  # cosine of question and sentence, times the share of the question the encoder knows
    "fits_kind",  # holds a new name, date or number as the question asks
    "rank",  # 1 / rank of the passage
    "first",  # first sentence of its passage
    "length",  # log of the number of tokens
    "fragment",  # fewer than four tokens
    "label",  # a short line that ends without punctuation and gives no `name: value`: a heading, the header of a table
    "asks",  # is itself a question
    "after_question",  # share in what stands before, where that is a question (FAQ, also a title) or a problem (ticket)
    "asked_title",  # how far the title asks the same: share of either in the other, the lesser one
    "problem",  # a line that is labelled as a problem or question
)
LEXICAL, CONTEXT, DENSE, RANK = map(SENTENCE_FEATURES.index, ("lexical", "context", "dense", "rank"))  # columns


@dataclass(frozen=True, slots=True)
class Candidate:
    """Sentence `span` of passage number `passage` (0-based), `order`-th of it, with its distinct tokens."""

    passage: int
    order: int
    span: Span
    text: str
    tokens: frozenset[str]
    length: int  # tokens, repeated ones counted


@dataclass(frozen=True, slots=True)
class Evidence:
    """The question, its passages and candidates, with features of shape (candidates, SENTENCE_FEATURES).

    `sentences` are all of the passages; those that only repeat words of their title are no candidates. `headers` has
    the first row of its table for each further row.
    """

    question: Question
    passages: Sequence[Passage]
    passage_tokens: Sequence[frozenset[str]]  # title and text
    sentences: Sequence[Candidate]
    candidates: Sequence[Candidate]
    headers: Mapping[Candidate, Candidate]
    weights: Mapping[str, float]  # of the question's terms
    unseen: float  # share of the question's term weight that no document of the collection holds
    known: float  # share of the question the encoder knows
    features: Features

    def share(self, tokens: frozenset[str]) -> float:
        """Share of the question's term weight that these tokens cover, 0 to 1."""
        return covered_share(self.question.terms, self.weights, tokens)


def gather(
    question: Question,
    passages: Sequence[Passage],
    encoder: Encoder,
    analyzer: Tokens,
    statistics: TermStatistics | None = None,
    own: frozenset[str] = frozenset(),
) -> Evidence:
    """Candidates of all passages with their features; term weights come from `statistics`, else from the passages.

    `own`: the terms that a follow-up question has itself; those taken from the conversation weigh less beside them.
    """
    titles = [frozenset(analyzer.tokens(passage.title)) for passage in passages]
    sentences = [one for number, passage in enumerate(passages) for one in _candidates(number, passage, analyzer)]
    candidates = [one for one in sentences if not one.tokens <= titles[one.passage]] or sentences  # titles say nothing
    bodies = _bodies(titles, candidates)
    weights = term_weights(question, statistics, [one.tokens for one in candidates])
    if own:
        weights = {term: weight * (1.0 if term in own else TAKEN_OVER) for term, weight in weights.items()}
    known = known_share(question.text, passages, encoder)
    asked = [_asked_share(question, passage.title, weights, analyzer) for passage in passages]
    headers, continuing = _headers(sentences, passages)
    continued = [frozenset(analyzer.tokens(continued_header(passage))) for passage in passages]
    contexts = _contexts(candidates, headers, titles, {one: continued[one.passage] for one in continuing})
    features = _features(question, contexts, frozenset(headers.values()), asked, bodies, candidates, weights, known)
    _add_dense(features, question, candidates, encoder, known)
    unseen = _unseen(question, weights, statistics)
    return Evidence(question, passages, bodies, sentences, candidates, headers, weights, unseen, known, features)


def term_weights(
    question: Question, statistics: TermStatistics | None, sentences: Sequence[frozenset[str]]
) -> dict[str, float]:
    """Inverse document frequency of each term (the BM25 form), in the collection or else among the sentences.

    A Han bigram that occurs nowhere while the bigrams on both its sides do is taken for the seam of two words: it
    weighs 0. So does one at the edge that holds a preposition or the like.
    """
    if statistics is None:
        statistics = TermStatistics(len(sentences), lambda term: sum(term in tokens for tokens in sentences))
    total = max(statistics.documents, 1)
    counts = {term: min(statistics.document_frequency(term), total) for term in question.terms}
    weights = {term: math.log1p((total - n + 0.5) / (n + 0.5)) for term, n in counts.items()}
    for term, around in question.neighbours.items():
        is_inside = len(around) > 1 or not _HAN_FUNCTION_WORDS.isdisjoint(term)
        if is_inside and not counts[term] and all(counts[other] for other in around):
            weights[term] = 0.0
    return weights


def covered_share(terms: Sequence[str], weights: Mapping[str, float], tokens: frozenset[str]) -> float:
    """Share of the weight of `terms` that stands in `tokens`; 0 without terms."""
    total = sum(weights[term] for term in terms)
    return sum(weights[term] for term in terms if term in tokens) / total if total else 0.0


def _unseen(question: Question, weights: Mapping[str, float], statistics: TermStatistics | None) -> float:
    if statistics is None:
        return 0.0
    seen = frozenset(term for term in question.terms if statistics.document_frequency(term) > 0)
    return 1.0 - covered_share(question.terms, weights, seen) if question.terms else 0.0


def _candidates(number: int, passage: Passage, analyzer: Tokens) -> list[Candidate]:
    found = []
    for order, span in enumerate(split_sentences(passage.text)):
        text = passage.text[span.start : span.end]
        tokens = analyzer.tokens(text)
        found.append(Candidate(number, order, span, text, frozenset(tokens), len(tokens)))
    return found


def _headers(
    sentences: Sequence[Candidate], passages: Sequence[Passage]
) -> tuple[dict[Candidate, Candidate], frozenset[Candidate]]:
    """The header of its table for each further row of a table, and the rows that go on with the passage before.

    Their header ends the passage's heading; a table with a rule below its first row has one of its own.
    """
    headers: dict[Candidate, Candidate] = {}
    continuing: set[Candidate] = set()
    for first, *rows in _tables(sentences, passages):
        passage = passages[first.passage]
        begins_passage = not passage.text[: first.span.start].strip()
        has_rule = bool(rows) and "-" in passage.text[first.span.end : rows[0].span.start]
        if continued_header(passage) and begins_passage and not has_rule:
            continuing.update((first, *rows))
        else:
            headers.update(dict.fromkeys(rows, first))
    return headers, frozenset(continuing)


def _tables(sentences: Sequence[Candidate], passages: Sequence[Passage]) -> Iterator[list[Candidate]]:
    """The rows of each table: those of a passage between which nothing else stands, and no blank line."""
    table: list[Candidate] = []
    for one in sentences:
        if table and not (
            is_table_row(one.text)
            and one.passage == table[-1].passage
            and not BLANK_LINE.search(passages[one.passage].text[table[-1].span.end : one.span.start])
        ):
            yield table
            table = []
        if is_table_row(one.text):
            table.append(one)
    if table:
        yield table


def continued_header(passage: Passage) -> str:
    """The header row of a table that the passage goes on with, without its outer bars: it ends the heading. Else ""."""
    last = passage.heading.rpartition(HEADING_SEPARATOR)[2]
    return last if "|" in last else ""


def _bodies(titles: Sequence[frozenset[str]], candidates: Sequence[Candidate]) -> list[frozenset[str]]:
    bodies = [set(title) for title in titles]
    for candidate in candidates:
        bodies[candidate.passage] |= candidate.tokens
    return [frozenset(body) for body in bodies]


def _contexts(
    candidates: Sequence[Candidate],
    headers: Mapping[Candidate, Candidate],
    titles: Sequence[frozenset[str]],
    continued: Mapping[Candidate, frozenset[str]],
) -> list[frozenset[str]]:
    """The tokens that tell what each is about: its own, its title's, those of the sentence before or of its header.

    `continued`: of the rows whose header stands in the heading, that header's.
    """
    contexts: list[frozenset[str]] = []
    before: Candidate | None = None
    for one in candidates:
        above = before.tokens if before and before.passage == one.passage else frozenset[str]()
        if one in headers:
            above = headers[one].tokens
        elif one in continued:
            above = continued[one]
        contexts.append(one.tokens | titles[one.passage] | above)
        before = one
    return contexts


def _features(
    question: Question,
    contexts: Sequence[frozenset[str]],
    heads: frozenset[Candidate],
    asked: Sequence[float],
    bodies: Sequence[frozenset[str]],
    candidates: Sequence[Candidate],
    weights: Mapping[str, float],
    known: float,
) -> Features:
    features = np.zeros((len(candidates), len(SENTENCE_FEATURES)))
    keys = tuple(question.keys)
    in_passage = [covered_share(question.terms, weights, body) for body in bodies]
    before: Candidate | None = None
    for row, one in enumerate(candidates):
        before = before if before and before.passage == one.passage else None
        lexical = covered_share(question.terms, weights, one.tokens)
        after = asked[one.passage] if before is None else 0.0
        if before is not None and (_asks(before.text) or is_problem(before.text)):
            after = covered_share(question.terms, weights, before.tokens)
        features[row] = (
            lexical,
            lexical * (1 - known),
            covered_share(question.terms, weights, contexts[row]),
            in_passage[one.passage],
            covered_share(keys, weights, contexts[row]),
            0.0,  # dense, filled in for the lexically plausible
            question.kind is not Kind.OTHER and fits_kind(question.kind, one.text, question.text),
            1 / (1 + one.passage),
            one.order == 0,
            math.log1p(one.length),
            one.length < 4 and not is_table_row(one.text),
            is_label(one) or one in heads,
            _asks(one.text),
            after,
            asked[one.passage],
            is_problem(one.text),
        )
        before = one
    return features


def is_label(one: Candidate) -> bool:
    """Whether the candidate only names something, as headings do."""
    ends = one.text.rstrip("\"'”’)）」』* ")[-1:]
    return one.length <= MAX_LABEL_TOKENS and ends not in _ENDS and not re.search(r"[|:：]", one.text)


def known_share(text: str, passages: Sequence[Passage], encoder: Encoder) -> float:
    """How far the encoder knows the script of a question or statement, 0 to 1.

    A short text may happen to consist of the few foreign characters in a vocabulary, so where it is not in Latin
    script the passages' text in other scripts is asked about too; knowing half of the letters is knowing nothing.
    """
    known = encoder.coverage(text)
    if _OTHER_SCRIPT.search(text):
        sample = "".join(run for passage in passages for run in _OTHER_SCRIPT.findall(passage.text))[:SCRIPT_SAMPLE]
        known = min(known, encoder.coverage(sample))
    return max(0.0, 2 * known - 1)


def _asked_share(question: Question, title: str, weights: Mapping[str, float], analyzer: Tokens) -> float:
    """How far a title that is a question asks what is asked, 0 to 1; 0 for other titles.

    Of another language it asks in words of its own: names and codes alone would make it the same question.
    """
    if not _asks(title) or bool(HAN.search(title)) != bool(HAN.search(question.text)):
        return 0.0
    asked = content_tokens(title, analyzer)
    both = sum(token in weights for token in asked)
    return min(covered_share(question.terms, weights, asked), both / len(asked)) if asked else 0.0


def is_problem(text: str) -> bool:
    """Whether a line is labelled as a problem or question, as tickets do; what helps stands after it."""
    return _PROBLEM.match(text) is not None


def is_help(text: str) -> bool:
    """Whether a sentence is labelled as what helped, as tickets do."""
    return _HELP.match(text) is not None


def _asks(text: str) -> bool:
    return text.rstrip("\"'”’)）」』 ").endswith(("?", "？"))


def _add_dense(
    features: Features, question: Question, candidates: Sequence[Candidate], encoder: Encoder, known: float
) -> None:
    """Cosines for the sentences that share most with the question, in one batch; the least of them for the others."""
    if not candidates or known == 0:
        return
    promise = features[:, LEXICAL] + features[:, CONTEXT] + 0.5 * features[:, RANK]
    chosen = np.argsort(-promise, kind="stable")[:ENCODED_SENTENCES]
    cosines = cosine_scale.of_answers(encoder, question.text, [candidates[row].text for row in chosen])
    features[:, DENSE] = known * float(cosines.min())
    features[chosen, DENSE] = known * cosines
