"""Footnotes and endnotes of Word documents, found by what refers to them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from lxml import etree

# what refers to a note -> the end of its relationship's type, the element of a note
_KINDS = {qn("w:footnoteReference"): ("/footnotes", "w:footnote"), qn("w:endnoteReference"): ("/endnotes", "w:endnote")}
REFERENCES = tuple(_KINDS)
_NOTES = (None, "normal")  # types; the others are separators between text and notes

logger = logging.getLogger(__name__)


class DocxNotes:
    """The notes of a document, each to be taken once. A part that cannot be read has none: the document goes on."""

    def __init__(self, document_part: Any, name: str) -> None:
        self._notes: dict[tuple[str, str | None], Any] = {}
        for reference, (relation, element) in _KINDS.items():
            for note in _elements(document_part, relation, element, name):
                self._notes[reference, note.get(qn("w:id"))] = note

    def take(self, references: Iterable[Any]) -> Iterator[Any]:
        """The notes that these elements refer to, in their order, but for those that were taken before."""
        for reference in references if self._notes else ():
            note = self._notes.pop((reference.tag, reference.get(qn("w:id"))), None)
            if note is not None:
                yield note


def _elements(document_part: Any, relation: str, element: str, name: str) -> Iterator[Any]:
    for one in document_part.rels.values():
        if one.is_external or not one.reltype.endswith(relation):
            continue
        try:
            root = parse_xml(one.target_part.blob)
        except (etree.LxmlError, ValueError) as error:
            logger.info("%s of %s are left out: %s: %s", relation[1:], name, type(error).__name__, error)
            continue
        yield from (note for note in root.iterchildren(qn(element)) if note.get(qn("w:type")) in _NOTES)
