"""Weights of the two models of `support.py`, trained on public questions; docs/answers.md has the figures.

Written by `python -m tests.benchmarks.bench_answers train --limit 1000`.
SHA-256 of the data: a1f4b40d40744d8e
"""

REFUSE_BELOW = 0.23  # probability of a right answer
SUPPORT_BIAS = -5.4538

SENTENCE: dict[str, float] = {
    "lexical": 2.8987,
    "lexical_unknown": 0.5629,
    "context": 4.0592,
    "passage": 2.9605,
    "keys": 1.0527,
    "dense": 6.3440,
    "fits_kind": 2.0408,
    "rank": 0.9733,
    "first": 0.1262,
    "length": 0.1000,
    "fragment": -0.2272,
    "label": -2.0000,
    "asks": -0.5030,
    "after_question": 1.0000,
    "asked_title": 4.0000,
    "problem": -0.5000,
}

SUPPORT: dict[str, float] = {
    "score": 0.1950,
    "margin": 0.3180,
    "lexical": 0.0000,
    "context": 0.0000,
    "passage": 0.3811,
    "passage_best": 0.1415,
    "keys_missing": -0.2498,
    "heaviest_missing": 0.0000,
    "unseen": -1.0916,
    "dense": 2.3157,
    "dense_best": 1.8060,
    "unknown": 2.4382,
    "unknown_passage": 0.6917,
    "kind_met": 0.0119,
    "kind_missed": -0.2397,
    "terms": -0.0185,
}
