from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from retrieval.catalog.eval_sets import EvalQuery
from retrieval.errors import InvalidInputError
from search_core.errors import BudgetError, SearchCoreError, SupervisionError
from search_core.questions.splits import BY_QUESTION, MIN_QUESTIONS, checked_split, given_split, split_questions
from search_core.questions.supervision import checked, given
from search_core.questions.taught_questions import hash_of, hashes_of, may_know, taught_by, taught_to, taught_to_encoder
from search_core.request import Request
from search_core.task import parse_budget, parse_task

KEYS = frozenset(f"d{number}" for number in range(400))


def question(number: int, text: str = "", **judged: int) -> EvalQuery:
    return EvalQuery(f"q{number}", text or f"question {number}", judged or {f"d{number}": 1})


@examples(st.lists(st.integers(0, 30), min_size=MIN_QUESTIONS, max_size=120), st.integers(0, 5))
def test_no_relevant_document_stands_on_two_sides(documents: list[int], seed: int) -> None:
    questions = [question(number, **{f"d{document}": 1}) for number, document in enumerate(documents)]
    split = split_questions(questions, seed)
    parts = (split.fit, split.choose, split.sealed)
    assert sorted(place for part in parts for place in part) == list(range(len(questions)))
    if split.by_document:
        sides = [{documents[place] for place in part} for part in parts]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def test_equal_questions_stay_together_where_documents_link_all() -> None:
    questions = [question(n, f"Ask  {n // 2}", common=1) for n in range(60)]
    split = split_questions(questions, 0)
    assert not split.by_document
    for part in (split.fit, split.choose, split.sealed):
        assert {place ^ 1 for place in part} == set(part)


def test_a_split_by_question_keeps_equal_questions_alone_together() -> None:
    questions = [question(n, f"Ask  {n // 2}", **{f"d{n // 6}": 1}) for n in range(60)]
    assert split_questions(questions, 0).by_document
    split = split_questions(questions, 0, by=BY_QUESTION)
    assert not split.by_document and split.shared == 1.0
    for part in (split.fit, split.choose, split.sealed):
        assert {place ^ 1 for place in part} == set(part)


@pytest.mark.parametrize("seed", range(3))
def test_what_was_taught_neither_chooses_nor_proves(seed: int) -> None:
    questions = [question(n, **{f"d{n // 2}": 1}) for n in range(80)]
    taught = frozenset(hashes_of(f"QUESTION  {n}" for n in range(0, 40, 2)))
    split = split_questions(questions, seed, taught=taught)
    assert split.taught == tuple(range(40)), "whoever asks about the same document is kept out too"
    assert set(split.taught) <= set(split.fit) and split.by_document
    assert 8 <= len(split.choose) < len(split.sealed)
    assert split_questions(questions, seed, taught=frozenset({"0" * 16})) == split_questions(questions, seed)
    alone = split_questions(questions, seed, by=BY_QUESTION, taught=taught)
    assert alone.taught == tuple(range(0, 40, 2))
    most = frozenset(hashes_of(f"question {n}" for n in range(70)))
    with pytest.raises(SupervisionError, match="learned from 70 of the 80 judged questions"):
        split_questions(questions, seed, taught=most)


def test_given_parts_leave_out_what_was_taught() -> None:
    questions = [question(n) for n in range(30)]
    parts = {f"q{n}": "fit" if n < 10 else "choose" for n in range(20)}
    taught = frozenset(hashes_of(f"question {n}" for n in (3, 12, 25)))
    split = given_split(questions, parts, taught=taught)
    assert split.fit == tuple(range(10)) and split.taught == (3,)
    assert 12 not in split.choose and 25 not in split.sealed and len(split.choose) == len(split.sealed) == 9
    with pytest.raises(SupervisionError, match="was not taught"):
        given_split(questions, parts, taught=frozenset(hashes_of(f"question {n}" for n in range(20, 28))))


