"""Sentences: exact offsets over any text, and the cases that naive splitters get wrong."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.answer.sentences import MAX_SENTENCE, is_table_row, split_sentences, without_list_mark


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith paid $3.50 to J. R. Hill. It is late.", ["Dr. Smith paid $3.50 to J. R. Hill.", "It is late."]),
        ("He works for the U.S. Navy. She left.", ["He works for the U.S. Navy.", "She left."]),
        ("He lives in the U.S. The rest moved.", ["He lives in the U.S.", "The rest moved."]),
        ("See Fig. 2 and No. 5. Done!", ["See Fig. 2 and No. 5.", "Done!"]),
        ("The answer is no. Nobody came.", ["The answer is no.", "Nobody came."]),
        ("Version 2.5.1 is out. Get it at a.com/b.c now.", ["Version 2.5.1 is out.", "Get it at a.com/b.c now."]),
        ('"Yes!" he said. "Why?" She left.', ['"Yes!" he said.', '"Why?"', "She left."]),
        ("真的吗？他说：“好。”然后走了！", ["真的吗？", "他说：“好。”", "然后走了！"]),
        ("价格为3.5元。版本2.0已发布。", ["价格为3.5元。", "版本2.0已发布。"]),
        ("Steps:\n1. Open it.\n2. Close it.", ["Steps:", "1. Open it.", "2. Close it."]),
        ("一、申请\n二、审批", ["一、申请", "二、审批"]),
        (
            "The rate agreed for the whole contract period is\n3.5 percent of the sum.\n1.Next",
            ["The rate agreed for the whole contract period is\n3.5 percent of the sum.", "1.Next"],
        ),
        ("| a | b |\n|---|---|\n| 1. X | 2.5 |", ["| a | b |", "| 1. X | 2.5 |"]),
        ("# Leave\nEveryone has leave.", ["# Leave", "Everyone has leave."]),
        (
            "This line of a wrapped message goes on\nin the next one. Then it ends.\n\nNew",
            ["This line of a wrapped message goes on\nin the next one.", "Then it ends.", "New"],
        ),
        ("   ", []),
    ],
)  # fmt: skip
def test_splits_where_a_reader_would(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(alphabet=st.sampled_from(list('aB1 .!?。！？\n|-#：:"”)，')), max_size=200))
def test_spans_are_ordered_stripped_and_complete(text: str) -> None:
    spans = split_sentences(text)
    assert all(a.end <= b.start for a, b in zip(spans, spans[1:], strict=False))
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)
    covered = {position for start, end in spans for position in range(start, end)}
    assert all(position in covered for position, char in enumerate(text) if char.isalnum())


def test_endless_runs_are_cut() -> None:
    spans = split_sentences("word " * 2000)
    assert max(end - start for start, end in spans) <= MAX_SENTENCE
    assert sum(end - start + 1 for start, end in spans) == len("word " * 2000)


def test_a_run_of_dots_takes_no_time() -> None:
    began = time.thread_time()
    assert len(split_sentences(f"Chapter {'.' * 20_000}5")) > 1
    assert time.thread_time() - began < 3


def test_table_rows_are_known() -> None:
    assert is_table_row("| a | b |")
    assert not is_table_row("a | b")


@pytest.mark.parametrize(
    ("item", "bare"),
    [
        ("1. Open it.", "Open it."),
        ("- Open it.", "Open it."),
        ("二、审批", "审批"),
        ("3.5 percent", "3.5 percent"),
        ("a", "a"),
        ("24. ", "24. "),
    ],
)
def test_list_marks_are_taken_off(item: str, bare: str) -> None:
    assert without_list_mark(item) == bare
