"""Weights of the two models of `support.py`, trained on public questions; docs/answers.md has the figures.

Written by `python -m tests.benchmarks.bench_answers train --limit 1000`.
SHA-256 of the data: a1f4b40d40744d8e
"""

REFUSE_BELOW = 0.17  # probability of a right answer
SUPPORT_BIAS = -5.4345

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
    "label": -2.0000,
    "asks": -0.4783,
    "after_question": 1.0000,
}

SUPPORT: dict[str, float] = {
    "score": 0.1834,
    "margin": 0.3262,
    "lexical": 0.0000,
    "context": 0.0000,
    "passage": 0.4667,
    "passage_best": 0.0840,
    "keys_missing": -0.1943,
    "heaviest_missing": 0.0000,
    "unseen": -1.1124,
    "dense": 2.5612,
    "dense_best": 1.8702,
    "unknown": 2.5298,
    "unknown_passage": 0.7290,
    "kind_met": 0.0280,
    "kind_missed": -0.2519,
    "terms": -0.0599,
}
