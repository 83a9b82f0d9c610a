"""Recognised lines in the order of reading."""

from __future__ import annotations

import random

import pytest

from ingest.parsers.reading_order import Line, page_text

HEIGHT = 20.0


def line(text: str, left: float, top: float, width: float, height: float = HEIGHT) -> Line:
    return Line(text, 1.0, left, top, left + width, top + height)


def column(name: str, left: float, top: float, count: int, width: float) -> list[Line]:
    return [line(f"{name}{number}", left, top + number * HEIGHT, width) for number in range(count)]


def shuffled(lines: list[Line], seed: int) -> list[Line]:
    return random.Random(seed).sample(lines, len(lines))


@pytest.mark.parametrize("seed", range(3))
def test_columns_are_read_one_after_the_other_below_their_title(seed: int) -> None:
    title, foot = line("title", 100, 0, 800), line("foot", 100, 400, 800)
    page = [title, *column("a", 50, 60, 6, 420), *column("b", 520, 60, 6, 420), foot]
    assert page_text(shuffled(page, seed)).split() == (
        ["title", *(f"a{n}" for n in range(6)), *(f"b{n}" for n in range(6)), "foot"]
    )


def test_a_wide_figure_parts_the_columns_above_it_from_those_below() -> None:
    above = [*column("a", 50, 0, 5, 420), *column("b", 520, 0, 5, 420)]
    below = [*column("c", 50, 300, 5, 420), *column("d", 520, 300, 5, 420)]
    read = page_text([*below, line("caption", 50, 250, 890), *above]).split()
    assert "".join(word[0] for word in read if word != "caption") == "aaaaabbbbbcccccddddd"
    assert read[10] == "caption"


def test_three_columns_are_read_in_turn() -> None:
    page = [*column("a", 0, 0, 6, 280), *column("b", 310, 0, 6, 280), *column("c", 620, 0, 6, 280)]
    assert "".join(word[0] for word in page_text(page).split()) == "aaaaaabbbbbbcccccc"


def test_cells_of_a_table_are_read_by_rows() -> None:
    rows = [(f"name{n}", f"price{n}", f"stock{n}") for n in range(8)]
    cells = [line(text, 300 * at, 30 * n, 70) for n, row in enumerate(rows) for at, text in enumerate(row)]
    assert [row.split(" ") for row in page_text(shuffled(cells, 1)).split("\n") if row] == [list(row) for row in rows]


def test_paragraphs_are_parted_where_there_is_room_and_headings_by_their_size() -> None:
    page = [line("Heading", 0, 0, 300, 40), *column("a", 0, 42, 3, 900), *column("b", 0, 42 + 4 * HEIGHT, 2, 900)]
    assert page_text(page) == "Heading\n\na0\na1\na2\n\nb0\nb1"


def test_widely_spaced_lines_are_one_paragraph() -> None:
    page = [line(f"a{n}", 0, 2 * HEIGHT * n, 900) for n in range(8)]
    assert page_text([*page, line("b", 0, 18 * HEIGHT, 900)]) == "\n".join(f"a{n}" for n in range(8)) + "\n\nb"


def test_parts_of_one_line_of_chinese_are_joined_without_a_blank() -> None:
    near = [line("核电厂定期", 0, 0, 100), line("安全评价", 108, 1, 80)]
    assert page_text(near) == "核电厂定期安全评价"
    far = [line("编号", 0, 0, 40), line("名称", 300, 0, 40)]
    assert page_text(far) == "编号 名称"


def test_no_lines_are_no_text() -> None:
    assert page_text([]) == ""
