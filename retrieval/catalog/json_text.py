"""JSON as the catalog stores it: whatever is written can be read again, by every process and for ever.

JSON proper has no NaN, no infinity and no lone surrogate, though Python writes all three; a strict reader then refuses
the row. What comes from a parser or a model is not checked by anybody before, so it is made storable here.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from retrieval.analysis.surrogates import whole_text


def written(value: Any) -> str:
    """The JSON text: numbers that are not finite become null, integers beyond 64 bits text, lone surrogates U+FFFD."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:
        return orjson.dumps(_storable(value), option=orjson.OPT_NON_STR_KEYS).decode()


def read(text: str | bytes) -> Any:
    """The value of a JSON text, also where an older version wrote what is no JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _storable(json.loads(text, parse_constant=lambda _: None))


def _storable(value: Any) -> Any:
    match value:
        case dict():
            return {whole_text(str(name)): _storable(item) for name, item in value.items()}
        case list() | tuple():
            return [_storable(item) for item in value]
        case str():
            return whole_text(value)
        case int() if not isinstance(value, bool) and not -(2**63) <= value < 2**64:
            return str(value)
    return value
