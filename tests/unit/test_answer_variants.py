"""Extractive answers where a table or a manual speaks of several things that look alike."""

from __future__ import annotations

import pytest

from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.answerer import Answerer
from retrieval.answer.condense import standalone_question
from retrieval.answer.extractive import ExtractiveGenerator
from retrieval.answer.types import Passage, Turn
from retrieval.answer.variants import names_variant
from retrieval.encoder.hashing import HashEncoder

WARRANTY = (
    "The warranty is 24 months from the date of purchase. It does not cover damage by limescale. "
    "The Aurora C3 Pro has a warranty of 36 months."
)
SALES = "\n".join(
    (
        "| 地区 | 季度 | 销售额 | 负责人 |",
        "|---|---|---|---|",
        "| 华东 | 2025Q1 | 320 | 陈晨 |",
        "| 华东 | 2025Q2 | 415 | 陈晨 |",
        "| 华南 | 2025Q1 | 210 | 刘洋 |",
        "| 北方 | 2025Q2 | 88 | 孙悦 |",
    )
)
MINUTES = (
    "Minutes\n\n1. The launch of the Aurora C3 Pro is moved to 15 September 2025.\n2. Tom orders 500 milk hoses.\n"
    "3. Next meeting in room Turin."
)
PRICES = "| name | price | stock | since |\n|---|---|---|---|\n| Aurora C3 Pro | 1199 | 3 | 2025-09-15 |"


def answer(question: str, *texts: str, title: str = "") -> str:
    """The text of the answer from these passages."""
    passages = [Passage(f"d{number}#0", f"d{number}", title, text) for number, text in enumerate(texts)]
    return Answerer(ExtractiveGenerator(HashEncoder(), Analyzer(), refuse_below=0.0)).answer(question, passages).text


def test_a_sentence_about_a_variant_does_not_answer_alone() -> None:
    told = answer("How long is the warranty of the Aurora C3?", WARRANTY, title="Aurora C3 user manual")
    assert told.startswith("The warranty is 24 months") and "The Aurora C3 Pro has a warranty of 36 months." in told
    told = answer("How long is the warranty of the Aurora C3 Pro?", WARRANTY, title="Aurora C3 user manual")
    assert told == "The Aurora C3 Pro has a warranty of 36 months. [1]"


def test_the_addition_of_a_variant_is_left_behind_by_the_next_question() -> None:
    about_pro = [Turn("user", "How long is the warranty of the Aurora C3 Pro?")]
    assert standalone_question(about_pro, "And of the C3?") == "long warranty Aurora And of the C3?"
    assert standalone_question(about_pro, "And of the C3 Pro?") == "long warranty Aurora And of the C3 Pro?"
    assert standalone_question(about_pro, "And its weight?") == "long warranty Aurora C3 Pro And its weight?"
    about_b = [Turn("user", "What does the AX-1200-B cost?")]
    assert standalone_question(about_b, "And the AX-1200?") == "cost And the AX-1200?"
    answerer = Answerer(ExtractiveGenerator(HashEncoder(), Analyzer(), refuse_below=0.0))
    passages = [Passage("d#0", "d", "Aurora C3 user manual", WARRANTY)]
    assert answerer.answer("And of the C3?", passages, about_pro).text.startswith("The warranty is 24 months")


@pytest.mark.parametrize(
    ("question", "sentence", "is_variant"),
    [
        ("Weight of the AX-1200?", "The AX-1200 XL weighs 9 kg.", True),
        ("Weight of the AX-1200?", "The AX-1200-B weighs 9 kg.", True),
        ("Weight of the AX-1200?", "The AX-1200 weighs 8 kg, the AX-1200 XL 9 kg.", False),
        ("Weight of the AX-1200 XL?", "The AX-1200 XL weighs 9 kg.", False),
        ("Weight of the AX-1200?", "AX-1200 Servo drive: 8 kg", False),
        ("星辰7的保修期多长？", "星辰7增强版的保修期为三年。", False),  # Han around a digit makes no name of it
        ("AX-1200 的保修期多长？", "AX-1200 增强版的保修期为三年。", True),
        ("Who is Tom?", "Tom Pro is he.", False),
    ],
)
def test_a_variant_has_the_name_of_the_question_and_one_word_more(
    question: str, sentence: str, is_variant: bool
) -> None:
    assert names_variant(question, sentence) is is_variant


def test_rows_between_which_the_question_does_not_choose_are_all_told() -> None:
    told = answer("华东第二季度的销售额是多少？", SALES, title="销售报表")
    assert "320" in told and "415" in told and "210" not in told and "88" not in told
    assert "415" not in answer("华南的销售额是多少？", SALES, title="销售报表")


def test_the_mark_of_a_list_stays_with_the_list() -> None:
    assert answer("Who orders milk hoses?", MINUTES).startswith("Tom orders 500 milk hoses.")
    assert answer("Welcher Termin ist im Mai?", "Termine\n\n5. Mai 2025 ist der Termin.").startswith("5. Mai 2025")
    assert answer("Where is E. coli found?", "- a\n- b\n\nE. coli is found in the gut.").startswith("E. coli is found")


def test_a_price_is_found_in_its_row() -> None:
    told = answer("How much does the Aurora C3 Pro cost?", MINUTES, PRICES)
    assert "price: 1199" in told and "launch" not in told
