"""Mail: subject, people and date, the body, and the names of the attachments."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.builder import TextBuilder
from ingest.parsers.charset import decode, decode_as
from ingest.parsers.guard import damaged
from ingest.parsers.html import add_html, html_root

_HEADERS = ("From", "To", "Cc", "Date")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_CHARSET = re.compile(rb"""charset\s*=\s*["']?([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
_NARROW_WORD = re.compile(r"=\?(?:gb2312|gbk)\?", re.IGNORECASE)  # senders call the wider charset so


class EmlParser:
    """RFC 5322 messages; attachments are listed, not read."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The message with its subject as title. Raises `ParseError`."""
        if data.startswith(_UTF16_MARKS) or b"\0" in data[:64]:
            data = decode(data, name).encode()
        with damaged(name, "export it from the mail program again"):
            return _to_document(_read_message(data, name), name)


def _read_message(data: bytes, name: str) -> EmailMessage:
    """The message. Headers that were sent as plain bytes are read as UTF-8, else in the charset of the body."""
    charset = _charset_of(data)

    def header(field: str, value: str) -> Any:
        if not value.isascii():
            value = _decoded(value.encode("ascii", "surrogateescape"), charset, name)
        return policy.default.header_factory(field, _NARROW_WORD.sub("=?gb18030?", value))

    return message_from_bytes(data, policy=policy.default.clone(header_factory=header))


def _charset_of(data: bytes) -> str:
    """The first charset that any part names, beside those that say nothing of bytes which are no UTF-8."""
    named = (match[1].decode("ascii").lower() for match in _CHARSET.finditer(data))
    return next((charset for charset in named if charset not in ("utf-8", "us-ascii")), "")


def _decoded(raw: bytes, charset: str, name: str) -> str:
    for codec in ("utf-8",) if charset else ("utf-8", "gb2312"):  # neither fits other text by chance
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    return decode_as(raw, charset, name)


def _to_document(message: EmailMessage, name: str) -> ParsedDocument:
    headers = {header: str(message[header]) for header in _HEADERS if message[header]}
    if not headers and not message["Subject"]:
        raise ParseError(f"{name} has no mail headers", "give it the extension of its real type")
    builder = TextBuilder(name)
    builder.heading(str(message["Subject"] or ""), 1)
    builder.paragraph("\n".join(f"{header}: {value}" for header, value in headers.items()))
    _add_body(message, builder, name)
    attachments = [part.get_filename() or part.get_content_type() for part in message.iter_attachments()]
    if attachments:
        builder.paragraph("Attachments: " + ", ".join(attachments))
    return builder.build(str(message["Subject"] or ""), _metadata(headers, attachments))


def _add_body(message: EmailMessage, builder: TextBuilder, name: str) -> None:
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        return
    payload = body.get_payload(decode=True)
    content = decode_as(payload if isinstance(payload, bytes) else b"", body.get_content_charset("utf-8"), name)
    if body.get_content_subtype() == "html":
        if (root := html_root(content)) is not None:
            add_html(root, builder)
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