def test_an_encoder_says_what_it_was_taught(tmp_path: Path) -> None:
    assert taught_to_encoder(tmp_path) == () and taught_to_encoder("hash") == ()
    manifest = tmp_path / "tuning.json"
    for told, known in (
        ({"labelled_questions": 5}, None),  # by an earlier version
        ({"labelled_questions": 0}, ()),  # by its texts alone
        ({"labelled_questions": 2, "taught": ["a", "b"]}, ("a", "b")),
        ({"labelled_questions": 2, "taught": None}, None),  # begun with one of an earlier version
    ):
        manifest.write_text(json.dumps(told))
        assert taught_to_encoder(tmp_path) == known
        assert bool(taught_to(str(tmp_path), None, None).notes) is (known is None)
        assert may_know(tmp_path, ["Why?"]) is (known is None)
    assert taught_by(tmp_path, ["Why?"]) is None
    manifest.write_text(json.dumps({"labelled_questions": 1, "taught": ["a"]}))
    assert (told := taught_by(tmp_path, ["Why?", "why? "])) == sorted(["a", hash_of("why?")])
    manifest.write_text(json.dumps({"labelled_questions": 2, "taught": told}))
    assert may_know(tmp_path, ["Who?", "why?"]) and not may_know(tmp_path, ["Who?"])


def test_documents_that_say_the_same_are_one_to_a_split() -> None:
    questions = [question(number) for number in range(60)]
    texts = {f"d{number}": f"text {number // 2}" for number in range(60)}
    split = split_questions(questions, 0, texts)
    assert split.by_document
    assert split.shared == 0.0
    sides = [{texts[f"d{place}"] for place in part} for part in (split.fit, split.choose, split.sealed)]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def test_what_overlaps_between_parts_is_caught() -> None:
    questions = [question(0), question(1), question(2, d9=1), question(3, d9=1), question(4, "Question 0 ")]
    with pytest.raises(SupervisionError, match="fit and sealed have a question"):
        checked_split(questions, (0, 1), (2,), (3, 4))
    with pytest.raises(SupervisionError, match="fit and choose"):
        checked_split(questions, (0, 1), (1, 2), (3,))
    split = checked_split(questions, (0,), (2,), (1, 3))
    assert (split.by_document, split.shared) == (False, 0.5)
    twice = {"d1": "the same chunk", "d0": "the same chunk"}
    assert checked_split(questions, (0,), (2,), (1,), twice).shared == 1.0


def test_given_parts_leave_out_what_is_asked_again_later() -> None:
    questions = [question(n) for n in range(12)] + [question(12, "question 1")]
    parts = {f"q{n}": ("fit", "choose", "sealed")[n // 4] for n in range(12)} | {"q12": "sealed"}
    with pytest.raises(SupervisionError, match="part fit has 3"):
        given_split(questions, parts)
    split = given_split([*questions, question(13)], parts | {"q13": "fit"})
    assert 1 not in split.fit
    assert 13 in split.fit
    with pytest.raises(SupervisionError, match="part 'dev' of the questions is not known"):
        given_split(questions, {"q1": "dev"})


def test_too_few_questions_are_told() -> None:
    with pytest.raises(SupervisionError, match=f"3 judged questions; expected at least {MIN_QUESTIONS}"):
        split_questions([question(n) for n in range(3)], 0)


def test_what_teaches_nothing_is_left_out_with_a_note() -> None:
    found = checked(
        [
            question(1),
            EvalQuery("empty", "  ", {"d1": 1}),
            question(3, gone=1),
            question(4, "the same?", d4=1),
            question(5, "The  same?", d4=0, d5=1),
            question(6, d6=0, d7=-1),
        ],
        "given",
        KEYS,
    )
    assert [one.id for one in found.questions] == ["q1"]
    assert found.notes == (
        "1 question without text was left out",
        "1 question of which no document is judged relevant (by a score above 0) was left out",
        "1 question whose relevant documents are not in the collection was left out",
        "2 questions that contradict each other were left out",
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([question(1, gone=1), question(2, " ")], "compare the documents' ids"),
        ([question(1, "so?", d1=1), question(2, "so?", d1=0)], "equal questions equal judgements"),
        ([question(1, d1=-1)], r"\(by a score above 0\).*a relevant document"),
        ([], "there are no questions"),
    ],
)
def test_why_no_question_can_be_used_and_what_to_do_is_told(asked: list[EvalQuery], told: str) -> None:
    with pytest.raises(SupervisionError, match=told):
        checked(asked, "given", KEYS)


def test_relevant_documents_that_no_search_can_find_are_counted() -> None:
    found = checked([question(1), question(2, d2=1, gone=2, never=0), question(3, d3=1, gone=1, lost=1)], "given", KEYS)
    assert [one.id for one in found.questions] == ["q1", "q2", "q3"]
    told = "2 of the documents that are judged relevant, to 2 of the questions, are not in the collection"
    assert found.notes == (f"{told}; no search finds them",)
    assert checked([question(1), question(2, d2=1, never=0)], "given", KEYS).notes == ()


def test_files_that_do_not_belong_together_are_told() -> None:
    with pytest.raises(SupervisionError, match="'q9'"):
        given({"q1": "one"}, {"q9": {"d1": 1}}, KEYS)
    with pytest.raises(SupervisionError, match="not in the collection"):
        given({"q1": "one"}, {"q1": {"elsewhere": 1}}, KEYS)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), (" 2.5m ", 150)])
