"""No text that a request may carry holds a NUL, which PostgreSQL refuses to store."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

import api.wire
from api.wire.base import Request
from api.wire.evaluation import EvalCaseBody, FeedbackBody
from api.wire.search import WhyBody

PARSED = ("date-time", "binary", "password")  # formats whose text becomes something else before it is stored


def bodies() -> list[type[Request]]:
    """Every form of a native request."""
    modules = [importlib.import_module(f"api.wire.{one.name}") for one in pkgutil.iter_modules(api.wire.__path__)]
    forms = {form for module in modules for form in vars(module).values() if isinstance(form, type)}
    return sorted((form for form in forms if issubclass(form, Request)), key=lambda form: form.__name__)


def texts(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where a free text is in a JSON schema, with its rules."""
    if isinstance(schema, list):
        for part in schema:
            yield from texts(part, place)
    elif isinstance(schema, dict):
        if schema.get("type") == "string" and not {"enum", "const"} & schema.keys() and "examples" not in place:
            if schema.get("format") not in PARSED and schema.get("maxLength") != 0:
                yield place, schema
        for name, part in schema.items():
            if name not in ("examples", "default"):
                yield from texts(part, f"{place}.{name}")


def test_no_text_of_a_request_takes_a_nul() -> None:
    forms = bodies()
    assert {EvalCaseBody, FeedbackBody, WhyBody} <= set(forms)
    found = [pair for form in forms for pair in texts(form.model_json_schema(), form.__name__)]
    open_to = [place for place, rules in found if re.search(rules.get("pattern", ""), "a\x00b")]
    assert open_to == []


@pytest.mark.parametrize("text", ["\x00", "a\x00", "\x00a", " \x00 ", "", " \n"])
def test_a_question_has_words_and_no_nul(text: str) -> None:
    with pytest.raises(ValidationError):
        FeedbackBody(collection="docs", query=text, rating=1)


@pytest.mark.parametrize("text", ["warranty?", " a\nb ", "保修期"])
def test_a_question_of_several_lines_is_one(text: str) -> None:
    assert FeedbackBody(collection="docs", query=text, rating=1).query == text
