"""Reads JSON so that integers keep all their digits: one that 64 bits do not hold, such as an account's, is text."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from ingest.row_values import holds_64_bits

_LONG = re.compile(r"\d{19}")  # no shorter integer needs more than 64 bits
_LONG_BYTES = re.compile(rb"\d{19}")
_MAX_DIGITS = 20  # characters of an integer that 64 bits may hold, with its sign


def read_json(data: bytes | str) -> Any:
    """The value. Raises `orjson.JSONDecodeError`."""
    value = orjson.loads(data)
    if not (_LONG_BYTES.search(data) if isinstance(data, bytes) else _LONG.search(data)):
        return value
    try:
        return json.loads(data, parse_int=_integer)
    except RecursionError:  # nested deeper than Python itself reads
        return value


def _integer(digits: str) -> int | str:
    return number if len(digits) <= _MAX_DIGITS and holds_64_bits(number := int(digits)) else digits
