"""Workbooks of Excel 97 to 2003 and earlier: every sheet a heading and its tables, values as last calculated."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import xlrd

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.builder import TextBuilder
from ingest.parsers.compound import SIGNATURE, CompoundFile
from ingest.parsers.compound_properties import Properties, read_properties
from ingest.parsers.guard import damaged
from ingest.parsers.limits import Deadline
from ingest.parsers.sheets import SheetReader

_ENCRYPTED = "Workbook is encrypted"  # the message of the library
_DURATION_DAYS = 60  # below it, what looks like a day in January or February 1900 is a time of more than 24 hours


class XlsParser:
    """Binary workbooks; hidden sheets are left out."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """One heading a sheet, one table for each run of filled rows. Raises `ParseError`."""
        builder = TextBuilder(name)
        deadline = Deadline(name)
        reader = SheetReader(builder, deadline)
        with damaged(name, "open it in Excel and save it again"):
            stream, properties = _workbook_stream(data)
            with _opened(stream, name) as workbook:
                for number in range(workbook.nsheets):
                    deadline.check()
                    sheet = workbook.sheet_by_index(number)  # read only now
                    if not sheet.visibility:
                        reader.add(sheet.name, _rows(sheet, workbook.datemode), number + 1)
                    workbook.unload_sheet(number)
                count = workbook.nsheets
        metadata = {"author": properties.author} if properties.author else {}
        return builder.build(properties.title, reader.metadata(count) | metadata)


def _workbook_stream(data: bytes) -> tuple[bytes, Properties]:
    """What the library is to read. The container is opened here: its own reader follows circles in it."""
    if not data.startswith(SIGNATURE):  # of Excel before version 5, which had none
        return data, Properties("", "")
    file = CompoundFile(data)
    stream = file.read("Workbook" if "Workbook" in file else "Book")
    if not stream:
        raise ValueError("no workbook is in it")
    return stream, read_properties(file)


def _opened(stream: bytes, name: str) -> Any:
    try:
        return xlrd.open_workbook(file_contents=stream, logfile=io.StringIO(), on_demand=True, ragged_rows=True)
    except xlrd.XLRDError as error:
        if _ENCRYPTED in str(error):
            raise ParseError(
                f"{name} is encrypted", "open it with its password and save it as .xlsx without one"
            ) from error
        raise


def _rows(sheet: Any, datemode: int) -> Iterator[list[Any]]:
    for number in range(sheet.nrows):
        yield [
            _value(kind, value, datemode)
            for kind, value in zip(sheet.row_types(number), sheet.row_values(number), strict=True)
        ]


def _value(kind: int, value: Any, datemode: int) -> Any:
    """A cell's value as openpyxl gives it."""
    if kind == xlrd.XL_CELL_NUMBER:
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    if kind == xlrd.XL_CELL_DATE:
        return _date(value, datemode)
    if kind == xlrd.XL_CELL_BOOLEAN:
        return bool(value)
    if kind == xlrd.XL_CELL_ERROR:
        return xlrd.error_text_from_code.get(value, "#VALUE!")
    return value or None


def _date(value: float, datemode: int) -> Any:
    if 1 <= value < _DURATION_DAYS:
        return timedelta(seconds=round(value * 86_400))
    try:
        moment = xlrd.xldate_as_datetime(value, datemode) if value >= 0 else None
    except (OverflowError, ValueError):
        moment = None
    if moment is None:  # no day that there is, so Excel shows it as ####
        return value
    return moment.time() if 0 <= value < 1 else moment
