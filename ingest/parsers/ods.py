"""OpenDocument spreadsheets: every sheet a heading and its tables, values as last calculated."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from lxml import etree

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.builder import TextBuilder
from ingest.parsers.guard import damaged
from ingest.parsers.limits import Deadline
from ingest.parsers.odf import CELL, COVERED, ROW, Styles, check_kind, count_of, open_package, qn
from ingest.parsers.odf_blocks import OdfBlocks
from ingest.parsers.sheets import MAX_COLUMNS, SheetReader

_MAX_SAME_ROWS = 100  # equal rows, one below the other; more are a column that was filled down to the end
_MAX_CELLS = 5_000_000  # filled ones of a workbook, whatever few bytes stand for many of them
_DURATION = re.compile(r"PT(?:(\d{1,7})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:[.,](\d{1,6})\d*)?S)?")
_DAY = timedelta(days=1)

_BODY, _SHEETS, _TABLE = qn("office:body"), qn("office:spreadsheet"), qn("table:table")
_STYLES = qn("office:automatic-styles")


class OdsParser:
    """Spreadsheets of LibreOffice, OpenOffice and others; hidden sheets are left out."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """One heading a sheet, one table for each run of filled rows. Raises `ParseError`.

        The metadata `cut_sheets` names the sheets that have more columns than are read.
        """
        builder = TextBuilder(name)
        with damaged(name, "open it in LibreOffice and save it again"):
            package = open_package(data, name)
            workbook = _Workbook(package.content, builder, name)
            count = workbook.add_sheets()
        metadata = {"author": package.author} if package.author else {}
        return builder.build(package.title, workbook.reader.metadata(count) | metadata)


class _Workbook:
    """Reads the sheets while their markup is parsed, so that a large one is never held as a tree."""

    def __init__(self, content: bytes, builder: TextBuilder, name: str) -> None:
        self._name = name
        self._builder = builder
        self._deadline = Deadline(name)
        self.reader = SheetReader(builder, self._deadline)
        self._events = etree.iterparse(
            io.BytesIO(content),
            events=("start", "end"),
            tag=(_BODY, _STYLES, _TABLE, ROW),
            resolve_entities=False,
            no_network=True,
            remove_comments=True,
            remove_pis=True,
        )
        self._styles = Styles(())
        self._cells = 0

    def add_sheets(self) -> int:
        """Add all visible sheets; gives how many there are."""
        count, body = 0, None
        for event, element in self._events:
            if element.tag == _STYLES and event == "end":
                self._styles = Styles([element])
            elif element.tag == _BODY:
                body = element
            elif element.tag == _TABLE and event == "start" and _is_sheet(element):
                count += 1
                title = element.get(qn("table:name"), "")
                rows = self._rows(element)
                if self._styles.is_hidden("table", element.get(qn("table:style-name"))):
                    for _ in rows:
                        pass
                else:
                    self.reader.add(title, rows, count)
        check_kind(body, "spreadsheet", self._name)
        return count

    def _rows(self, sheet: Any) -> Iterator[list[Any]]:
        blocks = OdfBlocks(self._builder, self._styles, self._deadline)
        for event, element in self._events:
            if element is sheet:
                return
            if event == "end" and element.tag == ROW and _sheet_of(element) is sheet:
                self._deadline.check()
                row = _values(element, blocks)
                same = min(count_of(element, "table:number-rows-repeated"), _MAX_SAME_ROWS if row else 1)
                self._cells += same * len(row)
                if self._cells > _MAX_CELLS:
                    raise ParseError(f"{self._name} has more than {_MAX_CELLS:,} cells", "split it into several files")
                yield from [row] * same
                _forget(element)


def _is_sheet(table: Any) -> bool:
    parent = table.getparent()
    return parent is not None and parent.tag == _SHEETS


def _sheet_of(row: Any) -> Any:
    return next(row.iterancestors(_TABLE), None)


def _forget(row: Any) -> None:
    row.clear()
    while row.getprevious() is not None:
        del row.getparent()[0]


def _values(row: Any, blocks: OdfBlocks) -> list[Any]:
    """The values of a row up to its last filled cell, and one column beyond those that are read."""
    values: list[Any] = []
    empty = 0
    for cell in row.iterchildren(CELL, COVERED):
        repeated = count_of(cell, "table:number-columns-repeated")
        value = _value(cell, blocks) if cell.tag == CELL else None
        if value in (None, ""):
            empty += repeated
        elif len(values) <= MAX_COLUMNS:
            values += [None] * min(empty, MAX_COLUMNS + 1 - len(values))
            values += [value] * min(repeated, MAX_COLUMNS + 1 - len(values))
            empty = 0
    return values


def _value(cell: Any, blocks: OdfBlocks) -> Any:
    """What a cell holds, as from a workbook of Excel: a number, date, time or truth value, else the words shown."""
    kind = cell.get(qn("office:value-type"))
    try:
        if kind in ("float", "percentage", "currency"):
            return _figure(cell.get(qn("office:value")))
        if kind == "date":
            return _date(cell.get(qn("office:date-value")))
        if kind == "time":
            return _time(cell.get(qn("office:time-value")))
    except (TypeError, ValueError, OverflowError):  # none, or one that there is not
        kind = None
    if kind == "boolean":
        return cell.get(qn("office:boolean-value")) == "true"
    return blocks.cell_text(cell) or cell.get(qn("office:string-value")) or None


def _figure(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _date(text: str) -> date:
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def _time(text: str) -> time | timedelta:
    """A time of day; as a duration from one day on."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(text)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()[:3])
    length = timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=int((match[4] or "0").ljust(6, "0")))
    return length if length >= _DAY else (datetime.min + length).time()
