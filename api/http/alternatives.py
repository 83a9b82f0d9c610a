"""A field that takes several kinds of values, such as a text or a list of texts: what does not fit, told once.

Pydantic reports a problem for each kind, under a name of its own (`body.input.list[constrained-str]`). Whoever sent a
list wants to know what is wrong with the list, not that a text was expected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Problem = Mapping[str, Any]  # pydantic's: loc, type, msg, ctx

_LABEL = re.compile(r"(?:constrained-|function-|literal\[|list\[|dict\[).*")  # no name of a field of ours
_KINDS = {"string": "a text", "int": "a whole number", "float": "a number", "bool": "true or false", "list": "a list"}
_KINDS |= {"dict": "an object", "model_attributes": "an object"}


def merged(problems: Sequence[Problem]) -> list[Problem]:
    """The problems in their order; of a field with several kinds those of the kind that was sent, or one for all."""
    groups: dict[tuple[int | str, ...], list[Problem]] = {}
    for problem in problems:
        groups.setdefault(_field(problem), []).append(problem)
    return [told for field, group in groups.items() for told in _told(field, group)]


def _field(problem: Problem) -> tuple[int | str, ...]:
    """Where the field is: up to the name of one of its kinds, else the whole path."""
    loc: tuple[int | str, ...] = problem["loc"]
    return loc[: _label_at(loc)]


def _label_at(loc: Sequence[int | str]) -> int:
    found = (at for at, part in enumerate(loc) if at > 1 and isinstance(part, str) and _LABEL.fullmatch(part))
    return next(found, len(loc))


def _told(field: tuple[int | str, ...], group: Sequence[Problem]) -> list[Problem]:
    labels = {problem["loc"][len(field)] for problem in group if len(problem["loc"]) > len(field)}
    if len(labels) < 2:
        return list(group)
    of_kind = [problem for problem in group if not _is_other_kind(problem, len(field) + 1)]
    if of_kind:
        return [dict(one) | {"loc": (*field, *one["loc"][len(field) + 1 :])} for one in of_kind]
    expected = list(dict.fromkeys(map(_kind, group)))
    words = " or ".join(filter(None, (", ".join(expected[:-1]), expected[-1])))
    return [{"loc": field, "type": "kind", "msg": f"expected {words}"}]


def _is_other_kind(problem: Problem, depth: int) -> bool:
    kind = problem["type"]
    return len(problem["loc"]) == depth and (kind == "literal_error" or kind.endswith(("_type", "_parsing")))


def _kind(problem: Problem) -> str:
    if problem["type"] == "literal_error":
        return str(problem["ctx"]["expected"])
    name = str(problem["type"]).removesuffix("_type").removesuffix("_parsing")
    return _KINDS.get(name, name.replace("_", " "))
