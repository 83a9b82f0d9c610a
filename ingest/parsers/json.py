"""JSON as lines `path: value`, so that a value is found together with the names above it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import orjson

from ingest.cleaning import clean_prose
from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.json_reading import read_json
from ingest.parsers.builder import TextBuilder
from ingest.parsers.charset import decode

_MAX_DEPTH = 200  # levels; deeper ones are cut, orjson itself refuses more than 1024
_MIN_FILLED = 0.05  # share of the cells of a table; lines say more than emptier ones, which grow beyond measure
_LINES = (".jsonl", ".ndjson")  # extensions of files with a value in each line
_TITLES = ("title", "name", "subject", "标题", "名称")


class JsonParser:
    """Any JSON file. A list of flat objects of like names is a table; else objects become indented lines.

    JSON lines (by the name's extension) are a list of their values. As a value of the outermost object a table stands
    under its name, after the other values.
    """

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The values with their names. Raises `ParseError` where it is not JSON."""
        text = decode(data, name)
        has_lines = PurePath(name).suffix.lower() in _LINES
        content = _values(text, name) if has_lines else _value(text, name)
        builder = TextBuilder(name)
        _add(content, builder)
        return builder.build(_title(content))


def _value(text: str, place: str) -> Any:
    try:
        return read_json(text)
    except orjson.JSONDecodeError as error:
        raise ParseError(f"{place} is not JSON: {error}", "check it with a JSON validator") from error


def _values(text: str, name: str) -> list[Any]:
    lines = enumerate(text.split("\n"), start=1)
    return [_value(line, f"line {number} of {name}") for number, line in lines if line.strip()]


def _title(content: Any) -> str:
    if not isinstance(content, dict):
        return ""
    return next((str(content[key]) for key in _TITLES if isinstance(content.get(key), str)), "")


def _add(content: Any, builder: TextBuilder) -> None:
    if _is_table(content):
        columns = _columns(content)
        builder.table([columns, *([row.get(column) for column in columns] for row in content)])
    elif isinstance(content, dict) and (tables := {key: value for key, value in content.items() if _is_wide(value)}):
        builder.listing(_lines({key: value for key, value in content.items() if key not in tables}, "", 0))
        for key, rows in tables.items():
            builder.heading(key, 1)
            _add(rows, builder)
    elif isinstance(content, list) and len(content) > 1 and all(isinstance(item, dict | list) for item in content):
        for item in content:
            builder.listing(_lines(item, "", 0))
    else:
        builder.listing(_lines(content, "", 0))


def _is_table(content: Any) -> bool:
    if not isinstance(content, list) or not content:
        return False
    if not all(isinstance(row, dict) and not any(isinstance(v, dict | list) for v in row.values()) for row in content):
        return False
    return sum(map(len, content)) >= _MIN_FILLED * len(content) * len(_columns(content))


def _is_wide(content: Any) -> bool:
    """Whether it is a table of several rows and columns, so that a row without its names would say little."""
    return _is_table(content) and len(content) > 1 and len(_columns(content)) > 1


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _lines(content: Any, name: str, depth: int) -> Iterator[str]:
    indent = "  " * min(depth, 20)
    if isinstance(content, dict) and depth < _MAX_DEPTH:
        if name:
            yield f"{indent}{name}:"
        for key, value in content.items():
            yield from _lines(value, key, depth + bool(name))
    elif isinstance(content, list) and depth < _MAX_DEPTH:
        if content and not any(isinstance(item, dict | list) for item in content):
            yield f"{indent}{name + ': ' if name else ''}{', '.join(map(_scalar, content))}"
            return
        for number, item in enumerate(content, start=1):
            yield from _lines(item, f"{name} {number}".strip(), depth)
    elif content not in (None, ""):
        yield f"{indent}{name + ': ' if name else ''}{_scalar(content)}"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean_prose(str(value))
