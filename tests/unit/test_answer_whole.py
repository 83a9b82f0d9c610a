"""Answers come whole: a heading with what stands below it, a fault with its remedy, a row with its header's words."""

from __future__ import annotations

import pytest

from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.answerer import Answerer
from retrieval.answer.types import Passage, Turn
from retrieval.encoder.hashing import HashEncoder

VPN = (
    "Known errors\n\nError 809\n\nThe firewall blocks UDP ports. Use the fallback on port 443.\n\n"
    "Error 691\n\nThe password has expired. Reset it on the portal."
)
FAULTS = (
    "故障代码\n\n- E01：急停按钮被按下。旋转复位按钮。\n- E07：热封温度过低。检查加热管。\n"
    "- E21：伺服驱动器过载。检查链条是否卡料，冷却后重新上电。"
)
HOURS = (
    "Office closing times\n\nThe Suzhou office closes at 18:30. On Fridays it closes at 17:00. The cafe is on floor 2."
)
CRANES = "| Crane | Capacity | Next inspection |\n|---|---|---|\n| Hall 1 | 10 t | 3 Nov |\n| Hall 2 | 5 t | 17 Nov |"
RATES = "| 职级 | 一线城市 | 其他城市 |\n|---|---|---|\n| 经理 | 650元 | 450元 |\n| 普通员工 | 450元 | 320元 |"
LEAVE = (
    "Employees have 12 working days of annual leave. Up to 5 unused days may be carried over until 31 March.\n\n"
    "| Leave | Days |\n|---|---|\n| Marriage | 3 |\n| Bereavement | 2 |"
)


def said(question: str, text: str, history: list[Turn] | None = None, heading: str = "") -> str:
    answerer = Answerer.of("extractive", HashEncoder(), Analyzer(), refuse_below=0.0)
    return answerer.answer(question, [Passage("d#0", "d", "", text, heading=heading)], history or []).text


def test_a_heading_brings_what_stands_below_it_and_not_the_next_heading() -> None:
    text = said("VPN error 809", VPN)
    assert text == "Error 809\nThe firewall blocks UDP ports. Use the fallback on port 443. [1]"


def test_a_heading_above_another_brings_the_text_below_both() -> None:
    assert said("known errors", VPN).startswith("Known errors\nError 809\nThe firewall blocks UDP ports.")


@pytest.mark.parametrize("question", ["E21 故障如何处理？", "E21 怎么办？", "E21 是什么？"])
def test_an_item_that_explains_comes_whole(question: str) -> None:
    assert said(question, FAULTS) == "- E21：伺服驱动器过载。检查链条是否卡料，冷却后重新上电。 [1]"


def test_the_remedy_comes_along_where_it_is_asked_for() -> None:
    text = "The screen stays blank. Replace the adapter of the extender.\n\nThe printer is on floor 3."
    assert said("What should I do when the screen stays blank?", text).endswith(
        "Replace the adapter of the extender. [1]"
    )
    assert said("Which screen stays blank?", text) == "The screen stays blank. [1]"


@pytest.mark.parametrize("question", ["What should I do when the VPN drops?", "How to fix VPN drops?", "VPN drops"])
def test_what_helped_comes_along_from_the_next_line_too(question: str) -> None:
    text = "Problem: The VPN drops. It happens again and again.\nSolution: reinstall the client."
    assert said(question, text).endswith("Solution: reinstall the client. [1]")


@pytest.mark.parametrize(
    ("question", "text", "answer"),
    [
        (
            "Outlook closed at once",
            "After the update Outlook closed at once. It is known. Solution: disable the add-in. Seen on 3 machines.",
            "After the update Outlook closed at once. It is known. Solution: disable the add-in. [1]",
        ),
        (
            "账号被锁定",
            "输错密码后账号被锁定。解决办法：等待30分钟。",
            "输错密码后账号被锁定。解决办法：等待30分钟。 [1]",
        ),
    ],
)
def test_what_helped_comes_along(question: str, text: str, answer: str) -> None:
    assert said(question, text).startswith(answer)


def test_the_next_sentence_with_what_the_question_names_comes_along() -> None:
    assert "On Fridays it closes at 17:00." in said("At what time does the Suzhou office close on Friday?", HOURS)
    assert "Fridays" not in said("At what time does the Suzhou office close?", HOURS)


def test_the_header_of_a_table_is_no_answer_but_counts_for_its_rows() -> None:
    assert said("When is the next inspection of crane hall 2?", CRANES) == (
        "Crane: Hall 2; Capacity: 5 t; Next inspection: 17 Nov [1]"
    )
    assert said("普通员工 一线城市 标准", RATES) == "职级: 普通员工; 一线城市: 450元; 其他城市: 320元 [1]"


def test_rows_that_go_on_from_the_passage_before_count_its_header() -> None:
    text = "| Hall 3 | 3 Dec | 17 May |\n| Hall 4 | 4 Dec | 2 June |\n\nThe next crane is not for hall 4."
    answer = said("Next inspection of hall 4?", text, heading="Plan › Hall | Next inspection | Painted")
    assert "Hall: Hall 4; Next inspection: 4 Dec" in answer


@pytest.mark.parametrize("heading", ["", "Plan", "Plan › Cranes"])
def test_a_table_that_begins_below_a_heading_has_its_header_in_its_first_row(heading: str) -> None:
    """Tables of workbooks and JSON have no rule below it."""
    text = CRANES.replace("|---|---|---|\n", "")
    assert said("When is the next inspection of crane hall 2?", text, heading=heading) == (
        "Crane: Hall 2; Capacity: 5 t; Next inspection: 17 Nov [1]"
    )


def test_a_header_that_is_asked_for_brings_its_rows_and_is_said_by_them() -> None:
    assert said("一线城市 其他城市", RATES) == (
        "职级: 经理; 一线城市: 650元; 其他城市: 450元\n职级: 普通员工; 一线城市: 450元; 其他城市: 320元 [1]"
    )


@pytest.mark.parametrize(
    ("follow_up", "answer"),
    [
        ("And how many days can I carry over?", "Up to 5 unused days may be carried over until 31 March. ["),
        ("and for marriage?", "Leave: Marriage; Days: 3 ["),
    ],
)
def test_what_a_follow_up_names_itself_counts_more_than_what_it_takes_over(follow_up: str, answer: str) -> None:
    history = [Turn("user", "How many days of annual leave do employees have?"), Turn("assistant", "12 days")]
    assert answer in said(follow_up, LEAVE, history)
