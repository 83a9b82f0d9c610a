"""Cleaning mends what is broken, leaves code and Chinese alone, and does nothing the second time."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.cleaning import clean_prose, clean_text, without_running_lines


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("donâ€™t", "don’t"),
        ("schÃ¶n, cafÃ©", "schön, café"),
        ("ä½\xa0å¥½ï¼Œä¸\xadæ–‡", "你好，中文"),
        ("e\u0301", "é"),
        ("a\u200bb\ufeffc\u00add", "abcd"),
        ("a\x00b\x07c", "abc"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("x &amp; y &#39;z&#39; &nbsp;end", "x & y 'z'  end"),
        ("&amp;lt;", "<"),
        ("tail  \t\nnext\n\n\n\n\nlast\n", "tail\nnext\n\nlast"),
        ("safe\u202egnp.exe", "safegnp.exe"),
        ("half \ud83d lone", "half \ufffd lone"),
        ("全角\u3000空格", "全角 空格"),
    ],
)
def test_what_is_broken_is_mended(broken: str, mended: str) -> None:
    assert clean_text(broken) == mended


@pytest.mark.parametrize(
    "text",
    [
        "AX-1200/B_v2.1 (±0.5 µm) №7 §3 10°C",
        "中文，标点。「引号」《书名》（括号）！？；：……——",
        "日本語のテキスト、カタカナ・ひらがな。",
        "def f(x):\n    return x  # two  spaces\n\n\tif a && b: <b>&amp;</b>",
        "Ａ型（全角字母）１２３",
        "a < b && c > d; x &= y; p&l; AT&T",
        "👩‍👩‍👧 می‌خواهم",
        "naïve Ångström Łódź Ünïcödé – “quotes” … €5",
        "| a | b |\n| 1 | 2 |",
    ],
)
def test_what_is_right_stays(text: str) -> None:
    assert clean_text(text) == text


def test_code_keeps_entities_and_blank_lines() -> None:
    code = "print('&lt;')\n\n\n\nx = 1"
    assert clean_text(code, code=True) == code


@settings(max_examples=400)
@given(st.one_of(st.text(), st.text("&;#amplt39 <b>é\u00c3\u00a9\u200b\n\r \u3000e\u0301中")), st.booleans())
@example("&amp;amp;amp;#8203;", False)
@example("\u00c2\t0", False)
def test_cleaning_twice_changes_nothing(text: str, code: bool) -> None:
    once = clean_text(text, code=code)
    assert clean_text(once, code=code) == once
    once.encode()
    prose = clean_prose(text)
    assert clean_prose(prose) == prose


@pytest.mark.parametrize("blank", [" ", "\t", " \t"])
def test_a_long_run_of_blanks_inside_a_line_takes_no_time(blank: str) -> None:
    text = "a\n" + blank * (60_000 // len(blank)) + "x"
    start = time.thread_time()
    assert clean_text("a \n" + text[2:]) == text
    assert time.thread_time() - start < 1  # 30 s where each blank of the run is tried


def test_running_headers_and_footers_go_and_content_stays() -> None:
    pages = [f"ACME Manual\n\nContent of page {n} that differs {'x' * n}.\nMore.\nPage {n} of 9" for n in range(1, 9)]
    for number, page in enumerate(without_running_lines(pages), start=1):
        assert page.strip() == f"Content of page {number} that differs {'x' * number}.\nMore." or "More" not in page
        assert "ACME" not in page and "of 9" not in page and "Content" in page


def test_lines_repeated_inside_pages_or_on_few_pages_stay() -> None:
    pages = [f"head {n}a\nb\nc{'d' * n}\nTotal\ne{n * 'f'}\ng{n * 'h'}\ni{n * 'j'}" for n in range(1, 6)]
    kept = without_running_lines(pages)
    assert len(kept) == len(pages)
    for page in kept:
        assert "Total" in page
    assert without_running_lines(["same", "same"]) == ["same", "same"]


def test_rows_of_numbers_at_page_edges_stay() -> None:
    rows = [f"{row * 7919 % 90_000 + 10_000} {row % 97} {row * 37 % 999}.{row % 89:02}" for row in range(200)]
    pages = ["\n".join(["Price list", *rows[at : at + 40], f"Page {at // 40 + 1}"]) for at in range(0, 200, 40)]
    assert "\n".join(without_running_lines(pages)).split("\n") == rows


def test_numbers_that_do_not_count_the_pages_stay() -> None:
    pages = ["\n".join(f"Question {page * 3 + n}\nWhy {'x' * page}, {'y' * n}?" for n in range(3)) for page in range(5)]
    assert without_running_lines(pages) == pages


@pytest.mark.parametrize(
    "footer",
    [
        "{n}",
        "- {n} -",
        "Page {n} of 12",
        "{n}/12",
        "Rev. 3 of 2024-05-01, page {n}",
        "第 {n} 页 共 12 页",
        "ISO 9001 | 0{n}",
    ],
)
def test_page_numbers_go_wherever_counting_begins(footer: str) -> None:
    cover = ["Title", "Contents"]
    pages = cover + [f"Words of page {'x' * n}\n{footer.format(n=n)}" for n in range(1, 8)]
    assert without_running_lines(pages) == cover + [f"Words of page {'x' * n}" for n in range(1, 8)]
