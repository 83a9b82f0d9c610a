"""Questions taken apart, and follow-up questions made to stand alone."""

from __future__ import annotations

import pytest

from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.condense import leans, standalone_question
from retrieval.answer.question import Kind, asks_for_remedy, fits_kind, question_kind, read_question, topic_words
from retrieval.answer.types import Turn
from retrieval.types import MAX_QUERY_LENGTH


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who approves expenses?", Kind.PERSON),
        ("How many days of leave do I have?", Kind.NUMBER),
        ("When does the contract end?", Kind.TIME),
        ("Where is the archive?", Kind.PLACE),
        ("Why was it closed?", Kind.REASON),
        ("How do I reset the router?", Kind.METHOD),
        ("vacation policy", Kind.OTHER),
        ("报销由谁审批？", Kind.PERSON),
        ("年假有多少天？", Kind.NUMBER),
        ("合同什么时候到期？", Kind.TIME),
        ("总部在哪里？", Kind.PLACE),
        ("为什么关闭？", Kind.REASON),
        ("如何重置路由器？", Kind.METHOD),
        ("E21 故障如何处理？", Kind.METHOD),
        ("任何人都可以申请吗？", Kind.OTHER),
        ("任何时候可以申请吗？", Kind.OTHER),
        ("What should I do when the lamp is red?", Kind.OTHER),
        ("When the lamp is red, what should I do?", Kind.OTHER),
        ("When the pump stops, how do I start it again?", Kind.METHOD),
        ("When was the pump, which stands in hall 2, mended?", Kind.TIME),
        ("Do you know when the gate closes?", Kind.TIME),
    ],
)
def test_kind_follows_the_question_words(question: str, kind: Kind) -> None:
    assert question_kind(question) is kind


def test_terms_are_topic_tokens_and_keys_are_names_and_numbers() -> None:
    question = read_question("What is the warranty of the AX-1200 from Acme?", Analyzer())
    assert {"ax-1200", "warranti", "acm"} <= set(question.terms)
    assert not {"what", "is", "the", "of"} & set(question.terms)
    assert {"ax-1200", "acm"} <= question.keys
    assert "warranti" not in question.keys


def test_chinese_terms_keep_words_and_lose_question_phrases() -> None:
    terms = set(read_question("法国的首都是哪里？", Analyzer()).terms)
    assert {"法国", "首都"} <= terms
    assert not {"哪里", "都是", "是哪", "国的"} & terms


@pytest.mark.parametrize(
    ("question", "held", "lost"),
    [
        ("保修多久？", {"保修"}, {"修多", "多久"}),
        ("电缆有多长？", {"电缆"}, {"缆有", "有多", "多长"}),
        ("试用期几个月？", {"试用", "用期"}, {"期几", "几个", "个月"}),
        ("维修要几小时？", {"维修", "小时"}, {"几小"}),
        ("许多大学建于1900年？", {"许多", "多大", "大学"}, set()),
        ("多重身份是什么？", {"多重", "身份"}, {"什么"}),
        ("最多大约多少人？", {"最多", "大约"}, {"多少"}),
    ],
)
def test_chinese_measures_that_are_asked_for_are_no_terms(question: str, held: set[str], lost: set[str]) -> None:
    terms = set(read_question(question, Analyzer()).terms)
    assert held <= terms and not lost & terms


def test_question_of_stop_words_has_no_terms_but_acronyms_are_words() -> None:
    assert read_question("What is it?", Analyzer()).terms == ()
    assert read_question("What’s it?", Analyzer()).terms == read_question("What's it?", Analyzer()).terms == ()
    assert read_question("What'd've it?", Analyzer()).terms == ()
    assert read_question("Who runs IT?", Analyzer()).terms == ("run", "it")


@pytest.mark.parametrize(
    ("name", "token"), [("D'Souza", "souza"), ("M'Bow", "bow"), ("d’Artagnan", "artagnan"), ("T'Challa", "challa")]
)
def test_names_with_an_apostrophe_are_no_contractions(name: str, token: str) -> None:
    assert token in read_question(f"Who is {name}?", Analyzer()).terms


@pytest.mark.parametrize(
    ("kind", "sentence", "question", "fits"),
    [
        (Kind.NUMBER, "Staff get 25 days.", "How many days?", True),
        (Kind.NUMBER, "In 2019 it grew.", "How many stores were there in 2019?", False),
        (Kind.PERSON, "It was signed by Maria Chen.", "Who signed it?", True),
        (Kind.PERSON, "it was signed.", "Who signed it?", False),
        (Kind.TIME, "该公司成立于1998年。", "公司何时成立？", True),
    ],
)
def test_fit_needs_something_new_of_that_kind(kind: Kind, sentence: str, question: str, fits: bool) -> None:
    assert fits_kind(kind, sentence, question) is fits


