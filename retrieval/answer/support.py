"""Which sentences answer, and how likely it is that they do: two small linear models over `evidence` features.

The sentence model is a linear ranker (softmax over the candidates of a question). The support model is a logistic
regression whose target is "the chosen sentences hold a right answer"; its output is the answer's confidence.
Both are trained by `python -m tests.benchmarks.bench_answers train`, which writes `weights.py`; docs/answers.md has
the figures.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from retrieval.answer import weights
from retrieval.answer.evidence import DENSE, SENTENCE_FEATURES, Evidence
from retrieval.answer.question import Kind

SUPPORT_FEATURES = (
    "score",  # of the best sentence under the sentence model
    "margin",  # its lead over the best sentence of another passage
    "lexical",  # share of the question's term weight in the best sentence
    "context",  # with title and previous sentence
    "passage",  # in title and passage of the best sentence
    "passage_best",  # the same, in the passage that has most
    "keys_missing",  # share of names and numbers of the question that its passage lacks
    "heaviest_missing",  # weight of the rarest term its passage lacks, over the weight of all terms
    "unseen",  # share of term weight that the collection does not hold at all
    "dense",  # cosine of the best sentence, times the share known
    "dense_best",  # the highest cosine, times the share known
    "unknown",  # share of the question the encoder does not know
    "unknown_passage",  # that, times `passage`
    "kind_met",  # the question asks for a kind of thing and the sentence holds one
    "kind_missed",  # it asks for a kind, and the sentence holds none
    "terms",  # log of the number of distinct terms in the question
)


def score_sentences(evidence: Evidence) -> NDArray[np.float64]:
    """(candidates,) scores, higher is better."""
    ranker = np.array([weights.SENTENCE[name] for name in SENTENCE_FEATURES])
    scores: NDArray[np.float64] = evidence.features @ ranker
    return scores


def confidence(evidence: Evidence, scores: NDArray[np.float64]) -> float:
    """Probability, 0 to 1, that the best sentences hold a right answer; 0 without candidates or without a topic."""
    if not len(scores) or not evidence.question.terms:
        return 0.0
    logistic = np.array([weights.SUPPORT[name] for name in SUPPORT_FEATURES])
    return 1 / (1 + math.exp(-float(weights.SUPPORT_BIAS + support_features(evidence, scores) @ logistic)))


def support_features(evidence: Evidence, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(SUPPORT_FEATURES,) of the best-scored sentence."""
    row = int(np.argmax(scores))
    best = evidence.candidates[row]
    of = dict(zip(SENTENCE_FEATURES, evidence.features[row], strict=True))
    elsewhere = [score for score, one in zip(scores, evidence.candidates, strict=True) if one.passage != best.passage]
    body = evidence.passage_tokens[best.passage]
    asks_kind = evidence.question.kind not in (Kind.OTHER, Kind.METHOD)
    return np.array(
        (
            scores[row],
            scores[row] - max(elsewhere) if elsewhere else 0.0,
            of["lexical"],
            of["context"],
            of["passage"],
            max(evidence.share(tokens) for tokens in evidence.passage_tokens),
            _missing_keys(evidence, body),
            _heaviest_missing(evidence, body),
            evidence.unseen,
            of["dense"],
            float(evidence.features[:, DENSE].max()),
            1 - evidence.known,
            (1 - evidence.known) * of["passage"],
            asks_kind and of["fits_kind"] > 0,
            asks_kind and of["fits_kind"] == 0,
            math.log1p(len(evidence.question.terms)),
        ),
        dtype=np.float64,
    )


def _missing_keys(evidence: Evidence, body: frozenset[str]) -> float:
    keys = evidence.question.keys
    return len(keys - body) / len(keys) if keys else 0.0


def _heaviest_missing(evidence: Evidence, body: frozenset[str]) -> float:
    total = sum(evidence.weights.values())
    return max((evidence.weights[term] for term in evidence.question.terms if term not in body), default=0.0) / (
        total or 1
    )
