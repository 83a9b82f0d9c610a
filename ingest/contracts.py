"""The seams of ingestion: sources, parsers and chunkers, each with its registry of named implementations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from infra.registry import Registry
from ingest.changes import ChangeBatch
from retrieval.types import Block, Chunk, Document


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A file as text. `outline` blocks are stretches of `text` in order, none overlapping another."""

    title: str  # "" when the file does not say
    text: str
    outline: tuple[Block, ...] = ()
    language: str = ""  # ISO 639-1, "" when unknown
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Source(Protocol):
    """Where documents or rows come from."""

    @property
    def name(self) -> str:
        """Unique within the collection; cursors and documents are stored under it."""
        ...

    @property
    def kind(self) -> str:
        """Its registered name, such as "files"."""
        ...

    @property
    def mirror(self) -> bool:
        """Whether what a finished poll has not named is gone and shall be deleted."""
        ...

    def poll(self, cursor: str | None) -> Iterator[ChangeBatch]:
        """What changed after `cursor` (None: everything), ending when the source has no more for now.

        Raises `SourceError` when it cannot be read at all; a single bad item is a `Failure` in a batch.
        """
        ...


class Parser(Protocol):
    """Reads one file type."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The document in `data`; `name` is the file's name, for messages. Raises `ParseError`."""
        ...


@runtime_checkable
class ReadsPictures(Protocol):
    """A parser that also reads text in pictures, unless `ocr` is set to False."""

    ocr: bool


class Chunker(Protocol):
    """Cuts documents into retrievable stretches."""

    def chunk(self, document: Document) -> tuple[Chunk, ...]:
        """Chunks in order, each with `document.text[chunk.start:chunk.end] == chunk.text`; a pure function."""
        ...


def _later(target: str) -> Callable[..., Any]:
    """A factory that imports `module:Class` only when called."""
    module, _, attribute = target.partition(":")

    def build(*args: object, **kwargs: object) -> Any:
        return getattr(import_module(module), attribute)(*args, **kwargs)

    return build


PARSERS: Registry[Parser] = Registry("parser")  # named by file extension, without the dot
CHUNKERS: Registry[Chunker] = Registry("chunker")
SOURCES: Registry[Source] = Registry("source")

for _name, _target, _summary in (
    ("txt", "ingest.parsers.plain:PlainTextParser", "plain text in any charset"),
    ("md", "ingest.parsers.markdown:MarkdownParser", "Markdown (CommonMark with tables)"),
    ("html", "ingest.parsers.html:HtmlParser", "web pages, without navigation and scripts"),
    ("pdf", "ingest.parsers.pdf:PdfParser", "PDF: pages, ruled tables; scans by text recognition"),
    ("docx", "ingest.parsers.docx:DocxParser", "Word documents"),
    ("pptx", "ingest.parsers.pptx:PptxParser", "PowerPoint slides and notes"),
    ("xlsx", "ingest.parsers.xlsx:XlsxParser", "Excel workbooks, a table per sheet"),
    ("xls", "ingest.parsers.xls:XlsParser", "Excel workbooks before 2007, a table per sheet"),
    ("odt", "ingest.parsers.odt:OdtParser", "OpenDocument texts"),
    ("odp", "ingest.parsers.odp:OdpParser", "OpenDocument slides and notes"),
    ("ods", "ingest.parsers.ods:OdsParser", "OpenDocument spreadsheets, a table per sheet"),
    ("rtf", "ingest.parsers.rtf:RtfParser", "rich text in any code page"),
    ("epub", "ingest.parsers.epub:EpubParser", "electronic books, without protection"),
    ("csv", "ingest.parsers.csv:CsvParser", "comma, semicolon or tab separated tables"),
    ("json", "ingest.parsers.json:JsonParser", "JSON as indented `path: value` lines"),
    ("eml", "ingest.parsers.eml:EmlParser", "mail: headers, body, list of attachments"),
    ("msg", "ingest.parsers.msg:MsgParser", "Outlook messages, as mail"),
    ("png", "ingest.parsers.picture:PictureParser", "pictures of text, by text recognition"),
):
    PARSERS.register(_name, _later(_target), _summary)

CHUNKERS.register("structure", _later("ingest.chunking:StructureChunker"), "headings, then paragraphs, then sentences")

for _name, _target, _summary in (
    ("files", "ingest.sources.files:FileSource", "a file or a folder of files"),
    ("jsonl", "ingest.sources.jsonl:JsonlSource", "documents as JSON lines"),
    ("debezium", "ingest.sources.debezium:DebeziumFileSource", "change events of a database, from a file"),
    ("sql", "ingest.sources.sql:SqlSource", "a snapshot of database tables"),
):
    SOURCES.register(_name, _later(_target), _summary)