@pytest.mark.parametrize(
    ("asked", "follow_up", "added"),
    [
        ("How many days of parental leave are there?", "Who approves it?", ["parental", "leave"]),
        ("How many days of parental leave are there?", "And sick leave?", ["parental"]),
        ("What does the AX-1200 weigh?", "What about the AX-1300?", ["AX-1200", "weigh"]),
        ("正式员工有多少天年假？", "那试用期呢？", ["正式员工"]),
        ("路由器AX-1200的保修期是多久？", "它多少钱？", ["路由器"]),
        ("路由器AX-1200的保修期是多久？", "该产品的售价是多少？", ["路由器"]),
        ("路由器AX-1200的保修期是多久？", "购买此产品需要多少钱？", ["路由器"]),
        ("What does the AX-1200 weigh?", "How long does that take to arrive?", ["AX-1200"]),
        ("What does the AX-1200 weigh?", "Who approves that request?", ["AX-1200"]),
        ("What does the AX-1200 weigh?", "Do I need to cancel that order?", ["AX-1200"]),
        ("What does the AX-1200 weigh?", "WHO APPROVES IT?", ["AX-1200"]),
    ],
)
def test_leaning_questions_take_the_topic_along(asked: str, follow_up: str, added: list[str]) -> None:
    alone = standalone_question([Turn("user", asked), Turn("assistant", "…")], follow_up)
    assert alone.endswith(follow_up)
    assert all(word in alone for word in added)


@pytest.mark.parametrize(
    "question",
    [
        "How do I submit an expense report?",
        "Is there a canteen in Berlin?",
        "Who is the CEO of Acme?",
        "报销由谁审批？",
        "公司还有其他福利政策吗？",
        "其它城市的差旅补贴标准是多少？",
        "员工应该如何申请年假？",
        "吉他社团的活动费用由谁审批？",
        "因此产生的加班费用如何报销？",
        "员工的彼此评价如何提交？",
        "出差住宿该如何报销费用？",
        "How do I contact IT support?",
        "Who runs the IT department at the Berlin office?",
        "Who signs invoices that exceed 10,000 EUR?",
        "Are documents that have no signature valid?",
        "Which invoices that exceed 500 need approval?",
    ],
)
def test_standalone_questions_stay_as_they_are(question: str) -> None:
    history = [Turn("user", "How many days of parental leave are there?")]
    assert not leans(question)
    assert standalone_question(history, question) == question


def test_topic_is_carried_through_a_chain_and_nothing_without_history() -> None:
    chain = [Turn("user", "Tell me about parental leave"), Turn("user", "Who approves it?")]
    assert "parental" in standalone_question(chain, "And how long does that take?")
    assert standalone_question([], "Who approves it?") == "Who approves it?"
    assert standalone_question([Turn("assistant", "Hello")], "it?") == "it?"


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("What should I do when the lamp is red?", True),
        ("The lamp is red. What do I do?", True),
        ("How can I fix it?", True),
        ("E21 怎么办？", True),
        ("What does it do?", False),
        ("What do they do on Fridays?", False),
        ("How long is the warranty?", False),
    ],
)
def test_a_question_for_a_remedy_is_known(question: str, asks: bool) -> None:
    assert asks_for_remedy(question) is asks


def test_what_is_added_never_makes_a_question_too_long_to_be_searched() -> None:
    history = [Turn("user", f"How many days of parental leave has {'x' * 24_000}?")]
    assert standalone_question(history, "And that one?") == "days parental leave And that one?"
    longest = "and that one? ".ljust(MAX_QUERY_LENGTH, "y")
    assert standalone_question(history, longest) == longest


def test_topic_words_are_as_written() -> None:
    assert topic_words("What does the AX-1200 cost?") == ["AX-1200", "cost"]


def test_words_with_accents_are_whole() -> None:
    assert topic_words("Où est le médecin für Köln?") == ["Où", "est", "le", "médecin", "für", "Köln"]
    assert "medecin" in read_question("la maison d'un médecin", Analyzer()).terms


@pytest.mark.parametrize(
    ("question", "text", "fits"),
    [
        ("How much does it cost?", "It costs 12 EUR.", True),
        ("How much does it cost?", "The launch moved from 1 to 15 September 2025.", False),
        ("How much does it cost?", "It has a warranty of 36 months.", False),
        ("What is the price of it?", "| Aurora | 1199 | 2025-09-15 |", True),
        ("多少钱？", "2025年9月15日上市", False),
        ("多少钱？", "售价1199元", True),
        ("How much does it cost?", "Tom orders 500 hoses (part MH-220-B).", False),
        ("How much did it cost?", "The owners paid some 1.2 million for it.", True),
        ("How many months?", "It has a warranty of 36 months.", True),
    ],
)
def test_neither_dates_nor_durations_are_prices(question: str, text: str, fits: bool) -> None:
    assert fits_kind(Kind.NUMBER, text, question) is fits
