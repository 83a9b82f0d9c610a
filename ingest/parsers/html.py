"""Web pages to text, without navigation, scripts and other furniture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from lxml import etree, html

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.builder import TextBuilder
from ingest.parsers.charset import decode
from ingest.parsers.flat_tree import FlatTree

_DROPPED = frozenset(
    "script style noscript template nav svg iframe object canvas button select dialog head input".split()
)
_DROPPED_ROLES = frozenset({"navigation", "search", "menu", "menubar", "dialog"})
_BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form"
    " h1 h2 h3 h4 h5 h6 header hr html legend li main ol p pre section summary table tbody td tfoot th"
    " thead tr ul".split()
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_NAMING = (*_HEADINGS, "dt", "summary")  # what a button may be the words of
_CONTENT = ("h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "td", "article")
_MIN_CONTENT = 200  # characters; less is a teaser, or the labels of a form
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_MAX_LIST_DEPTH = 20  # nesting beyond which list items are no longer indented


class HtmlParser:
    """HTML in any charset; the one `main` or `article` where the page marks it, else the whole body."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The visible text; the title is the page's `title`, else its first heading. Raises `ParseError`."""
        root = html_root(decode(data, name, declared=True))
        if root is None:
            raise ParseError(f"{name} holds no text", "leave it out")
        builder = TextBuilder(name)
        base = root.find(".//base[@href]")
        add_html(_main_part(root), builder, "" if base is None else base.get("href"))
        metadata = {"html_lang": root.get("lang")} if root.get("lang") else {}
        title = root.xpath("normalize-space(//title[not(ancestor::svg)])")  # icons have titles of their own
        return builder.build(title or builder.first_heading, metadata)


def html_root(text: str) -> Any | None:
    """The root element of a page or a piece of one, comments left out; None where there is nothing else."""
    text = _XML_DECLARATION.sub("", text).replace("\0", "")
    parser = html.HTMLParser(remove_comments=True, remove_pis=True)
    try:
        root = html.document_fromstring(text, parser=parser)
    except etree.ParserError:  # nothing but blanks and comments
        return None
    if any(entry.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for entry in parser.error_log):
        return html.document_fromstring(text, parser=html.HTMLParser(target=FlatTree(), huge_tree=True))
    return root


def _main_part(root: Any) -> Any:
    for path in (".//main", ".//article"):
        found = root.findall(path)
        if len(found) == 1 and _has_much_text(found[0]):
            return found[0]
    return root


def _has_much_text(element: Any) -> bool:
    return len(" ".join(element.itertext())) > _MIN_CONTENT


def add_html(root: Any, builder: TextBuilder, base: str = "") -> None:
    """Add the blocks below this element to the builder, with what they link to; `base` is what that is relative to."""
    inline: list[str] = []

    def flush() -> None:
        builder.paragraph(" ".join("".join(inline).split(" ")))
        inline.clear()

    walker = etree.iterwalk(root, events=("start", "end"))
    for event, element in walker:
        tag = element.tag
        if event == "end":
            if tag in _BLOCKS:
                flush()
            inline.append(_flat(element.tail) if element is not root else "")
        elif _is_dropped(element):
            walker.skip_subtree()
        elif tag in _HEADINGS or tag in ("ul", "ol", "pre") or (tag == "table" and _is_data(element)):
            flush()
            for anchor in _shown(element, "a"):
                builder.link(_joined(base, anchor.get("href", "")))
            _add_block(element, builder)
            walker.skip_subtree()
        else:
            if tag in _BLOCKS:
                flush()
            if tag == "a" and element.get("href"):
                builder.link(_joined(base, element.get("href")))
            inline.append("\n" if tag == "br" else _flat(element.text))
    flush()


def _add_block(element: Any, builder: TextBuilder) -> None:
    if element.tag in _HEADINGS:
        builder.heading(visible_text(element), _HEADINGS[element.tag])
    elif element.tag == "pre":
        nodes = element.xpath(".//text() | .//br")
        builder.code("".join(node if isinstance(node, str) else "\n" for node in nodes))
    elif element.tag == "table":
        for caption in _shown(element, "caption"):
            builder.paragraph(visible_text(caption))
        builder.table(_table_rows(element))
    else:
        builder.listing(_list_lines(element, 0))


def _shown(element: Any, *tags: str) -> Iterator[Any]:
    """The visible elements of these tags below this one, in order, but none inside another of them."""
    walker = etree.iterwalk(element, events=("start",))
    for _, child in walker:
        if child is element:
            continue
        if _is_dropped(child):
            walker.skip_subtree()
        elif child.tag in tags:
            walker.skip_subtree()
            yield child


