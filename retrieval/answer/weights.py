"""Weights of the two models of `support.py`, trained on public questions; docs/answers.md has the figures.

Written by `python -m tests.benchmarks.bench_answers train --limit 1000`.
SHA-256 of the data: a1f4b40d40744d8e
"""

REFUSE_BELOW = 0.17  # probability of a right answer
SUPPORT_BIAS = -5.4649

SENTENCE: dict[str, float] = {
    "lexical": 3.0126,
    "lexical_unknown": 0.4592,
    "context": 4.0602,
    "passage": 2.9288,
    "keys": 1.0554,
    "dense": 6.0148,
    "fits_kind": 2.0461,
    "rank": 0.9797,
    "first": 0.1185,
    "length": 0.0994,
    "fragment": -1.1419,
    "label": 0.0000,
    "asks": -0.4783,
    "after_question": 0.0000,
}

SUPPORT: dict[str, float] = {
    "score": 0.1812,
    "margin": 0.3292,
    "lexical": 0.0000,
    "context": 0.0000,
    "passage": 0.5040,
    "passage_best": 0.0857,
    "keys_missing": -0.1602,
    "heaviest_missing": 0.0000,
    "unseen": -1.1013,
    "dense": 2.3539,
    "dense_best": 2.0731,
    "unknown": 2.5533,
    "unknown_passage": 0.7086,
    "kind_met": 0.0156,
    "kind_missed": -0.2335,
    "terms": -0.0573,
}
