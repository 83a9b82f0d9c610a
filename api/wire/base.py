"""What all wire models share: strict requests, bounded texts, and the error shape."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

COLLECTION_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"  # as retrieval.catalog.collections has it
MAX_GROUPS = 1000
MAX_METADATA_DEPTH = 16
MAX_NODES = 100_000  # names and values of one JSON object; it is looked at while other requests wait
MIN_CHUNK_TOKENS, MAX_CHUNK_TOKENS = 160, 2048  # the least is four of the stretches that are joined to a neighbour
MAX_FIELDS = 100  # of one object in a request body; no model has as many
FIRST_YEAR, LAST_YEAR = 1970, 9998  # of times that callers choose


def storable(value: Any) -> Any:
    """JSON that every database and every reader takes: bounded size and depth, 64-bit integers, finite numbers, text.

    Raises `ValueError` at the first part that does not fit.
    """
    return _storable(value, 0, count(1))


def _storable(value: Any, depth: int, nodes: Iterator[int]) -> Any:
    if depth > MAX_METADATA_DEPTH:
        raise ValueError(f"it is nested more than {MAX_METADATA_DEPTH} deep")
    if next(nodes) > MAX_NODES:
        raise ValueError(f"it has more than {MAX_NODES} names and values; send less at once")
    match value:
        case dict():
            return {_storable(name, 0, nodes): _storable(item, depth + 1, nodes) for name, item in value.items()}
        case list():
            return [_storable(item, depth + 1, nodes) for item in value]
        case str():
            value.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
            if "\x00" in value:
                raise ValueError("it contains a NUL character, which no database stores; remove it")
            return value
        case bool():
            return value
        case int() if not -(2**63) <= value < 2**63:
            raise ValueError("it contains an integer beyond 64 bits; send it as text")
        case float() if not math.isfinite(value):
            raise ValueError("it contains a number that is not finite")
    return value


def _moment(value: datetime) -> datetime:
    """A time with zone, in a year that has four digits in every zone; raises `ValueError` for others."""
    if value.tzinfo is None:
        raise ValueError("it has no time zone; write it like 2030-01-31T00:00:00Z")
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"its year is {value.year}; expected {FIRST_YEAR} to {LAST_YEAR}")
    return value


def _reachable(key: str) -> str:
    """A key that a path can name; raises `ValueError` for others: clients take `a/../b` for `b` before they send it."""
    if not {".", ".."}.isdisjoint(key.split("/")):
        raise ValueError("a part between slashes is . or .., which no request can name; choose another key")
    return key


CollectionName = Annotated[str, Field(pattern=COLLECTION_PATTERN, description="Name of the collection.")]
WITHOUT_NUL = r"^[^\x00]*$"  # PostgreSQL stores no NUL
WORDS_WITHOUT_NUL = r"^[^\x00]*[^\s\x00][^\x00]*$"  # both at once: of two patterns on a type, the later alone holds
WORDS_THAT_AGREE = "Groups of words that mean the same, as written: list plurals too. Groups that share a word are one."
Line = Annotated[str, Field(max_length=2_000, pattern=WITHOUT_NUL)]
Text = Annotated[str, Field(pattern=WITHOUT_NUL)]
Key = Annotated[str, Field(min_length=1, max_length=1_000, pattern=WITHOUT_NUL)]
NewDocumentKey = Annotated[Key, AfterValidator(_reachable)]
Group = Annotated[str, Field(min_length=1, max_length=200, pattern=WITHOUT_NUL)]
Groups = Annotated[list[Group], Field(max_length=MAX_GROUPS)]
Metadata = Annotated[dict[str, Any], AfterValidator(storable)]
Number = Annotated[int, Field(ge=0, le=2**63 - 1)]
Moment = Annotated[datetime, AfterValidator(_moment)]
Json = Annotated[dict[str, Any], AfterValidator(storable)]


class Request(BaseModel):
    """A request body: unknown fields are told, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:
        """Each unknown field is an error of its own to tell: a million of them would hold the process."""
        if isinstance(value, dict) and len(value) > MAX_FIELDS:
            raise ValueError(f"it has {len(value)} fields; expected at most {MAX_FIELDS}")
        return value


class Response(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True)


class ErrorDetail(Response):
    """What went wrong, for programs and for people."""

    code: str = Field(description="Stable word for programs.", examples=["not_found"])
    message: str = Field(description="What was given, what was expected, what to do.")
    request_id: str = Field(description="The same as in the header X-Request-Id and in the server's log.")
    detail: Any = Field(
        None, description="More, where there is more: each field that does not fit, each file that failed."
    )


class Error(Response):
    """Every failure looks like this."""

    error: ErrorDetail


class OpenAIErrorDetail(Response):
    """What went wrong, in OpenAI's words."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIError(Response):
    """A failure as the OpenAI client expects it."""

    error: OpenAIErrorDetail


class DifyError(Response):
    """A failure as Dify's external-knowledge contract has it."""

    error_code: int = Field(description="1001 bad Authorization header, 1002 denied, 2001 no such knowledge.")
    error_msg: str