def _joined(base: str, target: str) -> str:
    try:
        return urljoin(base, target.strip()) if base else target
    except ValueError:  # brackets that are no IPv6 address
        return ""


def _flat(text: str | None) -> str:
    """Source line breaks are blanks in HTML; only `br` and blocks break lines."""
    return re.sub(r"\s+", " ", text) if text else ""


def _is_dropped(element: Any) -> bool:
    if element.tag in _DROPPED and not (element.tag == "button" and _names_section(element)):
        return True
    if element.get("role") in _DROPPED_ROLES:
        return True
    if element.tag == "form" and next(element.iter(*_CONTENT), None) is None and not _has_much_text(element):
        return True  # a search box or a login; one around content is the page itself, as ASP.NET writes it
    style = (element.get("style") or "").replace(" ", "").lower()
    return element.get("hidden") is not None or element.get("aria-hidden") == "true" or "display:none" in style


def _names_section(button: Any) -> bool:
    """Whether it folds what a heading stands over, or is all of the heading; others are tools, such as "Copy"."""
    folds, alone, node = button.get("aria-expanded") is not None, True, button
    for parent in button.iterancestors():
        alone = alone and len(parent) == 1 and not f"{parent.text or ''}{node.tail or ''}".strip()
        if parent.tag in _NAMING:
            return folds or alone
        node = parent
    return False


def visible_text(element: Any, *, without: tuple[str, ...] = ()) -> str:
    """The element's words on one line, dropped elements and those of the tags in `without` left out."""
    return " ".join("".join(_visible_parts(element, without)).split())


def _visible_parts(element: Any, without: tuple[str, ...]) -> Iterator[str]:
    walker = etree.iterwalk(element, events=("start", "end"))
    for event, child in walker:
        if child is element:
            yield child.text or "" if event == "start" else ""
            continue
        gap = " " if child.tag in _BLOCKS or child.tag == "br" else ""
        if event == "end":
            yield gap + (child.tail or "")
        elif child.tag in without or _is_dropped(child):
            walker.skip_subtree()
        else:
            yield gap + (child.text or "")


def _is_data(table: Any) -> bool:
    """Whether it is a table of data; one that holds tables or a single column only arranges the page."""
    if table.find(".//table") is not None:
        return False
    return any(len(row.findall("td")) + len(row.findall("th")) > 1 for row in table.iter("tr"))


def _table_rows(table: Any) -> Iterator[list[str]]:
    """Rows of cell texts; a cell that spans rows is repeated in each, so that every row can be read alone."""
    spanning: dict[int, tuple[int, str]] = {}  # column -> (rows still to fill, text)
    for row in _shown(table, "tr"):
        cells: list[str] = []
        for cell in _shown(row, "td", "th"):
            _fill_spans(cells, spanning)
            text, rows = visible_text(cell), _span(cell, "rowspan")
            if rows > 1:
                spanning[len(cells)] = (rows - 1, text)
            cells += [text] + [""] * (_span(cell, "colspan") - 1)
        _fill_spans(cells, spanning)
        yield cells


def _fill_spans(cells: list[str], spanning: dict[int, tuple[int, str]]) -> None:
    while len(cells) in spanning:
        rows, text = spanning.pop(len(cells))
        if rows > 1:
            spanning[len(cells)] = (rows - 1, text)
        cells.append(text)


def _span(cell: Any, name: str) -> int:
    value = cell.get(name, "1")
    return min(int(value), 100) if value.isdigit() and value != "0" else 1  # browsers cap spans too


def _list_lines(element: Any, depth: int) -> Iterator[str]:
    """A line for each item and for what stands between items; lists inside an item are below it and further in."""
    indent = "  " * min(depth, _MAX_LIST_DEPTH)
    yield indent + _one_line(element.text)
    number = 0
    for child in element.iterchildren(etree.Element):
        if child.tag in ("ul", "ol") and not _is_dropped(child):
            yield from _list_lines(child, depth + 1)
        elif not _is_dropped(child):
            number += child.tag == "li"
            mark = "" if child.tag != "li" else f"{number}. " if element.tag == "ol" else "- "
            if words := visible_text(child, without=("ul", "ol")):
                yield indent + mark + words
            for inner in _shown(child, "ul", "ol"):
                yield from _list_lines(inner, depth + 1)
        yield indent + _one_line(child.tail)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
