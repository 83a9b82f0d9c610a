"""Process time that remembered questions add to a search: `python -m tests.benchmarks.bench_precedents`.

Random unit vectors of 384 dimensions, 40 documents a question of 3,600 (nfcorpus has 38), 200 candidates. One thread of
BLAS, as a busy server has it; the best of some rounds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from pyroaring import BitMap64

from retrieval.learned.precedents import Precedents, lift
from retrieval.plan import DEFAULT_PLAN, PrecedentStep
from retrieval.ranking.fusion import fuse
from retrieval.types import Ranking, Vectors

DIM, DOCUMENTS, ANSWERS, CANDIDATES = 384, 3_600, 40, 100
SIZES = (300, 3_000, 5_000)
ROUNDS, CALLS = 7, 100


def main() -> None:
    """A line for each number of remembered questions."""
    chance = np.random.default_rng(0)
    chunks = {f"d{n}": BitMap64([n]) for n in range(DOCUMENTS)}
    vectors = units(chance.normal(size=(DOCUMENTS, DIM)))
    legs = (ranking(chance), ranking(chance))
    candidates = fuse(replace(DEFAULT_PLAN, feedback=0.0), *legs)
    step = PrecedentStep("any", 0.5)
    for size in SIZES:
        asked = units(chance.normal(size=(size, DIM)))
        answered = [{f"d{n}" for n in chance.choice(DOCUMENTS, ANSWERS)} for _ in range(size)]
        remembered = Precedents.of("any", asked, answered)
        question = units(asked[:1] + 0.02 * chance.normal(size=(1, DIM)))[0]
        near = remembered.near(question)
        found = milliseconds(lambda: remembered.near(question))  # noqa: B023 (called at once)
        lifted = milliseconds(
            lambda: lift(step, candidates, near, chunks.__getitem__, question, vectors.__getitem__)  # noqa: B023
        )
        print(f"{size:6,} questions: {found:.2f} ms to look, {lifted:.2f} ms to lift {len(near)} documents", flush=True)


def units(rows: np.ndarray) -> Vectors:
    """Rows of length 1."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def ranking(chance: np.random.Generator) -> Ranking:
    """What a leg may answer."""
    labels = chance.choice(DOCUMENTS, CANDIDATES, replace=False).astype(np.int64)
    return Ranking(labels, -np.sort(-chance.random(CANDIDATES).astype(np.float32)))


def milliseconds(call: Callable[[], object]) -> float:
    """Of processor time, the best round's mean."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            call()
        best = min(best, (time.process_time() - began) / CALLS)
    return best * 1000


if __name__ == "__main__":
    main()
