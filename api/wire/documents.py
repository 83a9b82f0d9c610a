"""Documents over the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from api.wire.base import Groups, Key, Line, Metadata, NewDocumentKey, Number, Request, Response, Text

Version = Annotated[
    Number | None, Field(description="The client's version; one older than what is stored changes nothing.")
]
ReadAt = Annotated[int, Field(description="The collection's last operation when this was read; newer may be in it.")]


class DocumentBody(Request):
    """A document as it is now; it replaces the whole former one."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "title": "Warranty",
                    "text": "The warranty of all drives is 24 months from delivery.",
                    "metadata": {"year": 2024, "tags": ["sales"]},
                    "acl": ["support", "sales"],
                    "version": 7,
                }
            ]
        },
    )

    text: Annotated[Text, Field(description="The text; Markdown headings are found.")] = ""
    title: Line = ""
    metadata: Metadata = Field(default_factory=dict, description="Fields to filter by and to show.")
    acl: Annotated[
        Groups | None,
        Field(description="Groups that may read it; null: the collection's default; []: nobody but admins."),
    ] = None
    uri: Line | None = None
    language: Annotated[str, Field(pattern="^([a-z]{2})?$", description="ISO 639-1; detected when empty.")] = ""
    version: Version = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.text.strip() and not self.title.strip():
            raise ValueError("neither text nor title holds anything")
        return self


class BulkDocument(DocumentBody):
    """One line of a bulk request that writes: a document with its key."""

    id: NewDocumentKey


class BulkDeletion(Request):
    """One line of a bulk request that deletes."""

    id: Key
    deleted: Literal[True]
    version: Version = None


class WriteResponse(Response):
    """What a write did. Searches with `min_seq` = `seq` see it."""

    document_id: str
    key: str
    outcome: str = Field(
        description="created, updated, metadata, unchanged, deleted, stale (too old: ignored), absent (nothing there)."
    )
    seq: int
    searchable: bool = Field(description="Whether searches were waited for and see it now.")


class BulkItem(Response):
    """What became of one line."""

    line: int
    document_id: str
    key: str
    outcome: str


class BulkFailure(Response):
    """Why one line was left out."""

    line: int
    message: str


class BulkResponse(Response):
    """What a bulk write did: outcomes counted, each line written in `items`, each left out in `failures`."""

    seq: int
    counts: dict[str, int]
    items: list[BulkItem]
    failures: list[BulkFailure]
    searchable: bool


class UploadedFile(Response):
    """What became of one file."""

    file: str
    key: str | None = None
    outcome: str | None = Field(None, description="As of any write, or skipped: no parser reads such a type.")
    error: str | None = None


class UploadResponse(Response):
    """What became of the files; status 207 when some of them could not be read."""

    seq: int
    files: list[UploadedFile]
    searchable: bool


class DocumentSummary(Response):
    """A document without its text."""

    document_id: str
    key: str
    title: str
    uri: str | None
    source: str
    table: str
    language: str
    metadata: dict[str, Any]
    acl: list[str] | None
    version: int
    chunks: int
    seq: int
    position: str | None
    as_of: str


class ChunkView(Response):
    """One passage of a document."""

    chunk_id: str
    text: str
    start: int
    end: int
    heading: str
    page: int | None


class DocumentView(DocumentSummary):
    """A document with its text and, when asked, its passages."""

    text: str
    passages: list[ChunkView] | None = None


class DocumentPage(Response):
    """A page of documents, by key."""

    documents: list[DocumentSummary]
    next_cursor: str | None
    seq: ReadAt


class DocumentChange(Request):
    """What of a document is changed without sending it whole."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"acl": ["support", "sales"]}]}
    )

    acl: Groups | None = Field(
        description="Groups that may read it; null: the collection's default; []: nobody but admins."
    )


class SourceCount(Response):
    """How many documents a source has."""

    source: str
    documents: int


class LanguageCount(Response):
    """How many documents are in a language; "" where it could not be told."""

    language: str
    documents: int


class DocumentFacets(Response):
    """What the documents that the caller may read can be narrowed by, the most frequent first."""

    documents: int
    sources: list[SourceCount]
    languages: list[LanguageCount]
    seq: ReadAt


class FormerView(Response):
    """A document as it was until `replaced_at`."""

    key: str
    version: int
    title: str
    uri: str | None
    source: str
    table: str
    language: str
    metadata: dict[str, Any]
    acl: list[str] | None
    as_of: str
    replaced_at: str
    deleted: bool = Field(description="Nothing has taken its place since.")
    text: str | None = Field(None, description="Only when one version is asked for.")


class FormerVersions(Response):
    """A document's former versions, newest first."""

    versions: list[FormerView]


class FormerPage(Response):
    """A page of deleted documents, by key."""

    documents: list[FormerView]
    next_cursor: str | None


class RestoreBody(Request):
    """Which version is brought back."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"key": "faq/1", "version": 3}]}
    )

    key: Key
    version: Annotated[int, Field(ge=1, le=2**63 - 1)]
