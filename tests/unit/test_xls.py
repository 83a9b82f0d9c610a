"""Old Excel workbooks, written here record by record, give what the same cells in a new one give."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Mapping
from datetime import date, datetime
from datetime import time as time_of_day

import openpyxl
import pytest
from compound_file import compound_file
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import ParseError
from ingest.parsers import parse_file

Cells = Mapping[tuple[int, int], object]
GENERAL, DATE, MOMENT, TIME = range(4)  # cell formats, in the order in which they are written
DIV0, NOT_AVAILABLE = b"\x07", b"\x2a"  # errors, as bytes to tell them from other values


def record(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def text(words: str, length: str = "<H") -> bytes:
    return struct.pack(length, len(words)) + b"\x01" + words.encode("utf-16-le")


def workbook(sheets: Mapping[str, Cells], hidden: tuple[str, ...] = (), before: bytes = b"") -> bytes:
    """The stream "Workbook" in the format BIFF8; `before` stands before all other records but the first."""
    values = [value for cells in sheets.values() for value in cells.values()]
    shared = list(dict.fromkeys(value for value in values if isinstance(value, str)))
    start = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0xDBB, 0x7CC, 0, 0x600)) + before
    start += record(0x42, b"\xb0\x04") + record(0x22, b"\0\0")
    start += record(0x31, struct.pack("<HHHHHBBBx", 200, 0, 0x7FFF, 400, 0, 0, 0, 0) + text("Arial", "<B")) * 4
    for key, shape in ((164, "yyyy\\-mm\\-dd"), (165, "yyyy\\-mm\\-dd\\ hh:mm"), (166, "hh:mm:ss")):
        start += record(0x41E, struct.pack("<H", key) + text(shape))
    for key in (0, 164, 165, 166):
        start += record(0xE0, struct.pack("<HHHBBBBIIH", 0, key, 0, 0x20, 0, 0, 0, 0, 0, 0x20C0))
    end = record(0xFC, struct.pack("<II", len(shared), len(shared)) + b"".join(map(text, shared))) + record(0x0A)
    bodies = [sheet(cells, shared) for cells in sheets.values()]
    at = len(start) + sum(len(bound(title, 0, 0)) for title in sheets) + len(end)
    for title, body in zip(sheets, bodies, strict=True):
        start += bound(title, at, title in hidden)
        at += len(body)
    return start + end + b"".join(bodies)


def bound(title: str, at: int, hidden: int) -> bytes:
    return record(0x85, struct.pack("<IBB", at, hidden, 0) + text(title, "<B"))


def sheet(cells: Cells, shared: list[str]) -> bytes:
    rows, columns = (max((place[axis] + 1 for place in cells), default=0) for axis in (0, 1))
    body = record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0xDBB, 0x7CC, 0, 0x600))
    body += record(0x200, struct.pack("<IIHHH", 0, rows, 0, columns, 0))
    for (row, column), value in sorted(cells.items()):
        body += cell(row, column, value, shared)
    return body + record(0x0A)


def cell(row: int, column: int, value: object, shared: list[str]) -> bytes:
    def placed(form: int) -> bytes:
        return struct.pack("<HHH", row, column, form)

    if isinstance(value, str) and not isinstance(value, Formula):
        return record(0xFD, placed(GENERAL) + struct.pack("<I", shared.index(value)))
    if isinstance(value, bool):
        return record(0x205, placed(GENERAL) + bytes([value, 0]))
    if isinstance(value, bytes):
        return record(0x205, placed(GENERAL) + value + b"\x01")
    if isinstance(value, Formula):
        formula = placed(GENERAL) + b"\0\0\0\0\0\0\xff\xff" + bytes(6) + b"\x03\0\x1e\x01\0"
        return record(0x06, formula) + record(0x207, text(value))
    if isinstance(value, int) and abs(value) < 2**29:
        return record(0x27E, placed(GENERAL) + struct.pack("<i", value << 2 | 2))
    number, form = days(value)
    return record(0x203, placed(form) + struct.pack("<d", number))


class Formula(str):
    """The words that a formula gives."""


def days(value: object) -> tuple[float, int]:
    if isinstance(value, datetime):
        return (value - datetime(1899, 12, 30)).total_seconds() / 86400, MOMENT
    if isinstance(value, date):
        return float((value - date(1899, 12, 30)).days), DATE
    if isinstance(value, time_of_day):
        return (value.hour * 3600 + value.minute * 60 + value.second) / 86400, TIME
    assert isinstance(value, int | float)
    return float(value), GENERAL


def packed(*arguments: object, **more: bytes) -> bytes:
    return compound_file({"Workbook": workbook(*arguments)} | more)  # type: ignore[arg-type]


CELLS: Cells = {
    (0, 0): "Code",
    (0, 1): "泵",
    (0, 2): "Due",
    (1, 0): 12,
    (1, 1): 2.5,
    (1, 2): date(2026, 9, 30),
    (2, 0): True,
    (2, 1): DIV0,
    (2, 2): datetime(2026, 9, 30, 8, 15),
    (3, 0): 1e20,
    (3, 1): NOT_AVAILABLE,
    (3, 2): time_of_day(8, 15),
    (5, 1): "alone",
    (7, 0): -7,
    (7, 3): 1234567890123,
}


def new_workbook(sheets: Mapping[str, Cells]) -> bytes:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, cells in sheets.items():
        added = made.create_sheet(title)
        for (row, column), value in cells.items():
            shown = {DIV0: "#DIV/0!", NOT_AVAILABLE: "#N/A"}.get(value, value) if isinstance(value, bytes) else value
            added.cell(row + 1, column + 1, shown)
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


def test_an_old_workbook_gives_what_a_new_one_gives() -> None:
    sheets = {"Parts": CELLS, "Empty": {}, "More": {(0, 0): "a", (0, 255): "far", (1, 0): "b"}}
    old, new = parse_file(packed(sheets), "a.xls"), parse_file(new_workbook(sheets), "a.xlsx")
    assert old == new
    assert old.text.startswith(
        "Parts\n\n| Code | 泵 | Due |\n| 12 | 2.5 | 2026-09-30 |\n| True | #DIV/0! | 2026-09-30 08"
    )
    assert old.metadata == {"sheets": 3}


def test_hidden_sheets_are_left_out_and_results_of_formulas_read() -> None:
    sheets: dict[str, Cells] = {"Hidden": {(0, 0): "secret"}, "Shown": {(0, 0): Formula("result"), (0, 1): 30.5}}
    parsed = parse_file(packed(sheets, ("Hidden",)), "a.xlt")
    assert parsed.text == "Shown\n\n| result | 30.5 |"
    assert [block.page for block in parsed.outline] == [2, 2]


def test_a_time_of_more_than_a_day_is_no_date() -> None:
    stream = workbook({"A": {(0, 0): "took", (0, 1): time_of_day(2)}})
    long = stream.replace(struct.pack("<d", 2 / 24), struct.pack("<d", 26 / 24))
    assert parse_file(compound_file({"Workbook": long}), "a.xls").text.endswith("| took | 1 day, 2:00:00 |")
    never = stream.replace(struct.pack("<d", 2 / 24), struct.pack("<d", -3.5))
    assert parse_file(compound_file({"Workbook": never}), "a.xls").text.endswith("| took | -3.5 |")


def summary(properties: Mapping[int, bytes]) -> bytes:
    """The stream of a file's properties, by their numbers."""
    places, values = b"", b""
    for number, value in properties.items():
        places += struct.pack("<II", number, 8 + 8 * len(properties) + len(values))
        values += value
    section = struct.pack("<II", 8 + len(places + values), len(properties)) + places + values
    return struct.pack("<HHI16xI16xI", 0xFFFE, 0, 2, 1, 48) + section


