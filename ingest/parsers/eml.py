"""Mail: subject, people and date, the body, and the names of the attachments."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

from lxml import html

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.builder import TextBuilder
from ingest.parsers.charset import decode
from ingest.parsers.guard import damaged
from ingest.parsers.html import add_html

_HEADERS = ("From", "To", "Cc", "Date")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class EmlParser:
    """RFC 5322 messages; attachments are listed, not read."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The message with its subject as title. Raises `ParseError`."""
        if data.startswith(_UTF16_MARKS) or b"\0" in data[:64]:
            data = decode(data, name).encode()
        with damaged(name, "export it from the mail program again"):
            return _to_document(message_from_bytes(data, policy=policy.default), name)


def _to_document(message: EmailMessage, name: str) -> ParsedDocument:
    headers = {header: str(message[header]) for header in _HEADERS if message[header]}
    if not headers and not message["Subject"]:
        raise ParseError(f"{name} has no mail headers", "give it the extension of its real type")
    builder = TextBuilder(name)
    builder.heading(str(message["Subject"] or ""), 1)
    builder.paragraph("\n".join(f"{header}: {value}" for header, value in headers.items()))
    _add_body(message, builder)
    attachments = [part.get_filename() or part.get_content_type() for part in message.iter_attachments()]
    if attachments:
        builder.paragraph("Attachments: " + ", ".join(attachments))
    return builder.build(str(message["Subject"] or ""), _metadata(headers, attachments))


def _add_body(message: EmailMessage, builder: TextBuilder) -> None:
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        return
    content = body.get_content()
    if body.get_content_subtype() == "html" and content.strip():
        add_html(html.document_fromstring(content), builder)
        return
    for paragraph in content.replace("\r\n", "\n").split("\n\n"):
        builder.paragraph(paragraph)


def _metadata(headers: dict[str, str], attachments: list[str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {header.lower(): value for header, value in headers.items()}
    if "date" in metadata:
        try:
            metadata["date"] = parsedate_to_datetime(metadata["date"]).isoformat()
        except ValueError:
            pass  # kept as written
    return metadata | ({"attachments": attachments} if attachments else {})
