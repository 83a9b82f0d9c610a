"""Extractive answers: the right sentence, exact spans, tables and lists, refusals, and the edges of the input."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.answerer import Answerer
from retrieval.answer.evidence import SENTENCE_FEATURES, term_weights
from retrieval.answer.question import read_question
from retrieval.answer.support import SUPPORT_FEATURES
from retrieval.answer.types import Ask, Passage, TermStatistics, Turn, verify_citations
from retrieval.answer.weights import SENTENCE, SUPPORT
from retrieval.encoder.hashing import HashEncoder
from retrieval.types import Vectors

GUIDE = (
    "Leave guide. Full-time employees receive 25 days of paid vacation per year. Contractors receive none.\n\n"
    "| Benefit | Days | Approver |\n|---|---|---|\n| Parental leave | 90 | Ann Lee |\n| Sick leave | 12 | Bo Chu |\n\n"
    "To request leave:\n1. Open the portal.\n2. Choose the dates.\n3. Ask Dr. Lee to approve.\n"
)
GUIDE_ZH = "员工手册。正式员工每年享有25天带薪年假。试用期员工没有年假。报销须在30天内提交，由财务部王丽审批。"
OFFSET = 17
DOCUMENTS = {"guide": "x" * OFFSET + GUIDE, "zh": GUIDE_ZH}
AS_OF = datetime(2026, 1, 2, tzinfo=UTC)
PASSAGES = [
    Passage("guide#0", "guide", "Leave", GUIDE, OFFSET, 1.0, "https://example.com/leave", AS_OF),
    Passage("zh#0", "zh", "员工手册", GUIDE_ZH, 0, 0.9),
]


class KnowsNothing(HashEncoder):
    """An encoder whose vocabulary holds no letter of any text; it must not be asked for vectors."""

    def coverage(self, text: str) -> float:
        return 0.0

    def encode_passages(self, texts: object) -> Vectors:
        raise AssertionError("asked for vectors of text that it does not know")


@pytest.fixture
def answerer() -> Answerer:
    return Answerer.of("extractive", HashEncoder(), Analyzer())


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (
            "How many days of paid vacation do full-time employees receive?",
            "Full-time employees receive 25 days of paid vacation per year. [1]",
        ),
        ("正式员工每年有多少天年假？", "正式员工每年享有25天带薪年假。 [1]"),
        ("报销由谁审批？", "报销须在30天内提交，由财务部王丽审批。 [1]"),
    ],
)
def test_answers_with_the_sentence(answerer: Answerer, question: str, text: str) -> None:
    answer = answerer.answer(question, PASSAGES)
    assert answer.text.startswith(text)
    assert verify_citations(answer.citations, DOCUMENTS.get) == []
    assert not answer.refused
    assert 0 < answer.confidence <= 1


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("整机保修多久？", "整机保修两年"),
        ("保修多久？", "整机保修两年"),
        ("电池保修多久？", "整机保修两年，电池保修一年"),
        ("整机保修多长时间？", "整机保修两年"),
        ("保修期多久", "整机保修两年"),
        ("整机保修几年？", "整机保修两年"),
        ("客服几点上班？", "客服热线"),
        ("控制器多重？", "控制器重3.2千克"),
        ("控制器有多高？", "控制器重3.2千克"),
        ("仓库有多大？", "仓库占地"),
        ("仓库离车站多远？", "仓库占地"),
        ("试用期几个月？", "年假为每年十五天"),
        ("年假几天？", "年假为每年十五天"),
        ("工资几号发放？", "工资每月十五日发放"),
    ],
)
def test_chinese_words_for_how_long_and_how_large_are_no_topic(question: str, text: str) -> None:
    """By words alone, as where the encoder does not know Chinese."""
    said = (
        "整机保修两年，电池保修一年。",
        "客服热线：400-800-1234，工作时间为周一至周五 9:00–18:00。",
        "控制器重3.2千克，高40厘米。",
        "仓库占地2000平方米，离车站3公里。",
        "年假为每年十五天，试用期为三个月。",
        "工资每月十五日发放。",
    )
    passages = [Passage(f"d{n}#0", f"d{n}", "", one, 0, 1.0) for n, one in enumerate(said)]
    answerer = Answerer.of("extractive", KnowsNothing(), Analyzer())
    answer = answerer.answer(question, passages)
    assert not answer.refused and answer.text.startswith(text)
    assert answerer.answer("火车多久一班？", passages).refused


def test_citation_carries_where_it_is_from(answerer: Answerer) -> None:
    [citation, *_] = answerer.answer(
        "How many days of paid vacation do full-time employees receive?", PASSAGES
    ).citations
    assert (citation.number, citation.chunk_id, citation.title) == (1, "guide#0", "Leave")
    assert (citation.uri, citation.as_of) == ("https://example.com/leave", AS_OF)
    assert citation.start == OFFSET + GUIDE.index("Full-time")


def test_repeated_title_is_no_answer() -> None:
    answerer = Answerer.of("extractive", HashEncoder(), Analyzer(), refuse_below=0.0)
    text = (
        "Incident: fleet service down in March\n\nA certificate had expired, so no gateway of the fleet could log in."
    )
    answer = answerer.answer(
        "Why was the fleet service down in March?",
        [Passage("i#0", "i", "Incident: fleet service down in March", text)],
    )
    assert answer.citations[0].quote.startswith("A certificate had expired")


def test_a_title_that_asks_what_is_asked_wins_over_a_sentence_of_its_words() -> None:
    passages = [
        Passage(
            "returns#0",
            "returns",
            "退货与返修流程",
            "返修件自寄出之日起享有六个月保修，或剩余的原保修期，取较长者。",
            0,
            1.0,
        ),
        Passage(
            "faq#0",
            "faq",
            "保修期是多长时间？",
            "自交货起二十四个月。登记后可以延长到三十六个月，电池为十二个月。",
            0,
            0.9,
        ),
    ]
    answerer = Answerer.of("extractive", KnowsNothing(), Analyzer())
    for question in ("保修期多久？", "保修期是多长时间？", "保修期多长"):
        assert answerer.answer(question, passages).text == "自交货起二十四个月。 [1]"
    assert answerer.answer("返修件保修多久？", passages).text.startswith("返修件自寄出")  # asked otherwise


def test_a_ticket_answers_with_what_helped(answerer: Answerer) -> None:
    problem, resolution = "Problem: The drive trips with E-07.", "Resolution: The motor cable had a short; replace it."
    ticket = Passage("ticket#0", "ticket", "Drive trips with E-07", f"{problem}\n{resolution}", 0, 1.0)
    answer = answerer.answer("What do I do when the drive trips with E-07?", [ticket, *PASSAGES])
    assert resolution in answer.text
    cable = dataclasses.replace(ticket, text="问题：驱动器报过电流，电机电缆短路\n解决：更换电机电缆")
    blind = Answerer.of("extractive", KnowsNothing(), Analyzer())
    assert "更换电机电缆" in blind.answer("驱动器报过电流怎么办？", [cable]).text


def test_table_row_reads_with_its_header(answerer: Answerer) -> None:
    answer = answerer.answer("How many days of parental leave are there?", PASSAGES)
    assert "Benefit: Parental leave; Days: 90; Approver: Ann Lee [" in answer.text
    assert "| Parental leave | 90 | Ann Lee |" in [citation.quote for citation in answer.citations]


def test_refusal_is_in_the_language_of_the_question_not_of_the_conversation(answerer: Answerer) -> None:
    answer = answerer.answer("And does that have a moon?", PASSAGES, [Turn("user", "火星殖民地的首都是哪里？")])
    assert answer.refused and answer.text.isascii()


def test_announced_list_comes_along(answerer: Answerer) -> None:
    answer = answerer.answer("How do I request leave?", PASSAGES)
    assert "To request leave:\n1. Open the portal.\n2. Choose the dates.\n3. Ask Dr. Lee to approve. [1]" in answer.text
    assert verify_citations(answer.citations, DOCUMENTS.get) == []


@pytest.mark.parametrize(
    ("title", "text", "question", "held", "lost"),
    [
        (
            "Payment by credit card or invoice",
            "We accept these payment methods:\n\n- Credit card\n- Invoice\n- Bank transfer",
            "Which payment methods do you accept?",
            ["methods:\n- Credit card\n- Invoice\n- Bank transfer [1]"],
            [],
        ),
        (
            "Router help",
            "To reset the router, do the following:\n- Press the red button. Hold it.\n\n"
            "- Wait ten seconds\n  or more\n\nThe cafeteria opens at nine. Dogs are not allowed.",
            "How do I reset the router?",
            ["- Press the red button. Hold it.\n- Wait ten seconds\nor more [1]"],
            ["cafeteria", "Dogs"],
        ),
        (
            "报销",
            "报销需要以下材料：\n1. 发票原件\n2. 审批单\n\n食堂九点开门。公司总经理是王明。",
            "报销需要什么材料？",
            ["1. 发票原件\n2. 审批单 [1]"],
            ["食堂", "王明"],
        ),
        (
            "Fees",
            "The fees of the parking lot are:\n| Car | Fee |\n|---|---|\n| Small | 5 |\n| Large | 9 |\n\n| Dog | A |\n",
            "What are the fees of the parking lot?",
            ["Car: Small; Fee: 5", "Car: Large; Fee: 9"],
            ["Dog"],
        ),
        (
            "Forms",
            "To ask for a visa you need the papers:\n\nA passport.\nA photograph.\n\nThe cafeteria opens at nine.",
            "Which papers do I need for a visa?",
            ["papers:\nA passport.\nA photograph. [1]"],
            ["cafeteria"],
        ),
    ],
)
def test_an_announced_list_comes_along_whole_and_alone(
    title: str, text: str, question: str, held: list[str], lost: list[str]
) -> None:
    answerer = Answerer.of("extractive", KnowsNothing(), Analyzer())
    answer = answerer.answer(question, [Passage("d#0", "d", title, text)])
    assert all(one in answer.text for one in held)
    assert not any(one in answer.text for one in lost)
    assert verify_citations(answer.citations, {"d": text}.get) == []


def test_what_helped_comes_along_where_the_title_says_it_too() -> None:
    text = "Problem: the printer shows error E7.\nRestart the printer.\nThe cafeteria opens at nine."
    answerer = Answerer.of("extractive", KnowsNothing(), Analyzer())
    answer = answerer.answer("the printer shows error E7", [Passage("d#0", "d", "Restart the printer", text)])
    assert answer.text == "Problem: the printer shows error E7.\nRestart the printer. [1]"


@pytest.mark.parametrize(
    ("question", "missing"),
    [("What is the capital of the Mars colony?", "Mars"), ("火星殖民地的首都在哪里？", "火星殖民地")],
)
def test_refusal_names_what_is_missing_in_the_question_s_language(
    answerer: Answerer, question: str, missing: str
) -> None:
    answer = answerer.answer(question, PASSAGES)
    assert answer.refused
    assert answer.citations == ()
    assert missing in answer.reason
    assert answer.text.isascii() == question.isascii()


def test_chinese_is_answered_without_any_help_of_the_encoder() -> None:
    answer = Answerer.of("extractive", KnowsNothing(), Analyzer()).answer("报销由谁审批？", PASSAGES)
    assert not answer.refused
    assert "王丽" in answer.text


def test_follow_up_question_uses_the_conversation(answerer: Answerer) -> None:
    history = [Turn("user", "How many days of parental leave are there?"), Turn("assistant", "90 [1]")]
    assert "Approver: Ann Lee" in answerer.answer("Who approves it?", PASSAGES, history).text


def test_rare_terms_weigh_more_with_the_collection_s_statistics() -> None:
    counts = {"common": 900, "rare": 2}
    question = read_question("common rare absent", Analyzer())
    weights = term_weights(question, TermStatistics(1000, lambda term: counts.get(term, 0)), [])
    assert weights["common"] < weights["rare"] < weights["absent"]
    assert weights["rare"] == pytest.approx(np.log(1 + (1000 - 2 + 0.5) / (2 + 0.5)))


def test_seam_of_two_chinese_words_weighs_nothing() -> None:
    counts = {"员工": 5, "年假": 3}
    question = read_question("员工年假政策", Analyzer())
    weights = term_weights(question, TermStatistics(100, lambda term: counts.get(term, 0)), [])
    assert weights["工年"] == 0
    counts = {"天上": 1}
    question = read_question("明天上海的天气由谁报告", Analyzer())
    weights = term_weights(question, TermStatistics(100, lambda term: counts.get(term, 0)), [])
    assert min(weights["明天"], weights["上海"], weights["天气"]) > weights["天上"] > 0
    counts = {"员工": 5, "年假": 3, "政策": 0}
    weights = term_weights(
        read_question("员工年假政策", Analyzer()), TermStatistics(100, lambda t: counts.get(t, 0)), []
    )
    assert weights["政策"] > weights["员工"] > 0


@pytest.mark.parametrize("question", ["?", "", "the", "。", "a" * 5000])
def test_questions_without_content_are_refused_not_fatal(answerer: Answerer, question: str) -> None:
    assert answerer.answer(question, PASSAGES).refused
    assert answerer.answer(question, []).refused


@settings(max_examples=60)
@given(st.lists(st.text(max_size=120), max_size=4), st.text(max_size=60), st.integers(0, 50))
def test_any_text_gives_verified_citations(texts: list[str], question: str, start: int) -> None:
    documents = {str(number): "#" * start + text for number, text in enumerate(texts)}
    passages = [Passage(f"{number}#0", str(number), "t", text, start) for number, text in enumerate(texts)]
    answer = Answerer.of("extractive", HashEncoder(), Analyzer(), refuse_below=0.0).answer(question, passages)
    assert verify_citations(answer.citations, documents.get) == []
    assert answer.refused == (not answer.citations)


def test_false_citations_are_found(answerer: Answerer) -> None:
    [citation, *_] = answerer.answer(
        "How many days of paid vacation do full-time employees receive?", PASSAGES
    ).citations
    moved = dataclasses.replace(citation, start=citation.start + 1, end=citation.end + 1)
    outside = dataclasses.replace(citation, end=10_000)
    gone = dataclasses.replace(citation, document_id="nobody")
    problems = verify_citations([citation, moved, outside, gone], DOCUMENTS.get)
    assert [
        word for word, problem in zip(("differs", "outside", "not stored"), problems, strict=True) if word in problem
    ] == [
        "differs",
        "outside",
        "not stored",
    ]


def test_every_feature_has_its_weight() -> None:
    assert tuple(SENTENCE) == SENTENCE_FEATURES
    assert tuple(SUPPORT) == SUPPORT_FEATURES


def test_evidence_is_bounded_and_complete() -> None:
    from retrieval.answer.extractive import ExtractiveGenerator

    evidence = ExtractiveGenerator(HashEncoder(), Analyzer()).evidence(Ask("Who approves sick leave?", PASSAGES))
    assert evidence.features.shape == (len(evidence.candidates), len(SENTENCE_FEATURES))
    assert np.isfinite(evidence.features).all()
    shares = evidence.features[:, [SENTENCE_FEATURES.index(name) for name in ("lexical", "context", "passage", "keys")]]
    assert (shares >= 0).all()
    assert (shares <= 1 + 1e-9).all()