def as_bytes(words: str, codec: str) -> bytes:
    return struct.pack("<II", 30, len(words.encode(codec)) + 1) + words.encode(codec) + b"\0"


@pytest.mark.parametrize(("page", "codec"), [(936, "gbk"), (65001, "utf-8"), (932, "cp932"), (950, "big5")])
def test_title_and_author_are_read_in_their_code_page(page: int, codec: str) -> None:
    properties = {1: struct.pack("<IHH", 2, page, 0), 2: as_bytes("中日本", codec), 4: as_bytes("Ann", codec)}
    parsed = parse_file(packed({"A": CELLS}, **{"\x05SummaryInformation": summary(properties)}), "a.xls")
    assert parsed.title == "中日本" and parsed.metadata["author"] == "Ann"
    broken = parse_file(packed({"A": CELLS}, **{"\x05SummaryInformation": summary(properties)[:60]}), "a.xls")
    assert broken.title == "a" and broken.text == parsed.text


def test_what_is_in_the_container_decides() -> None:
    old = packed({"A": CELLS})
    for kind, stream in (("doc", "WordDocument"), ("ppt", "PowerPoint Document"), ("msg", "__properties_version1.0")):
        with pytest.raises(ParseError, match=rf"a\.xls is an .*; give it the extension \.{kind}"):
            parse_file(compound_file({stream: b"x"}), "a.xls")
    with pytest.raises(ParseError, match=r"a\.xls is encrypted; open it with its password"):
        parse_file(compound_file({"EncryptionInfo": b"x", "EncryptedPackage": bytes(5000)}), "a.xls")
    with pytest.raises(ParseError, match=r"a\.xls is encrypted; open it with its password"):
        parse_file(compound_file({"Workbook": workbook({"A": CELLS}, (), record(0x2F, bytes(54)))}), "a.xls")
    with pytest.raises(ParseError, match=r"a\.docx is an old Excel workbook; save it as \.docx"):
        parse_file(old, "a.docx")
    with pytest.raises(ParseError, match=r"a\.txt is an old Excel workbook, not txt"):
        parse_file(old, "a.txt")
    for data, what in ((b"<html><table>", "HTML or XML"), (b"%PDF-1.7", "a PDF"), (b"a\tb\n", "of an unknown type")):
        with pytest.raises(ParseError, match=rf"a\.xls is {what}, not \.xls"):
            parse_file(data, "a.xls")


