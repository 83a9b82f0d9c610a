"""Files to documents: picks the parser by extension, checks the content against it, keeps limits."""

from __future__ import annotations

from pathlib import PurePath

from ingest.contracts import PARSERS, ParsedDocument, ReadsPictures
from ingest.errors import ParseError, UnsupportedError
from ingest.parsers.guard import damaged
from ingest.parsers.recognition import check_readable
from ingest.parsers.signature import check_signature
from retrieval.analysis.language import detect_language
from retrieval.analysis.surrogates import whole_text

MAX_FILE_BYTES = 100 * 2**20  # larger files are data sets or media, not documents

_ALIASES = {
    "text": "txt",
    "log": "txt",
    "rst": "txt",
    "markdown": "md",
    "mdown": "md",
    "htm": "html",
    "xhtml": "html",
    "docm": "docx",
    "pptm": "pptx",
    "xlsm": "xlsx",
    "xlt": "xls",
    "et": "xls",
    "ott": "odt",
    "otp": "odp",
    "ots": "ods",
    "tsv": "csv",
    "jsonl": "json",
    "ndjson": "json",
    "jpg": "png",
    "jpeg": "png",
    "tif": "png",
    "tiff": "png",
    "bmp": "png",
    "webp": "png",
}
_PICTURES = "png"
_CONVERT = {
    "doc": "save it as .docx",
    "ppt": "save it as .pptx",
    "xlsb": "save it as .xlsx",
}


def parse_file(data: bytes, name: str, *, ocr: bool = True) -> ParsedDocument:
    """The document in a file's bytes; a title is always there, at worst the file's name without its extension.

    `ocr`: text in pictures is read, where the extra for it is installed.
    Raises `UnsupportedError` for a type no parser reads, `ParseError` for what is broken, encrypted, empty or too big.
    """
    parser_name = parser_for(name, ocr=ocr)
    check_size(len(data), name)
    check_signature(data, parser_name, name)
    parser = PARSERS.create(parser_name)
    if isinstance(parser, ReadsPictures):
        parser.ocr = ocr
    with damaged(name):
        parsed = parser.parse(data, name)
    return ParsedDocument(
        whole_text(parsed.title) or PurePath(name).stem,
        whole_text(parsed.text),
        parsed.outline,
        parsed.language or detect_language(parsed.text),
        parsed.metadata,
    )


def parser_for(name: str, *, ocr: bool = True) -> str:
    """The registered parser for a file of that name.

    Raises `UnsupportedError` listing the supported types, or for a picture where text in pictures is not read.
    """
    extension = PurePath(name).suffix[1:].lower()
    parser_name = _ALIASES.get(extension, extension)
    if parser_name and parser_name in PARSERS:
        if parser_name == _PICTURES:
            check_readable(name, ocr)
        return parser_name
    supported = ", ".join(sorted({entry.name for entry in PARSERS} | set(_ALIASES)))
    convert = _CONVERT.get(extension, "convert it to one of them or leave it out")
    shown = f"the type .{extension}" if extension else "a name without extension"
    raise UnsupportedError(f"{name} has {shown}, supported are {supported}", convert)


def check_size(size: int, name: str) -> None:
    """Raises `ParseError` for an empty file and for one above the limit; call it before reading the bytes."""
    if size == 0:
        raise ParseError(f"{name} is empty", "leave it out")
    if size > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 2**20
        raise ParseError(f"{name} has {size / 2**20:.0f} MiB, the most is {limit} MiB", "split it into several files")
