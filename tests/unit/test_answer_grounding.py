"""Generated sentences against a passage: what it bears out is cited, other numbers and the opposite are not."""

from __future__ import annotations

import pytest

from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.claims import is_opposed
from retrieval.answer.grounding import GroundedSentence, Grounder
from retrieval.answer.numbers import missing_number, numbers_of
from retrieval.answer.types import Passage
from retrieval.encoder.hashing import HashEncoder

WARRANTY = "The warranty of the pump lasts 24 months. It weighs 3.5 kg."
CARRY = "Employees may not carry over unused days."
KEEP = "Employees may carry over unused days."


def ground(sentence: str, text: str, title: str = "") -> GroundedSentence:
    return Grounder([Passage("d#0", "d", title, text)], HashEncoder(), Analyzer()).ground(sentence)


@pytest.mark.parametrize(
    ("sentence", "text", "title"),
    [
        ("The warranty of the pump lasts 24 months [1].", WARRANTY, ""),
        ("The pump weighs 3.5 kg [1].", WARRANTY, ""),
        ("水泵的保修期为24个月[1]。", "水泵的保修期为２４个月。", ""),
        ("水泵的保修期为２４个月[1]。", "水泵的保修期为24个月。", ""),
        ("Invoices over 10000 EUR need a signature [1].", "Invoices over 10,000 EUR need a signature.", ""),
        ("Invoices over 10,000 EUR need a signature [1].", "Invoices over 10000 EUR need a signature.", ""),
        ("The report of 2024 was approved [1].", "The report was approved.", "Report 2024"),
        ("The contract ends on 31 March 2024 [1].", "The contract ends on 2024-03-31, in March.", ""),
        ("The office opens at 9:00-18:00 [1].", "The office opens 9:00–18:00.", ""),
        ("1. Open the lid of the pump [1].", "Open the lid of the pump.", ""),
        ("2) Open the lid of the pump [1].", "Open the lid of the pump.", ""),
        ("24 [1].", WARRANTY, ""),
        ('The codes "AX" and also the code "BX" name pumps [1].', 'The codes "AX" and "BX" name pumps.', ""),
        ('It says that "the pump lasts" for 24 months [1].', "It says that the pump lasts for 24 months.", ""),
        (CARRY + " [1]", CARRY, ""),
        ("Unused days cannot be carried over by employees [1].", CARRY, ""),
        ("员工不得结转未使用的年假[1]。", "员工不得结转未使用的年假。", ""),
        ("No, unused days expire in March [1].", "Unused days expire in March.", ""),
        ("The pump weighs 3 kg [1].", "The pump does not need a battery and weighs 3 kg.", ""),
        ("The pump lasts ten years [1].", "The pump, which is not sold alone, lasts ten years.", ""),
        ("Requests come within 30 days [1].", "Requests come within 30 days, no later than 30 days.", ""),
        ("路由器保修两年[1]。", "无线路由器保修两年。", ""),
    ],
)
def test_what_the_passage_says_is_cited(sentence: str, text: str, title: str) -> None:
    grounded = ground(sentence, text, title)
    assert grounded.problems == ()
    assert [citation.number for citation in grounded.citations] == [1]


