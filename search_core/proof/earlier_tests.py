"""How many earlier runs tested on the same sealed questions: every test more is another chance to pass by luck.

The gate divides its level by the number of tests so far (Bonferroni): of twenty candidates that are no better, one
passes in 38 % of all series at 0.05, in 5 % so (simulated, 100 questions). Mechanisms that answer more tests from one
set, the ladder (Blum and Hardt 2015) and Thresholdout (Dwork et al. 2015), hide or blur results that a report has to
show, and are made for thousands of questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from infra.wording import counted
from retrieval.catalog import Collection
from retrieval.catalog.experiments import ExperimentRecord, Experiments, ExperimentState
from search_core.proof.gate import LEVEL, level_of
from search_core.questions.taught_questions import hash_of
from search_core.request import ANSWER_TASK, SEALED

DIGITS = 8  # of a hash: two of 2,000 questions each share one by chance in a thousandth of all cases
EARLIER_TESTS, TEST_BEGUN = "earlier_tests", "test_begun"  # kept beside the fields of the request
MIN_SHARED = 0.25  # of the sealed questions: with another seed some 40 % are sealed again

Tested = tuple[str, ...]  # what names a candidate, or, where nothing does, its run


def hashes_of_sealed(texts: Iterable[str]) -> list[str]:
    """What a run keeps of its sealed questions, each once: enough to know them again, not to read them."""
    return sorted({hash_of(text)[:DIGITS] for text in texts})


def begin_test(
    experiments: Experiments, collection: Collection, record: ExperimentRecord, candidate: Tested = ()
) -> int:
    """How many tested on the run's sealed questions before the test that it begins now.

    `candidate`: the digests of the plan that is tested and of the one that serves, and the metric; empty where these
    do not say all of it.

    It says that it begins before it counts: of two runs that come to it at once, one at least knows of the other. It
    counts once, so that a run that goes on is held to its own level, and so is one that repeats another.
    """
    request = experiments.get(collection, record.id).request
    if (known := request.get(EARLIER_TESTS)) is not None:
        return int(known)
    experiments.note(record.id, {TEST_BEGUN: True})
    tests = count_earlier_tests(experiments.all(collection), record, request.get(SEALED, ()), candidate)
    experiments.note(record.id, {EARLIER_TESTS: tests})
    return tests


def count_earlier_tests(
    others: Iterable[ExperimentRecord], record: ExperimentRecord, sealed: Sequence[str], candidate: Tested = ()
) -> int:
    """How many of the other runs of the collection tested a candidate of the same kind on a quarter of these or more.

    Of those that run, whoever has begun the test counts. Runs that had nothing to test (p is 1), that repeat another,
    or that kept no hashes, count nothing. The same candidate on the same questions is one test, however often it was
    made, and none where it is this run's: its p is the same each time.
    """
    own, kind = frozenset(sealed), _is_of_answers(record)
    least = max(1.0, MIN_SHARED * len(own))
    tested = {
        _test_of(one)
        for one in others
        if one.id != record.id
        and _tested(one)
        and _is_of_answers(one) is kind
        and len(own & {*one.request.get(SEALED, ())}) >= least
    }
    return len(tested - {(candidate, own)})


def counted_runs(tests: int) -> str:
    """The count in words, for notes and model cards."""
    return counted(tests, "earlier run")


def notes_of(tests: int) -> tuple[str, ...]:
    """What a result says of them."""
    if not tests:
        return ()
    return (
        f"{counted_runs(tests)} tested on these sealed questions, or on a quarter of them or more, so a gain needs p "
        f"below {level_of(tests):.3g} instead of {LEVEL}; add new questions for a test that has more power",
    )


def _tested(one: ExperimentRecord) -> bool:
    if one.request.get("against") is not None:
        return False
    if one.state is ExperimentState.RUNNING:
        return bool(one.request.get(TEST_BEGUN))
    return one.state is ExperimentState.FINISHED and (one.result or {}).get("p_value", 1.0) < 1.0


def _test_of(one: ExperimentRecord) -> tuple[Tested, frozenset[str]]:
    """What tells its test from others; one by another encoder, or of answers, is a test of its own."""
    told = one.result or {}
    names = [(told.get(plan) or {}).get("digest") or "" for plan in ("plan", "incumbent")]
    names.append(told.get("metric") or "")
    is_told = all(names) and not told.get("model") and not _is_of_answers(one)
    return tuple(names) if is_told else (one.id,), frozenset(one.request.get(SEALED, ()))


def _is_of_answers(one: ExperimentRecord) -> bool:
    return one.request.get("task") == ANSWER_TASK