def test_budgets(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 m", "-3m", "1s", "nan", "m5"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(BudgetError, match="expected"):
        parse_budget(text)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_no_generator_takes_is_told(seed: int) -> None:
    with pytest.raises(InvalidInputError, match=f"seed is {seed}; expected a whole number from 0 to"):
        Request(seed=seed)


def test_a_metric_that_nothing_is_judged_by_is_told() -> None:
    with pytest.raises(InvalidInputError, match="metric 'map@10' is not known"):
        Request(metric="map@10")
    with pytest.raises(InvalidInputError, match="judged by the quality of answers; leave metric out"):
        Request(task="answer", metric="recall@5")


def test_a_sentence_becomes_a_task() -> None:
    spec = parse_task("find the reply to a customer's question, under 20 ms", 60)
    assert (spec.task, spec.metric, spec.latency_ms) == ("answer", "mrr@10", 20.0)
    assert parse_task("检索产品文档，不超过2秒", 60).latency_ms == 2000
    assert parse_task("text-to-graph", 60).metric == "ndcg@10"
    assert parse_task("find the reply", 60, "recall@5").metric == "recall@5"
    with pytest.raises(SearchCoreError, match="says nothing"):
        parse_task("make coffee", 60)


@pytest.mark.parametrize("bound", ["0 ms", "0.0 s", "601 seconds", "9" * 400 + " ms"])
def test_a_bound_that_an_option_may_not_have_is_refused_in_a_sentence_too(bound: str) -> None:
    with pytest.raises(SearchCoreError, match="expected above 0, at most 600000 ms"):
        parse_task(f"find the reply, under {bound}", 60)
    assert parse_task(f"find the reply, under {bound}", 60, "", 20.0).latency_ms == 20.0
    assert parse_task("find the reply, under 600 seconds", 60).latency_ms == 600_000


@pytest.mark.parametrize(
    ("sentence", "task"),
    [
        ("search in every product category", "retrieval"),
        ("检索商品分类目录", "retrieval"),
        ("帮客户找到合适的产品", "retrieval"),
        ("classify the tickets", "intent"),
        ("classify the documents by topic", "intent"),
        ("the documents about pumps", "retrieval"),
    ],
)
def test_what_is_to_be_done_decides_before_what_it_is_about(sentence: str, task: str) -> None:
    assert parse_task(sentence, 60).task == task


def test_a_bound_of_its_own_goes_before_the_sentence_and_is_shown() -> None:
    """The task `answer` is a name, not a sentence, so its bound comes from nowhere else."""
    spec = parse_task("answer", 60, "", 400)
    assert spec.latency_ms == 400 and "at most 400 ms" in spec.describe()
    assert parse_task("find documents within 20 ms", 60, "", 30.5).latency_ms == 30.5
    for wrong in (0, -1, 600_001, float("nan")):
        with pytest.raises(InvalidInputError, match="latency_ms"):
            Request(latency_ms=wrong)


def test_only_what_can_be_run_is_offered() -> None:
    with pytest.raises(SearchCoreError, match="text-to-graph, retrieval, answer, or"):
        parse_task("make coffee", 60)
