"""Markdown to text: headings, tables, lists and code keep their roles, inline marks go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.contracts import ParsedDocument
from ingest.parsers.builder import TextBuilder
from ingest.parsers.charset import decode
from ingest.parsers.html import add_html, html_root

_FRONT_MATTER = re.compile(r"\A---\n(.{0,20000}?)\n(?:---|\.\.\.)\n", re.DOTALL)  # what is longer is text
_BREAK = re.compile(r"<br\b", re.IGNORECASE)
_HREF = re.compile(r"""<a\s[^>]*?\bhref\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
_SCALARS = (str, int, float, bool)
_INTEGER_BITS = 64  # of the integers that the catalog holds; longer ones are text


class MarkdownParser:
    """CommonMark with tables and strike-through; YAML front matter becomes metadata."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The document's text; the title is the front matter's, else the first heading. Raises `ParseError`."""
        text = decode(data, name).replace("\r\n", "\n")
        front = _FRONT_MATTER.match(text)
        metadata = _front_matter(front[1]) if front else {}
        tokens = (
            MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text[front.end() :] if front else text)
        )
        builder = TextBuilder(name)
        _Walk(tokens, builder).run()
        return builder.build(str(metadata.pop("title", "")) or builder.first_heading, metadata)


class _FrontMatterLoader(yaml.SafeLoader):
    """Plain values of YAML; aliases stay as written, since lists of aliases of lists unfold to gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next node, a piece of text for an alias. Raises `YAMLError`."""
        if self.check_event(yaml.AliasEvent):
            return yaml.ScalarNode("tag:yaml.org,2002:str", f"*{self.get_event().anchor}")  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def construct_date(self, node: yaml.ScalarNode) -> object:
        """A date, or its text where the calendar has no such day."""
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError:
            return self.construct_scalar(node)


_FrontMatterLoader.add_constructor("tag:yaml.org,2002:timestamp", _FrontMatterLoader.construct_date)


def _front_matter(text: str) -> dict[str, Any]:
    try:
        content = yaml.load(text, _FrontMatterLoader)  # noqa: S506 (a safe loader)
        if not isinstance(content, dict):
            return {}
        return {str(key): _metadata_value(value) for key, value in content.items() if value is not None}
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a number of thousands of digits
        return {}  # a horizontal rule, then text: not front matter


def _metadata_value(value: object) -> object:
    is_plain = isinstance(value, _SCALARS) and not (isinstance(value, int) and value.bit_length() > _INTEGER_BITS)
    return value if is_plain else str(value)


class _Walk:
    """Goes over the flat token list once; lists and tables consume their tokens up to the closing one."""

    def __init__(self, tokens: list[Token], builder: TextBuilder) -> None:
        self._tokens = iter(tokens)
        self._builder = builder

    def run(self) -> None:
        for token in self._tokens:
            if token.type == "heading_open":
                self._builder.heading(self._words(next(self._tokens)), int(token.tag[1:]))
            elif token.type in ("bullet_list_open", "ordered_list_open"):
                self._builder.listing(self._list_lines(token, ""))
            elif token.type == "table_open":
                self._builder.table(self._table_rows())
            elif token.type in ("fence", "code_block"):
                self._builder.code(token.content)
            elif token.type == "inline":
                self._builder.paragraph(self._words(token))
            elif token.type == "html_block":
                if (root := html_root(token.content)) is not None:
                    add_html(root, self._builder)

    def _words(self, token: Token) -> str:
        """The text of an inline token, whose links go to the block that is being made."""
        self._link(link_targets(token))
        return inline_text(token)

    def _link(self, targets: Iterable[str]) -> None:
        for target in targets:
            self._builder.link(target)

    def _list_lines(self, opening: Token, indent: str) -> Iterator[str]:
        number = int(opening.attrGet("start") or 1)
        ordered = opening.type == "ordered_list_open"
        mark = ""
        for token in self._tokens:
            if token.type == opening.type.replace("open", "close"):
                return
            if token.type == "list_item_open":
                mark = f"{number}. " if ordered else "- "
                number += 1
            elif token.type in ("bullet_list_open", "ordered_list_open"):
                yield from self._list_lines(token, indent + "  ")
            elif token.content:
                content = self._words(token) if token.type == "inline" else token.content.rstrip()
                yield indent + mark + content.replace("\n", "\n" + indent + "  ")
                mark = "  "

    def _table_rows(self) -> Iterator[list[str]]:
        row: list[str] = []
        for token in self._tokens:
            if token.type == "table_close":
                return
            if token.type == "tr_open":
                row = []
            elif token.type == "inline":
                row.append(self._words(token))
            elif token.type == "tr_close":
                yield row


def link_targets(token: Token) -> Iterator[str]:
    """What the links of an inline token lead to, those written as HTML too."""
    for child in token.children or ():
        if child.type == "link_open":
            yield str(child.attrGet("href") or "")
        elif child.type == "html_inline":
            yield from _HREF.findall(child.content)


def inline_text(token: Token) -> str:
    """What a reader sees of an inline token: words, code and the alternative text of images."""
    parts = []
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak") or (child.type == "html_inline" and _BREAK.match(child.content)):
            parts.append("\n")
        elif child.type != "html_inline":
            parts.append(child.content)
    return "".join(parts)
