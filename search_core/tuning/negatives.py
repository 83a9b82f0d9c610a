"""Hard negatives: passages that the encoder takes for an answer and that nobody judged to be one.

Few judge everything: the very first unjudged passages are often right too. So the first ranks are skipped, and so is
whatever scores nearly as high as what was judged relevant (NV-Retriever's TopK-PercPos, 95 %).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from retrieval.types import Vectors

FIRST_RANK, LAST_RANK = 10, 60
NEARLY_AS_HIGH = 0.95  # of the highest score among the relevant; the lowest of many would leave nothing to learn from


def mine_negatives(
    query_vectors: Vectors,
    passage_vectors: Vectors,
    judgements: Sequence[Mapping[int, int]],
    most: int = 20,
    documents: Sequence[str] = (),
) -> list[tuple[int, ...]]:
    """Per question, rows of passages to tell apart from the relevant, hardest first; none where none is hard enough.

    `documents`: whose passage each row is. Of a judged document no passage is taken, for it was judged as a whole and
    stands there by one of its passages only. Without it each passage is a document of its own.
    """
    rows = documents or range(len(passage_vectors))
    mined: list[tuple[int, ...]] = []
    for vector, judged in zip(query_vectors, judgements, strict=True):
        scores = passage_vectors @ vector
        relevant = [row for row, grade in judged.items() if grade > 0]
        known = {rows[row] for row in judged}
        bound = NEARLY_AS_HIGH * float(scores[relevant].max()) if relevant else np.inf
        order = np.argsort(-scores, kind="stable")[FIRST_RANK:LAST_RANK]
        mined.append(tuple(int(row) for row in order if rows[row] not in known and scores[row] <= bound)[:most])
    return mined
