"""The document that a mail becomes, whatever file it was in: people and date, the body, the names of attachments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from ingest.contracts import ParsedDocument
from ingest.parsers.builder import TextBuilder

HEADERS = ("From", "To", "Cc", "Date")
_PGP = "-----BEGIN PGP MESSAGE-----"


def is_sealed(text: str) -> bool:
    """Whether a body is encrypted text."""
    return text.lstrip().startswith(_PGP)


def add_headers(builder: TextBuilder, subject: str, headers: Mapping[str, str], level: int = 1) -> None:
    """Add the subject as a heading and the headers below it."""
    builder.heading(subject, level)
    builder.paragraph("\n".join(f"{header}: {value}" for header, value in headers.items()))


def add_text(builder: TextBuilder, text: str) -> None:
    """Add a body without markup."""
    for paragraph in text.replace("\r\n", "\n").split("\n\n"):
        builder.paragraph(paragraph)


def build_mail(
    builder: TextBuilder, subject: str, headers: Mapping[str, str], attachments: Sequence[str]
) -> ParsedDocument:
    """The mail with what was added to the builder, its attachments named at its end. Raises `ParseError`."""
    if attachments:
        builder.paragraph("Attachments: " + ", ".join(attachments))
    return builder.build(subject, _metadata(headers) | ({"attachments": list(attachments)} if attachments else {}))


def _metadata(headers: Mapping[str, str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {header.lower(): value for header, value in headers.items()}
    if "date" in metadata:
        try:
            metadata["date"] = parsedate_to_datetime(metadata["date"]).isoformat()
        except ValueError:
            pass  # kept as written
    return metadata