def test_a_container_whose_sectors_run_in_circles_ends() -> None:
    data = bytearray(packed({"A": {(row, 0): f"text {row}" for row in range(3_000)}}))
    fat = struct.unpack_from("<I", data, 76)[0] * 512 + 512
    start = time.thread_time()
    for at in range(0, 512, 4):
        broken = bytearray(data)
        struct.pack_into("<I", broken, fat + at, 0)
        struct.pack_into("<Q", broken, data.index("Workbook".encode("utf-16-le")) + 120, 2**31)
        read_or_refused(bytes(broken), "a.xls")
    assert time.thread_time() - start < 10


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**20), st.binary(max_size=12), st.booleans())
def test_damaged_workbooks_give_a_document_or_a_parse_error(at: int, junk: bytes, cut: bool) -> None:
    stream = workbook({"Parts": CELLS, "More": {(0, 0): Formula("a"), (1, 0): "b"}})
    at %= len(stream)
    whole = compound_file({"Workbook": stream[:at] if cut else stream[:at] + junk + stream[at + len(junk) :]})
    read_or_refused(whole, "a.xls")
    file = packed({"Parts": CELLS})
    at %= len(file)
    read_or_refused(file[:at] if cut else file[:at] + junk + file[at + len(junk) :], "a.xls")
    read_or_refused(b"\x09\x04\x06\x00" + junk, "a.xls")


def read_or_refused(data: bytes, name: str) -> None:
    try:
        assert parse_file(data, name).text.strip()
    except ParseError as error:
        assert error.remedy