@pytest.mark.parametrize(
    ("sentence", "text", "title", "problem"),
    [
        ("The warranty of the pump lasts 4 months [1].", WARRANTY, "", "[1] does not hold the number 4"),
        ("The warranty of the pump lasts 2 months [1].", WARRANTY, "", "[1] does not hold the number 2"),
        ("The pump weighs 5 kg [1].", WARRANTY, "", "[1] does not hold the number 5"),
        ("99 [1].", WARRANTY, "", "[1] does not hold the number 99"),
        ("The pump costs 245 euros [1].", "The pump costs 24", "5 euros", "[1] does not hold the number 245"),
        ("Invoices over 1000 EUR need it [1].", "Invoices over 10,000 EUR need it.", "", "[1] does not hold"),
        ("1. The warranty of the pump lasts 4 months [1].", WARRANTY, "", "[1] does not hold the number 4"),
        ('The "AX" pump says "lasts for ever" [1].', 'The "AX" pump lasts.', "", "[1] does not hold the quote"),
        (KEEP + " [1]", CARRY, "", "[1] says the opposite"),
        (CARRY + " [1]", KEEP, "", "[1] says the opposite"),
        ("Employees don’t carry over unused days [1].", KEEP, "", "[1] says the opposite"),
        ("The warranty of the pump never lasts 24 months [1].", WARRANTY, "", "[1] says the opposite"),
        ("Employees may carry over days [1].", "Employees are not allowed to carry over days.", "", "[1] says the"),
        ("员工可以结转年假[1]。", "员工不可以结转年假。", "", "[1] says the opposite"),
        ("试用期员工有年假[1]。", "试用期员工没有年假。", "", "[1] says the opposite"),
        ("电池的保修期为五个月[1]。", "电池的保修期为十二个月。", "", "[1] does not hold the number 五个月"),
        ("Pumps have six months of warranty [1].", "Pumps have 12 months of warranty.", "", "[1] does not hold"),
        ("超过一万元的付款不需要审批[1]。", "超过一万元的付款需要审批。", "", "[1] says the opposite"),
    ],
)  # fmt: skip
def test_other_numbers_and_the_opposite_are_not(sentence: str, text: str, title: str, problem: str) -> None:
    grounded = ground(sentence, text, title)
    assert grounded.citations == ()
    assert grounded.problems[0].startswith(problem)


def test_the_number_decides_which_sentence_is_cited() -> None:
    text = "The warranty of the big pump is 12 months. Ask. The service manual says: the pump has 24 months."
    [citation] = ground("The warranty of the pump is 24 months [1].", text).citations
    assert "24 months" in citation.quote


def test_numbers_are_tokens_and_dates_have_parts() -> None:
    assert {number for number, _ in numbers_of("24, 3.5, 1,200.5 and 2024-05-01, 31.03.2024")} == {
        "24", "3.5", "1200.5", "2024-05-01", "2024", "5", "1", "31.03.2024", "31", "3",
    }  # fmt: skip
    assert missing_number("from 3 to 2024", numbers_of("3")) == "2024"


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("保修期为二十四个月", "保修期为24个月"),
        ("保修期为24个月", "保修期为二十四個月"),
        ("The warranty lasts twenty-four months", "保修期为二十四个月"),
        ("The warranty lasts two years", "A 24-month warranty"),
        ("三十日内", "within 30 days"),
        ("一年二十五天年假", "每年享有25天年假"),
        ("One week a year", "each week, 12 months"),
        ("百分之十五的折扣", "a 15 percent discount"),
        ("一万元", "10,000 元"),
        ("1.5万元", "15000元"),
        ("Two million three hundred thousand", "2.3 million"),
        ("三百五元", "350 元"),
        ("二〇二四年", "2024-05-01"),
        ("三点五公斤", "3.5 公斤"),
        ("三千克", "3千克"),
        ("3 employees", "three employees"),
        ("3名员工", "三名员工"),
        ("24 months", "Warranty, months: 24"),
        ("There are two ways, one of them with three steps", "Either so or so"),
        ("一种方法，有三步，千万不要忘记，十分重要，万一丢失", "方法"),
        ("增长百分之10-20", "百分之10/20"),
        ("ſix pumps, five ſixty", "ſix"),
        ("亿" * 1 + "万" * 9, "一" + "亿" * 600),
    ],
)
def test_numbers_in_words_and_units_compare(sentence: str, text: str) -> None:
    assert missing_number(sentence, numbers_of(text)) == ""


