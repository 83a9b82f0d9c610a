"""Weights of the two models of `support.py`, trained on public questions; docs/answers.md says how well they do."""

REFUSE_BELOW = 0.2  # probability of a right answer

SENTENCE: dict[str, float] = {
    "lexical": 2.7135,
    "lexical_unknown": 0.9796,
    "context": 4.5795,
    "passage": 4.2610,
    "keys": 0.4105,
    "dense": 6.7384,
    "fits_kind": 1.7812,
    "rank": 1.3313,
    "first": 0.1041,
    "length": 0.1110,
    "fragment": -3.2095,
    "asks": -0.5313,
    "after_question": -5.6791,
}

SUPPORT: dict[str, float] = {
    "score": 0.3562,
    "margin": 0.0432,
    "lexical": 0.1751,
    "context": 3.1830,
    "passage": -4.1957,
    "passage_best": -0.9251,
    "keys_missing": -0.5484,
    "heaviest_missing": 1.0291,
    "unseen": -0.7067,
    "dense": 0.9825,
    "dense_best": 0.0214,
    "unknown": 1.4762,
    "unknown_passage": 1.5901,
    "kind_met": -0.4316,
    "kind_missed": -0.4409,
    "terms": 0.6160,
}
SUPPORT_BIAS = -5.8607
