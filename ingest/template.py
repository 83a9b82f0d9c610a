r"""Templates such as "{question}\n{answer}\\nProduct: {product.name}": columns of a row and of rows joined to it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from ingest.errors import MappingError

# A row with its joined rows: each alias holds the same again, a list of them for "many".
Scope = Mapping[str, Any]

_MIN_PLAIN, _MAX_PLAIN = 1e-20, 1e20  # floats that are written without an exponent
_QUOTED = r'"[^"\n]+"'  # a name with other characters than letters, digits and _, as SQL writes it
_TOKEN = re.compile(rf'\{{\{{|\}}\}}|\{{((?:{_QUOTED}|[^{{}}"\n])*)\}}|[{{}}]')
_PART = re.compile(rf"\w+|{_QUOTED}")
_NAME = re.compile(rf"(?:{_PART.pattern})(?:\.(?:{_PART.pattern}))*")


@dataclass(frozen=True, slots=True)
class Reference:
    """A column, under the aliases that lead to it: `("product",)` and `name` for `product.name`."""

    aliases: tuple[str, ...]
    column: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """The reference written so. Raises `MappingError`."""
        if not _NAME.fullmatch(text):
            raise MappingError(
                f"{text!r} is no column; expected a name such as title or product.name, in double quotes where it has "
                'other characters, such as "Unit Price" or product."Unit Price"'
            )
        *aliases, column = (part.strip('"') for part in _PART.findall(text))
        return cls(tuple(aliases), column)

    def __str__(self) -> str:
        """The names without quotes, with dots."""
        return ".".join((*self.aliases, self.column))

    def values(self, scope: Scope) -> list[Any]:
        """The values it stands for, one for each joined row; nulls and columns that are not there left out."""
        if not self.aliases:
            return [] if (value := scope.get(self.column)) is None else [value]
        scopes: list[Scope] = [scope]
        for alias in self.aliases:
            scopes = [inner for outer in scopes for inner in _as_list(outer.get(alias))]
        return [value for inner in scopes if (value := inner.get(self.column)) is not None]


@dataclass(frozen=True, slots=True)
class Template:
    """Text with references. Built by `parse`."""

    source: str
    lines: tuple[tuple[str | Reference, ...], ...]

    @classmethod
    def parse(cls, source: str) -> Template:
        """The template written so; a text without braces is one column. Raises `MappingError`."""
        if "{" not in source and "}" not in source:
            return cls(source, ((Reference.parse(source.strip()),),))
        return cls(source, tuple(tuple(_parts(line, source)) for line in source.split("\n")))

    @property
    def references(self) -> tuple[Reference, ...]:
        """All references in it."""
        return tuple(part for line in self.lines for part in line if isinstance(part, Reference))

    def render(self, scope: Scope, many: frozenset[tuple[str, ...]] = frozenset()) -> str:
        """The text for this row.

        A line that names an alias of `many` comes once for each joined row. A line whose references are all empty
        is left out, with the words around them.
        """
        rendered = (text for line in self.lines for text in _render_line(line, scope, many))
        return "\n".join(rendered)


def _parts(line: str, source: str) -> list[str | Reference]:
    parts: list[str | Reference] = []
    at = 0
    for match in _TOKEN.finditer(line):
        parts.append(line[at : match.start()])
        at = match.end()
        if match[0] in ("{{", "}}"):
            parts.append(match[0][0])
        elif match[1] is None:
            raise MappingError(
                f"template {source!r} has a single {match[0]!r}; write {match[0] * 2!r} for the character"
            )
        else:
            parts.append(Reference.parse(match[1].strip()))
    return [part for part in (*parts, line[at:]) if part != ""]


def _render_line(line: Sequence[str | Reference], scope: Scope, many: frozenset[tuple[str, ...]]) -> list[str]:
    references = [part for part in line if isinstance(part, Reference)]
    for reference in references:
        for depth in range(1, len(reference.aliases) + 1):
            if (prefix := reference.aliases[:depth]) in many:
                rest = many - {prefix}
                return [text for inner in _each(scope, prefix) for text in _render_line(line, inner, rest)]
    values = [", ".join(map(value_text, part.values(scope))) if isinstance(part, Reference) else part for part in line]
    if references and not any(text.strip() for text, part in zip(values, line, strict=True) if part in references):
        return []
    return ["".join(values)]


def _each(scope: Scope, path: tuple[str, ...]) -> list[Scope]:
    """The scope once for every joined row under that path, with only this row there."""
    alias, *rest = path
    inner = _as_list(scope.get(alias))
    if rest:
        inner = [one for outer in inner for one in _each(outer, tuple(rest))]
    return [{**scope, alias: one} for one in inner]


def _as_list(value: Any) -> list[Scope]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def value_text(value: Any) -> str:
    """A column's value as people write it: floats without ".0" or an exponent, lists with commas, objects as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:  # beyond, floats skip integers
        return str(int(value))
    if isinstance(value, float) and _MIN_PLAIN < abs(value) < _MAX_PLAIN:
        return f"{Decimal(repr(value)):f}"
    if isinstance(value, list):
        return ", ".join(value_text(item) for item in value if item is not None)
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    return str(value)