@pytest.mark.parametrize(
    ("sentence", "text", "missing"),
    [
        ("保修期为二十四个月", "保修期为三十六个月", "二十四个月"),
        ("电池的保修期为五个月", "电池的保修期为十二个月", "五个月"),
        ("twenty-four months", "36 months", "twenty-four months"),
        ("six months", "12 months", "six months"),
        ("36 years", "36 months", "36 years"),
        ("十二年", "十二个月", "十二年"),
        ("1 week", "each day, 一个人", "1 week"),
        ("百分之十五", "15 天", "百分之十五"),
        ("fifteen people", "50 people", "fifteen"),
        ("一百二十人", "一百二十五人", "一百二十"),
        ("第三十二条", "第三十三条", "三十二"),
    ],
)
def test_other_numbers_in_words_and_other_units_are_missing(sentence: str, text: str, missing: str) -> None:
    assert missing_number(sentence, numbers_of(text)) == missing


def test_negations_that_deny_nothing() -> None:
    analyzer = Analyzer()
    for one in ("Not only pumps but valves are sold.", "Pump No. 5 is sold.", "A stainless 不锈钢 pump is sold."):
        assert not is_opposed("Pumps are sold; valves too; 钢 pump.", one, analyzer)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Employees must not share passwords.", "Sharing passwords is prohibited."),
        ("You may not smoke in the building.", "Smoking in the building is prohibited."),
        ("You may not smoke in the building.", "Smoking in the building is forbidden."),
        ("A receipt is required for each expense.", "No expense is reimbursed without a receipt."),
        ("A receipt is required for each expense.", "Expenses without a receipt are rejected."),
        ("Expenses are only reimbursed with a receipt.", "Expenses are not reimbursed without a receipt."),
        ("Invoices are paid after approval.", "Invoices are not paid before approval."),
        ("Interns are excluded from the bonus.", "Interns do not get the bonus."),
        ("加班必须经过经理批准。", "未经经理批准，员工不得加班。"),
        ("报销必须附发票。", "没有发票的报销不予受理。"),
        ("报销费用须附发票。", "没有发票的费用不予报销。"),
        ("报销须附发票。", "没有发票的报销退回员工。"),
        ("员工必须加班。", "员工不得不加班。"),
        ("The upload limit is 50 MB.", "The upload limit is 50 MB, not 20 MB."),
        ("The upload limit is 50 MB.", "The upload limit is not more than 50 MB."),
        ("The trial lasts six months.", "The trial lasts six months, not three months."),
        ("The report is due on Friday.", "The report is due on Friday and not on Monday as the report of last year."),
        ("Unused days expire in March.", "No unused days are paid out, unused days expire in March."),
        ("Smoking is allowed in the yard.", "Smoking is not allowed in the building."),
        ("差旅报销须在30天内提交", "差旅报销须在30天内提交，不得晚于30天"),
        ("年假为15天，不能结转", "年假为15天，禁止结转"),
    ],
)
def test_paraphrases_and_contrasts_are_no_opposites(one: str, other: str) -> None:
    assert not is_opposed(one, other, Analyzer())
    assert not is_opposed(other, one, Analyzer())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (KEEP, CARRY),
        (KEEP, "Employees may not carry over unused days and may not sell them."),
        (KEEP, "Employees are prohibited from carrying over unused days."),
        ("Smoking is allowed in the building.", "Smoking is not allowed in the building."),
        ("Smoking is allowed.", "Smoking is not allowed."),
        ("Employees may smoke.", "No employee may smoke."),
        ("员工可以结转未使用的年假。", "员工不得结转未使用的年假。"),
        ("员工可以结转年假。", "员工不能结转年假，也不折现。"),
        ("员工可以结转年假。", "禁止结转年假。"),
        ("The form may be sent before May.", "The form may not be sent before May."),
    ],
)
def test_opposites_are_opposed(one: str, other: str) -> None:
    assert is_opposed(one, other, Analyzer())
    assert is_opposed(other, one, Analyzer())
