"""Delimited tables: the delimiter is found, the first row is the header, rows stay whole."""

from __future__ import annotations

import csv
import io
import re

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.builder import TextBuilder
from ingest.parsers.charset import decode

_DELIMITERS = ",;\t|"
_NAMED_DELIMITER = re.compile(r"""\A"?sep=(\t|[^\w\s"])"?\r?\n""", re.IGNORECASE)  # a first line for Excel
_SAMPLE_LINES = 50
_MAX_FIELD = 10_000_000  # characters; the module's own limit of 131,072 refuses long texts in cells
csv.field_size_limit(_MAX_FIELD)  # once: it holds for the process, so that one file's end must not take it from another


class CsvParser:
    """CSV and TSV in any charset."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """One table. Raises `ParseError` when blank or when quotes do not match."""
        text = decode(data, name).replace("\0", "")
        if named := _NAMED_DELIMITER.match(text):
            text, delimiter = text[named.end() :], named[1]
        else:
            delimiter = find_delimiter(text)
        builder = TextBuilder(name)
        try:
            builder.table(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        except csv.Error as error:
            raise ParseError(f"{name} is not CSV: {error}", "export it again with quotes around fields") from error
        return builder.build()


def find_delimiter(text: str) -> str:
    """The delimiter that gives the first lines most columns, the same number in most lines."""
    sample = "\n".join(text.split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES])

    def score(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row]
        usual = max(set(widths), key=widths.count, default=1)
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0), usual

    return max(_DELIMITERS, key=score)
