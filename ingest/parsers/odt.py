"""OpenDocument texts: headings, lists, tables with merged cells, notes and text boxes after their paragraph."""

from __future__ import annotations

from ingest.contracts import ParsedDocument
from ingest.parsers.builder import TextBuilder
from ingest.parsers.guard import damaged
from ingest.parsers.limits import Deadline
from ingest.parsers.odf import Styles, check_kind, open_package, qn
from ingest.parsers.odf_blocks import OdfBlocks
from ingest.parsers.safe_xml import read_xml


class OdtParser:
    """Texts of LibreOffice, OpenOffice and others; deleted and hidden words, remarks and indexes are left out."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The document's text; the title is its title paragraph or its property. Raises `ParseError`."""
        with damaged(name, "open it in LibreOffice and save it again"):
            package = open_package(data, name)
            content = read_xml(package.content)
            body = check_kind(content.find(qn("office:body")), "text", name)
            builder = TextBuilder(name)
            styles = Styles([content] + ([read_xml(package.styles)] if package.styles else []))
            blocks = OdfBlocks(builder, styles, Deadline(name))
            blocks.add(body)
            blocks.finish()
            title = blocks.title or package.title or builder.first_heading
        return builder.build(title, {"author": package.author} if package.author else {})
