"""JSON out: orjson where it can, the standard library for the few values orjson refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z


def to_json(value: Any) -> bytes:
    """The value as UTF-8 JSON. Integers beyond 64 bits and lone surrogates, which orjson refuses, are written too."""
    try:
        return orjson.dumps(value, option=_OPTIONS)
    except TypeError:
        return json.dumps(value, default=str).encode()


class JsonResponse(Response):
    """A JSON response built directly, without response-model validation."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(to_json(content), status_code, headers)
