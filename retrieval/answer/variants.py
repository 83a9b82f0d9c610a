"""Things whose names begin alike: the Aurora C3 and the Aurora C3 Pro are two, and what is true of one need not be so.

Only names that end in a model's number are looked at. After others, the next word is as often a plain noun.
"""

from __future__ import annotations

import re

_CODE = re.compile(r"(?<![A-Za-z0-9-])[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
# What makers add to a model's number: a word of this list, a roman number, up to three capitals and digits, or 增强版.
_ADDED = (
    r"(?:[ \-](?:(?i:pro|plus|max|mini|lite|light|ultra|air|premium|professional|enterprise|advanced|basic|classic|"
    r"standard|compact|sport|turbo|evo|neo|next|prime)|[IVX]+|[A-Z][A-Z0-9]{0,2})(?![A-Za-z0-9])|"
    " ?[\u4e00-\u9fff]{1,3}版)"
)


def names_variant(question: str, sentence: str) -> bool:
    """Whether the sentence names a model of the question, and each time with an addition that the question lacks."""
    models = {found.group() for found in _CODE.finditer(question)}
    return any(_only_with_addition(model, question, sentence) for model in models if _is_model(model))


def additions(question: str, earlier: str) -> frozenset[str]:
    """What an earlier question added to a model that this one names without it: Pro, where "And the C3?" follows."""
    models = {found.group() for found in _CODE.finditer(question)}
    named = [_named(model) for model in models if _is_model(model)]
    asked = {found.group() for pattern in named for found in pattern.finditer(question)}
    told = {found.group() for pattern in named for found in pattern.finditer(earlier) if found.group(1)} - asked
    return frozenset(word for one in told for word in (*one.split(), *one.rsplit("-", 1)[1:], one))


def _named(model: str) -> re.Pattern[str]:
    """Finds the model, with its addition as the first group."""
    return re.compile(rf"(?<![A-Za-z0-9-])(?i:{re.escape(model)})(?![A-Za-z0-9])({_ADDED})?")


def _is_model(code: str) -> bool:
    return any(char.isdigit() for char in code) and any(char.isalpha() for char in code)


def _only_with_addition(model: str, question: str, sentence: str) -> bool:
    asked, told = ({found.group(1) or "" for found in _named(model).finditer(text)} for text in (question, sentence))
    return bool(told) and "" not in told and told.isdisjoint(asked)
