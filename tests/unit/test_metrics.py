"""Metrics against cases worked by hand and against ir-measures; files in all their spellings."""

import gzip
import math
from pathlib import Path

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, R, nDCG

from retrieval.errors import InvalidInputError
from retrieval.evaluation.metrics import bootstrap_interval, ndcg, randomisation_test, recall, reciprocal_rank
from retrieval.evaluation.runs import MAX_GRADE, Metric, evaluate, read_qrels, read_queries, write_run


def test_ndcg_by_hand() -> None:
    judged = {"a": 2, "b": 1, "c": 1}
    ideal = 2 / 1 + 1 / math.log2(3) + 1 / 2
    assert ndcg(["b", "x", "a"], judged) == pytest.approx((1 + 2 / 2) / ideal)
    assert ndcg(["a", "b", "c"], judged) == pytest.approx(1)
    assert ndcg(["a"], judged, k=1) == pytest.approx(1), "the ideal is cut at k as well"
    assert ndcg(["x"], judged) == 0
    assert ndcg(["a"], {"a": 0}) == 0
    assert ndcg(["a", "b"], {"a": -1, "b": 1}) == pytest.approx(1 / math.log2(3)), "a negative grade gains nothing"


def test_reciprocal_rank_and_recall_by_hand() -> None:
    judged = {"a": 1, "b": 2, "c": 0}
    assert reciprocal_rank(["c", "x", "b", "a"], judged) == pytest.approx(1 / 3)
    assert reciprocal_rank(["c", "x", "b"], judged, k=2) == 0
    assert recall(["c", "b"], judged) == 0.5
    assert recall(["c", "b"], judged, k=1) == 0
    assert recall(["c"], {"c": 0}) == 0


def test_a_metric_is_named_with_its_depth() -> None:
    judged = {"a": 1, "b": 1}
    assert [Metric.named(f"recall@{k}")(["a", "x", "b"], judged) for k in (1, 2, 3)] == [0.5, 0.5, 1.0]
    assert Metric.named("mrr@1")(["x", "a"], judged) == 0.0
    assert Metric.named("ndcg@100")(["a", "b"], judged) == pytest.approx(1.0)
    for name in ("", "recall", "recall@0", "recall@05", "recall@101", "map@10", "ndcg@10 ", "NDCG@10"):
        with pytest.raises(InvalidInputError, match="expected ndcg, mrr, recall with a depth from 1 to 100"):
            Metric.named(name)


def test_metrics_agree_with_ir_measures_on_random_runs() -> None:
    generator = np.random.default_rng(7)
    documents = [f"d{i}" for i in range(300)]
    qrels = {
        f"q{i}": {str(d): int(generator.integers(-1, 4)) for d in generator.choice(documents, 30, replace=False)}
        for i in range(40)
    }
    run = {
        question: [(str(d), float(200 - rank)) for rank, d in enumerate(generator.permutation(documents)[:150])]
        for question in list(qrels)[:-2]
    }
    ours = evaluate(run, qrels)
    measures = {"ndcg@10": nDCG @ 10, "mrr@10": RR @ 10, "recall@10": R @ 10, "recall@100": R @ 100}
    theirs = {(r.query_id, r.measure): r.value for r in _ir_measures(list(measures.values()), qrels, run)}
    for name, measure in measures.items():
        for question, value in zip(ours.questions, ours.values[name], strict=True):
            assert value == pytest.approx(theirs.get((question, measure), 0.0)), (name, question)
        assert ours.mean(name) == pytest.approx(sum(v for (_, m), v in theirs.items() if m == measure) / 40)


def _ir_measures(measures, qrels, run):
    return ir_measures.iter_calc(measures, qrels, {question: dict(scored) for question, scored in run.items()})


def test_bootstrap_interval_is_seeded_and_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(3)
    covered = 0
    for trial in range(60):
        low, high = bootstrap_interval(generator.normal(5, 1, 80), seed=trial)
        covered += low <= 5 <= high
    assert 50 <= covered <= 60, f"a 95 % interval covered the true mean {covered} of 60 times"
    values = generator.random(50)
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    low, high = bootstrap_interval(values, seed=1)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / math.sqrt(50), rel=0.1)


def test_randomisation_test_against_every_flip_and_for_equal_systems() -> None:
    one, other = np.array([3.0, 2.0, 4.0, 1.0, 5.0]), np.array([1.0, 1.0, 1.0, 2.0, 1.0])
    differences = one - other
    flips = 1 - 2 * ((np.arange(32)[:, None] >> np.arange(5)) & 1)
    exact = float((np.abs(flips @ differences) >= abs(differences.sum()) - 1e-9).mean())
    assert randomisation_test(one, other, seed=0) == pytest.approx(exact, abs=0.02)
    assert randomisation_test(one, one, seed=0) == 1.0


def test_statistics_need_a_column_of_values() -> None:
    with pytest.raises(ValueError, match="shape"):
        bootstrap_interval([], seed=0)


