"""Sheets of any workbook as blocks: every sheet a heading, every run of filled rows a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ingest.parsers.builder import TextBuilder
from ingest.parsers.limits import Deadline

MAX_COLUMNS = 256  # more are a matrix of numbers, not something to read
_ROWS_BETWEEN_CHECKS = 1_000


class SheetReader:
    """Adds sheets to the builder; what is cut off is noted in `metadata`."""

    def __init__(self, builder: TextBuilder, deadline: Deadline) -> None:
        self._builder = builder
        self._deadline = deadline
        self._cut: dict[str, None] = {}

    def add(self, title: str, rows: Iterable[Sequence[Any]], page: int) -> None:
        """Add a sheet with its rows, all of which are asked for; None and "" are empty cells."""
        named = False
        for table in self._tables(title, rows):
            if not named:
                self._builder.heading(title, 1, page)
                named = True
            filled = [cell for cell in table[0] if cell not in (None, "")]
            if len(table) == 1 and len(filled) == 1:
                self._builder.paragraph(str(filled[0]), page)
            else:
                self._builder.table(table, page)

    def metadata(self, sheets: int) -> dict[str, Any]:
        """How many sheets there are, and as `cut_sheets` the names of those with more columns than are read."""
        return {"sheets": sheets} | ({"cut_sheets": list(self._cut)} if self._cut else {})

    def _tables(self, title: str, rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
        """Runs of filled rows, which empty rows part."""
        table: list[Sequence[Any]] = []
        for number, whole in enumerate(rows):
            if number % _ROWS_BETWEEN_CHECKS == 0:
                self._deadline.check()
            row, beyond = whole[:MAX_COLUMNS], whole[MAX_COLUMNS:]
            if title not in self._cut and _is_filled(beyond):
                self._cut[title] = None
            if _is_filled(row):
                table.append(row)
            elif table:
                yield table
                table = []
        if table:
            yield table


def _is_filled(row: Sequence[Any]) -> bool:
    return row.count(None) < len(row) and any(cell not in (None, "") for cell in row)  # counted first: quick
