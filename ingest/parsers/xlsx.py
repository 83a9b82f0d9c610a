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
from ingest.parsers.sheets import SheetReader


class XlsxParser:
    """Office Open XML workbooks; hidden sheets are left out."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """One heading a sheet, one table for each run of filled rows. Raises `ParseError`.

        The metadata `cut_sheets` names the sheets that have more columns than are read.
        """
        builder = TextBuilder(name)
        reader = SheetReader(builder, Deadline(name))
        with damaged(name, "open it in Excel and save it again"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of charts, validation and styles, which have no text
            workbook = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            for number, sheet in enumerate(workbook.worksheets, start=1):
                if sheet.sheet_state == "visible":
                    reader.add(sheet.title, _rows(sheet), number)
            title, count = workbook.properties.title or "", len(workbook.worksheets)
        return builder.build(title, reader.metadata(count))


def _rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    sheet.reset_dimensions()  # what the file says of them may be wrong, and rows beyond would be lost
    rows: Iterator[tuple[Any, ...]] = sheet.iter_rows(values_only=True)
    return rows