@pytest.mark.parametrize("header", ["query-id\tcorpus-id\tscore\n", ""])
@pytest.mark.parametrize("suffix", [".tsv", ".tsv.gz"])
def test_qrels_with_and_without_header_and_gzip(tmp_path: Path, header: str, suffix: str) -> None:
    path = tmp_path / f"qrels{suffix}"
    text = (header + 'q1\td1\t2\nq1\td"2\t0\n\nq2\td1\t-1\n').encode()
    path.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    assert read_qrels(path) == {"q1": {"d1": 2, 'd"2': 0}, "q2": {"d1": -1}}


def test_queries_are_read_by_id(tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text('{"id": 1, "text": "保险", "split": "dev"}\n\n{"id": "b", "text": "two"}\n', encoding="utf-8")
    assert read_queries(path) == {"1": "保险", "b": "two"}


@pytest.mark.parametrize("line", ["q1 d1 1", "q1\td1\thigh", "q1\t0\td1\t1"])
def test_a_wrong_judgement_is_named_by_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(f"q0\td0\t1\n{line}\n")
    with pytest.raises(InvalidInputError, match=r"qrels\.tsv:2.*three columns"):
        read_qrels(path)


@pytest.mark.parametrize("score", [MAX_GRADE + 1, -MAX_GRADE - 1, 10**400])
def test_a_score_that_is_no_grade_is_named_in_a_line(tmp_path: Path, score: int) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(f"q0\td0\t{MAX_GRADE}\nq1\td1\t{score}\n")
    with pytest.raises(InvalidInputError, match=r"qrels\.tsv:2: score -?1.*'q1'.*'d1'.*to 1000000") as refused:
        read_qrels(path)
    assert len(str(refused.value)) < 300 + len(str(path))


@pytest.mark.parametrize("line", ["q1\td1\t0.5", "q1 0 d1 1", "q1\td1\tnan", "q1\td1\t-inf"])
def test_a_first_line_with_a_number_is_no_header(tmp_path: Path, line: str) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(f"{line}\n")
    with pytest.raises(InvalidInputError, match=r"qrels\.tsv:1.*three columns"):
        read_qrels(path)


def test_what_stands_twice_must_say_the_same(tmp_path: Path) -> None:
    qrels, queries = tmp_path / "qrels.tsv", tmp_path / "queries.jsonl"
    qrels.write_text("q1\td1\t1\nq1\td1\t1\n")
    assert read_qrels(qrels) == {"q1": {"d1": 1}}
    qrels.write_text("q1\td1\t1\nq1\td1\t0\n")
    with pytest.raises(InvalidInputError, match=r"qrels\.tsv:2.*another grade"):
        read_qrels(qrels)
    queries.write_text('{"id": 1, "text": "a"}\n{"id": "1", "text": "a"}\n')
    assert read_queries(queries) == {"1": "a"}
    queries.write_text('{"id": 1, "text": "a"}\n{"id": "1", "text": "b"}\n')
    with pytest.raises(InvalidInputError, match=r"queries\.jsonl:2.*another text"):
        read_queries(queries)


@pytest.mark.parametrize("line", ["[]", "{}", "nonsense", '{"id": "x"}'])
def test_a_wrong_question_is_named_by_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text(line)
    with pytest.raises(InvalidInputError, match=r"queries\.jsonl:1"):
        read_queries(path)


def test_a_missing_file_and_empty_judgements_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="does not exist"):
        read_qrels(tmp_path / "none.tsv")
    with pytest.raises(InvalidInputError, match="judgements are empty"):
        evaluate({}, {})


def test_a_run_file_is_read_back_by_ir_measures(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"q1": [("a b", 1.5), ("c", 0.25)]}, "our plan")
    read = [(d.query_id, d.doc_id, d.score) for d in ir_measures.read_trec_run(str(tmp_path / "run"))]
    assert read == [("q1", "a_b", 1.5), ("q1", "c", 0.25)]


def test_a_run_file_orders_by_score_as_the_run_did(tmp_path: Path) -> None:
    """Its readers sort by score, in 32 bits."""
    run = {"q1": [("a", -7.0), ("b", 1.0), ("c", 1.0), ("d", 0.5)], "q2": [("a", 1e-9), ("b", 0.0), ("c", 0.0)]}
    write_run(tmp_path / "run", run, "plan")
    for question, scored in run.items():
        read = [d for d in ir_measures.read_trec_run(str(tmp_path / "run")) if d.query_id == question]
        by_score = {np.float32(d.score): d.doc_id for d in read}
        assert [by_score[score] for score in sorted(by_score, reverse=True)] == [document for document, _ in scored]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("latin.tsv", "q1\tmüller\t1\n".encode("latin-1")),
        ("excel.tsv", "q1\td1\t1\n".encode("utf-16")),
        ("plain.tsv.gz", b"q1\td1\t1\n"),
        ("cut.tsv.gz", gzip.compress(b"q1\td1\t1\n" * 100)[:-9]),
        ("folder.tsv", None),
    ],
    ids=["latin-1", "utf-16", "no gzip", "half a gzip", "folder"],
)
def test_a_file_that_is_no_text_is_told_by_name(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=rf"{name} cannot be read: .*; expected text in UTF-8"):
        read_qrels(path)
