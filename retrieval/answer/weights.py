"""Weights of the two models of `support.py`, trained on public questions; docs/answers.md has the figures.

Written by `python -m tests.benchmarks.bench_answers train --limit 2500`.
SHA-256 of the data: a1f4b40d40744d8e
"""

REFUSE_BELOW = 0.32  # probability of a right answer
SUPPORT_BIAS = -5.4668

SENTENCE: dict[str, float] = {
    "lexical": 2.7593,
    "lexical_unknown": 0.8602,
    "context": 4.5055,
    "passage": 2.3861,
    "keys": 0.7411,
    "dense": 6.4841,
    "fits_kind": 2.0040,
    "rank": 1.1077,
    "first": 0.1732,
    "length": 0.1717,
    "fragment": 0.4557,
    "label": -3.0,
    "asks": 0.5686,
    "after_question": -8.4805,
}

SUPPORT: dict[str, float] = {
    "score": 0.1552,
    "margin": 0.3727,
    "lexical": -0.7281,
    "context": 0.3155,
    "passage": 1.1370,
    "passage_best": 0.6112,
    "keys_missing": 0.0526,
    "heaviest_missing": 2.1394,
    "unseen": -1.0025,
    "dense": 1.7085,
    "dense_best": 1.6447,
    "unknown": 2.4601,
    "unknown_passage": -0.6941,
    "kind_met": -0.1365,
    "kind_missed": -0.1949,
    "terms": 0.0417,
}
