"""Mail: subject, people and date, the body, and the names of the attachments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from typing import Any, NamedTuple

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.builder import TextBuilder
from ingest.parsers.charset import decode, decode_as
from ingest.parsers.guard import damaged
from ingest.parsers.html import add_html, html_root
from ingest.parsers.mail import HEADERS, add_headers, add_text, build_mail, is_sealed

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_CHARSET = re.compile(rb"""charset\s*=\s*["']?([A-Za-z0-9_.:-]+)""", re.IGNORECASE)
_SEALED = frozenset({"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})
_NARROW_WORD = re.compile(r"=\?(?:gb2312|gbk)\?", re.IGNORECASE)  # senders call the wider charset so


class EmlParser:
    """RFC 5322 messages, with those that they forward inline; attachments are listed, not read."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The message with its subject as title. Raises `ParseError`."""
        if data.startswith(_UTF16_MARKS) or b"\0" in data[:64]:
            data = decode(data, name).encode()
        with damaged(name, "export it from the mail program again"):
            return _to_document(read_message(data, name), name)


def read_message(data: bytes, name: str) -> EmailMessage:
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
    headers = _headers(message)
    if not headers and not message["Subject"]:
        raise ParseError(f"{name} has no mail headers", "give it the extension of its real type")
    builder = TextBuilder(name)
    add_headers(builder, _subject(message), headers)
    return build_mail(builder, _subject(message), headers, add_content(message, builder, name))


def add_content(message: MIMEPart, builder: TextBuilder, name: str) -> list[str]:
    """Adds what a mail program shows below the headers; gives the names of the attachments. Raises `ParseError`."""
    bodies = _bodies(message, name)
    if message.get_content_type() in _SEALED or any(is_sealed(body.text) for body in bodies[:1]):
        raise ParseError(f"{name} is encrypted or sealed", "export it without encryption from the mail program")
    for body in bodies:
        _add_body(body, builder)
    beside = _attachments(message, {body.part for body in bodies})
    return [part.get_filename() or part.get_content_type() for part in beside]


def _subject(message: MIMEPart) -> str:
    return str(message["Subject"] or "")


def _headers(message: MIMEPart) -> dict[str, str]:
    return {header: str(message[header]) for header in HEADERS if message[header]}


class _Body(NamedTuple):
    """A part that a mail program shows as the message, or a piece of it; a forwarded message stands for its headers."""

    part: MIMEPart
    text: str


def _bodies(message: MIMEPart, name: str) -> list[_Body]:
    """What a mail program shows, in order: messages go on below pictures, and footers are parts of their own."""
    first = message.get_body(preferencelist=("plain", "html"))
    return list(_shown(message, first, name))


def _shown(part: MIMEPart, first: MIMEPart | None, name: str) -> Iterator[_Body]:
    kind = part.get_content_type()
    if (inner := _forwarded(part)) is not None:
        yield _Body(part, _subject(inner))
        yield from _bodies(inner, name)
        return
    if part is not first and (part.is_attachment() or part.get_filename()):
        return
    if kind in ("text/plain", "text/html"):
        payload = part.get_payload(decode=True)
        data = payload if isinstance(payload, bytes) else b""
        yield _Body(part, decode_as(data, part.get_content_charset("utf-8"), name))
    elif kind == "multipart/alternative":
        yield from _preferred([list(_shown(version, first, name)) for version in part.iter_parts()])
    elif kind == "multipart/related":
        if (root := _root(part)) is not None:
            yield from _shown(root, first, name)
    elif part.get_content_maintype() == "multipart":
        for inner in part.iter_parts():
            yield from _shown(inner, first, name)


def _forwarded(part: MIMEPart) -> MIMEPart | None:
    """The message that a part shows; None for other parts, and for messages attached or packed in odd ways."""
    if part.get_content_type() != "message/rfc822" or part.is_attachment():
        return None
    return next((inner for inner in part.iter_parts() if inner.keys()), None)


def _preferred(versions: list[list[_Body]]) -> list[_Body]:
    """The plain version of a message, else the first other one; some senders leave the plain one blank."""
    filled = [bodies for bodies in versions if any(body.text.strip() for body in bodies)]
    return min(filled, key=lambda bodies: bodies[0].part.get_content_subtype() != "plain", default=[])


def _root(related: MIMEPart) -> MIMEPart | None:
    """The part of a multipart/related that shows the others."""
    parts = list(related.iter_parts())
    start = related.get_param("start")
    return next((part for part in parts if start and part["Content-ID"] == start), parts[0] if parts else None)


def _attachments(part: MIMEPart, shown: Set[MIMEPart], *, inside: bool = False) -> Iterator[MIMEPart]:
    """What comes along with the message; not the pictures of a body that is itself a part of it."""
    kind = part.get_content_type()
    if kind == "multipart/alternative" or (kind == "multipart/related" and inside):
        return
    for inner in part.iter_parts() if part.get_content_maintype() == "multipart" else ():
        if inner.get_content_maintype() == "multipart":
            yield from _attachments(inner, shown, inside=True)
        elif inner not in shown:
            yield inner
        elif (message := _forwarded(inner)) is not None:
            yield from _attachments(message, shown)


def _add_body(body: _Body, builder: TextBuilder) -> None:
    if (message := _forwarded(body.part)) is not None:
        add_headers(builder, _subject(message), _headers(message), 2)
        return
    if body.part.get_content_subtype() == "html":
        if (root := html_root(body.text)) is not None:
            add_html(root, builder)
        return
    add_text(builder, body.text)
