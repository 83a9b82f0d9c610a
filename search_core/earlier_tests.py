"""How many earlier runs tested on the same sealed questions: every test more is another chance to pass by luck.

The gate divides its level by the number of tests so far (Bonferroni): of twenty candidates that are no better, one
passes in 38 % of all series at 0.05, in 5 % so (simulated, 100 questions). Mechanisms that answer more tests from one
set, the ladder (Blum and Hardt 2015) and Thresholdout (Dwork et al. 2015), hide or blur results that a report has to
show, and are made for thousands of questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from retrieval.catalog.experiments import ExperimentRecord, ExperimentState
from search_core.request import ANSWER_TASK, SEALED
from search_core.taught_questions import hash_of

DIGITS = 8  # of a hash: two of 2,000 questions each share one by chance in a thousandth of all cases
MIN_SHARED = 0.25  # of the sealed questions: with another seed some 40 % are sealed again


def hashes_of_sealed(texts: Iterable[str]) -> list[str]:
    """What a run keeps of its sealed questions, each once: enough to know them again, not to read them."""
    return sorted({hash_of(text)[:DIGITS] for text in texts})


def count_earlier_tests(others: Iterable[ExperimentRecord], record: ExperimentRecord, sealed: Sequence[str]) -> int:
    """How many of the other runs of the collection tested a candidate of the same kind on a quarter of these or more.

    Runs that had nothing to test (p is 1), that repeat another, or that kept no hashes, count nothing.
    """
    own, kind = set(sealed), _is_of_answers(record)
    least = max(1.0, MIN_SHARED * len(own))
    return sum(
        _tested(one) and _is_of_answers(one) is kind and len(own & {*one.request.get(SEALED, ())}) >= least
        for one in others
        if one.id != record.id
    )


def counted_runs(tests: int) -> str:
    """The count in words, for notes and model cards."""
    return "1 earlier run" if tests == 1 else f"{tests} earlier runs"


def _tested(one: ExperimentRecord) -> bool:
    has_ended = one.state is ExperimentState.FINISHED and one.request.get("against") is None
    return has_ended and (one.result or {}).get("p_value", 1.0) < 1.0


def _is_of_answers(one: ExperimentRecord) -> bool:
    return one.request.get("task") == ANSWER_TASK
