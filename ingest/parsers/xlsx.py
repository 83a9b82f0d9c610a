"""Excel workbooks: every sheet a heading and its tables, values as last calculated."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import openpyxl

from ingest.contracts import ParsedDocument
from ingest.parsers.builder import TextBuilder
from ingest.parsers.guard import damaged
from ingest.parsers.limits import Deadline

_MAX_COLUMNS = 256  # more are a matrix of numbers, not something to read
_ROWS_BETWEEN_CHECKS = 1_000


class XlsxParser:
    """Office Open XML workbooks; hidden sheets are left out."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """One heading a sheet, one table for each run of filled rows. Raises `ParseError`.

        The metadata `cut_sheets` names the sheets that have more columns than are read.
        """
        builder = TextBuilder(name)
        deadline = Deadline(name)
        with damaged(name, "open it in Excel and save it again"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of charts, validation and styles, which have no text
            workbook = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            cut: dict[str, None] = {}
            for number, sheet in enumerate(workbook.worksheets, start=1):
                if sheet.sheet_state == "visible":
                    _add_sheet(sheet, builder, number, deadline, cut)
            title, count = workbook.properties.title or "", len(workbook.worksheets)
        return builder.build(title, {"sheets": count} | ({"cut_sheets": list(cut)} if cut else {}))


def _add_sheet(sheet: Any, builder: TextBuilder, page: int, deadline: Deadline, cut: dict[str, None]) -> None:
    named = False
    for table in _tables(sheet, deadline, cut):
        if not named:
            builder.heading(sheet.title, 1, page)
            named = True
        if len(table) == 1 and sum(cell is not None for cell in table[0]) == 1:
            builder.paragraph(str(next(cell for cell in table[0] if cell is not None)), page)
        else:
            builder.table(table, page)


def _tables(sheet: Any, deadline: Deadline, cut: dict[str, None]) -> Iterator[list[tuple[Any, ...]]]:
    """Runs of filled rows, which empty rows part; a sheet with columns that are not read is added to `cut`."""
    table: list[tuple[Any, ...]] = []
    sheet.reset_dimensions()  # what the file says of them may be wrong, and rows beyond would be lost
    for number, whole in enumerate(sheet.iter_rows(values_only=True)):
        if number % _ROWS_BETWEEN_CHECKS == 0:
            deadline.check()
        row, beyond = whole[:_MAX_COLUMNS], whole[_MAX_COLUMNS:]
        if (
            sheet.title not in cut
            and beyond.count(None) < len(beyond)
            and any(cell not in (None, "") for cell in beyond)
        ):
            cut[sheet.title] = None
        if row.count(None) < len(row) and any(cell not in (None, "") for cell in row):  # counted first: quick
            table.append(row)
        elif table:
            yield table
            table = []
    if table:
        yield table
