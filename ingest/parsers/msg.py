"""Outlook's messages: subject, people and date, the body, and the names of the attachments."""

from __future__ import annotations

from email.utils import format_datetime

import compressed_rtf

from ingest.cleaning import clean_text
from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.builder import TextBuilder
from ingest.parsers.charset import decode_as
from ingest.parsers.compound import CompoundFile
from ingest.parsers.eml import add_content, read_message
from ingest.parsers.guard import damaged
from ingest.parsers.html import add_html, html_root
from ingest.parsers.limits import Deadline
from ingest.parsers.mail import HEADERS, add_headers, add_text, build_mail, is_sealed
from ingest.parsers.msg_properties import MsgProperties
from ingest.parsers.rtf import RtfReader

# Identifiers of properties, as [MS-OXPROPS] has them.
_CLASS, _SUBJECT, _BODY, _HTML, _RICH_BODY = 0x001A, 0x0037, 0x1000, 0x1013, 0x1009
_SUBMITTED, _DELIVERED = 0x0039, 0x0E06
_SENDER = ((0x0042, 0x0C1A), (0x5D02, 0x0065, 0x5D01, 0x0C1F))  # names; addresses
_RECIPIENT = ((0x3001,), (0x39FE, 0x3003))
_EXCHANGE = "/"  # begins an address that is none of mail
_KIND = 0x0C15  # of a recipient
_SHOWN = {"To": 0x0E04, "Cc": 0x0E03}  # as Outlook shows them
_KINDS = {"To": 1, "Cc": 2}
_FILE_NAMES = (0x3707, 0x3704, 0x3001, 0x370E)  # long, short, shown, media type
_DATA, _FLAGS, _IS_HIDDEN = 0x3701, 0x3714, 0x7FFE
_IS_IN_BODY = 4  # flag of pictures of the body
_RECIPIENTS, _ATTACHMENTS = "__recip_version1.0_#", "__attach_version1.0_#"
_SEALED, _SIGNED = "ipm.note.smime", "ipm.note.smime.multipartsigned"
_MAX_RICH_BYTES = 8 * 2**20  # of a compressed body, which unfolds to nine times that; pictures are not in it
_MAX_NAME = 4_000  # characters of one name or address, or of those of all people as Outlook shows them


class MsgParser:
    """Messages as Outlook saves them; attachments are listed, not read."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The message with its subject as title. Raises `ParseError`."""
        with damaged(name, "save it from Outlook again, or as .eml"):
            message = MsgProperties(CompoundFile(data), name)
            builder = TextBuilder(name)
            subject, headers = message.text(_SUBJECT), _headers(message)
            add_headers(builder, subject, headers)
            return build_mail(builder, subject, headers, _add_content(message, builder, name))


def _headers(message: MsgProperties) -> dict[str, str]:
    people = [(one.number(_KIND) & 0xF, _person(one, *_RECIPIENT)) for one in message.parts(_RECIPIENTS)]
    moment = message.moment(_SUBMITTED) or message.moment(_DELIVERED)
    headers = {"From": _person(message, *_SENDER), "Date": format_datetime(moment) if moment else ""}
    for header, kind in _KINDS.items():
        named = ", ".join(person for one, person in people if one == kind and person)
        headers[header] = named or _name(message, _SHOWN[header])
    return {header: headers[header] for header in HEADERS if headers[header]}


def _person(one: MsgProperties, names: tuple[int, ...], addresses: tuple[int, ...]) -> str:
    shown = _name(one, *names)
    found = (_name(one, key) for key in addresses)
    address = next((address for address in found if "@" in address and not address.startswith(_EXCHANGE)), "")
    return f"{shown} <{address}>" if shown and address and shown != address else shown or address


def _name(one: MsgProperties, *keys: int) -> str:
    """The first of these texts that there is, on one line."""
    texts = (one.text(key).partition("\0")[0][:_MAX_NAME] for key in keys)
    return next(filter(None, (" ".join(clean_text(text).split()) for text in texts)), "")


def _add_content(message: MsgProperties, builder: TextBuilder, name: str) -> list[str]:
    """Adds the body; gives the names of the attachments. Raises `ParseError` where it is encrypted."""
    kind = message.text(_CLASS).lower()
    if kind.startswith(_SIGNED) and (signed := next(message.parts(_ATTACHMENTS), None)) is not None:
        return add_content(read_message(signed.binary(_DATA), name), builder, name)  # all of it, as mail
    text = message.text(_BODY)
    if kind.startswith(_SEALED) or is_sealed(text):
        raise ParseError(f"{name} is encrypted or sealed", "export it without encryption from the mail program")
    if text.strip():
        add_text(builder, text)
    elif html := _html(message, name):
        if (root := html_root(html)) is not None:
            add_html(root, builder)
    elif rich := message.binary(_RICH_BODY):
        RtfReader(builder, Deadline(name)).read(_unfolded(rich, name))
    return [
        _name(one, *_FILE_NAMES) or "application/octet-stream"
        for one in message.parts(_ATTACHMENTS)
        if not (one.number(_IS_HIDDEN) & 1 or one.number(_FLAGS) & _IS_IN_BODY)
    ]


def _html(message: MsgProperties, name: str) -> str:
    data = message.binary(_HTML)
    return decode_as(data, message.body_codec, name) if data else message.text(_HTML)


def _unfolded(rich: bytes, name: str) -> bytes:
    if len(rich) > _MAX_RICH_BYTES:
        raise ParseError(
            f"{name} has a body of {len(rich) / 2**20:.0f} MiB of rich text, the most is {_MAX_RICH_BYTES // 2**20}",
            "save it from Outlook as .eml",
        )
    return bytes(compressed_rtf.decompress(rich))
