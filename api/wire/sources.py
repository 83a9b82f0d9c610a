"""Live sources over the wire. No response carries a password: addresses are shown with `***`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, SecretStr

from api.wire.base import CollectionName, Json, Request, Response

SOURCE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
TABLE_PATTERN = r"^[^.\x00]{1,200}\.[^\x00]{1,200}$"
MAX_TABLES = 500

_URL_EXAMPLE = "postgresql://kb_reader:PASSWORD@db.example.com:5432/shop"
_TABLES_EXAMPLE: dict[str, Any] = {
    "public.faqs": {
        "title": "question",
        "body": "{question}\n{answer}\nProduct: {product.name}",
        "metadata": ["category"],
        "acl": "visible_to",
        "include": {"product": {"table": "public.products", "on": {"id": "product_id"}}},
    }
}

SourceName = Annotated[str, Field(pattern=SOURCE_PATTERN, description="Name of the source, unique in its collection.")]
TableName = Annotated[str, Field(pattern=TABLE_PATTERN, description="`schema.table`; MySQL: `database.table`.")]
DatabaseUrl = Annotated[
    SecretStr,
    Field(min_length=1, max_length=2_000, description="`postgresql://`, `mysql://` or `mariadb://` with the password."),
]
Mapping = Annotated[
    Json, Field(min_length=1, max_length=MAX_TABLES, description="How rows of each table are documents.")
]


class SourceBody(Request):
    """A database to be followed from now on."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"name": "shop", "collection": "docs", "url": _URL_EXAMPLE, "tables": _TABLES_EXAMPLE}]
        },
    )

    name: SourceName
    collection: CollectionName
    url: DatabaseUrl
    tables: Mapping
    mode: Literal["live", "snapshot"] = Field(
        "live",
        description="snapshot: read only when `POST /v1/sources/{name}/snapshot` says so; needs no other server.",
    )


class SourceView(Response):
    """A source in a list."""

    name: str
    kind: str = Field(description="`database` for live ones, `sql` for databases that are read when asked.")
    state: str = Field(description="active, paused or deleting.")
    cursor: str | None
    updated_at: datetime


class SourcePage(Response):
    """A page of sources, by name."""

    sources: list[SourceView]
    next_cursor: str | None


class LiveSourceView(Response):
    """A source as it is stored; what only databases have is null elsewhere."""

    name: str
    collection: str
    kind: str
    state: str = Field(description="active, paused or deleting.")
    engine: str | None = Field(description="postgresql, mysql or mariadb.")
    url: str | None = Field(description="With `***` for the password.")
    tables: dict[str, Any]
    topic_prefix: str | None = Field(description="Of a live source's topics; also its connector's name.")
    updated_at: datetime


class LeftoverView(Response):
    """Something that could not be removed."""

    what: str
    why: str
    sql: str = Field(description="What to run, where SQL removes it.")


class SourceDeletion(Response):
    """What the deletion of a source did."""

    deleted_documents: int
    leftovers: list[LeftoverView] = Field(description="Empty where everything was reached.")


class FindingView(Response):
    """One thing that a connection test looked at."""

    check: str = Field(description="Stable word for programs.", examples=["wal_level"])
    severity: str = Field(description="ok, warning or error.")
    found: str
    expected: str
    remedy: str
    sql: str = Field(description="The exact statements that mend it.")


class TestBody(Request):
    """A database to be looked at; nothing is changed there."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"url": _URL_EXAMPLE}]})

    url: DatabaseUrl
    tables: list[TableName] = Field(default_factory=list, max_length=MAX_TABLES, description="Tables to look at too.")


class TestResult(Response):
    """Whether a source could stream from that database, or be read."""

    ok: bool = Field(description="It could be followed live.")
    readable: bool = Field(description="It could be read, with `mode` snapshot.")
    live: bool = Field(description="This server is connected to Kafka Connect, which following needs.")
    engine: str
    version: str
    facts: dict[str, Any]
    findings: list[FindingView]


class TablesBody(Request):
    """A database whose tables are asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"url": _URL_EXAMPLE}]})

    url: DatabaseUrl


class ColumnView(Response):
    """One column."""

    name: str
    type: str
    nullable: bool


class IncludeView(Response):
    """A join that a foreign key suggests, as a mapping writes it under `alias`."""

    alias: str
    table: str
    on: dict[str, str] = Field(description="Joined column: own column.")
    many: bool


class TableView(Response):
    """One table."""

    name: str
    columns: list[ColumnView]
    primary_key: list[str]
    estimated_rows: int | None
    includes: list[IncludeView]


class TableList(Response):
    """The tables that the user may see, by name."""

    tables: list[TableView]


class MappingTrial(Request):
    """A mapping to be tried on live rows of a source's database."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"tables": _TABLES_EXAMPLE, "limit": 3}]}
    )

    tables: Mapping
    limit: int = Field(5, ge=1, le=50, description="Rows of each mapped table.")


class PreviewBody(MappingTrial):
    """A mapping to be tried on live rows of any database."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"url": _URL_EXAMPLE, "tables": _TABLES_EXAMPLE, "limit": 3}]},
    )

    url: DatabaseUrl


class PreviewDocument(Response):
    """A document as the mapping makes it."""

    key: str
    title: str
    text: str
    language: str
    metadata: dict[str, Any]
    acl: list[str] | None = Field(description="null: the collection's default; empty: nobody.")
    uri: str | None


class PreviewError(Response):
    """A row, or a table, that the mapping cannot make a document of, or a row that only the database would join."""

    table: str
    key: str | None
    message: str


class Preview(Response):
    """What a mapping makes of the first rows."""

    documents: list[PreviewDocument]
    errors: list[PreviewError]


class SnapshotBody(Request):
    """Tables to be read again."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"tables": ["public.faqs"]}]}
    )

    tables: list[TableName] | None = Field(None, max_length=MAX_TABLES, description="Default: all.")
    full: bool = Field(
        False,
        description="Begin anew, forgetting positions: after the database was restored from a backup, or lost its log.",
    )
    allow_mass_deletion: bool = Field(
        False, description="Of one that is not live: delete documents even where most of their rows are gone."
    )


class SnapshotView(Response):
    """A snapshot that was asked for; `GET /v1/sources/{name}` tells how far it is."""

    id: str = Field(description="Of kind job: the job's.")
    kind: str = Field(
        description="incremental: while streaming goes on; blocking: streaming waits; full: anew; job: the source is "
        "not live, a job reads it."
    )
    tables: list[str]


class SourceChange(Request):
    """What shall be different; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"tables": _TABLES_EXAMPLE}]}
    )

    tables: Mapping | None = None
    url: DatabaseUrl | None = Field(None, description="Same engine and database; for example with a new password.")


class NoticeView(Response):
    """Something about a table that a person should know and that stopped nothing."""

    id: int
    at: datetime
    kind: str = Field(description="columns_added, columns_removed, maybe_renamed, columns_missing and others.")
    table: str
    message: str
    detail: dict[str, Any]


class SourceStatus(LiveSourceView):
    """A source and how it is doing. What could not be asked now is in `problems`; live sources only have the rest."""

    documents: int = Field(description="Living documents that it brought.")
    connector: dict[str, Any] = Field(description="Of Kafka Connect: state, task_state, trace.")
    snapshot: dict[str, Any] = Field(description="The last one: kind, state, tables with rows.")
    lag: dict[str, Any] = Field(
        description="events, seconds, last_event_at, database_answers; slot bytes for PostgreSQL."
    )
    dead_letters: int
    notices: list[NoticeView] = Field(description="Changes of the tables' columns and the like, newest first.")
    problems: list[str] = Field(description="What is wrong, with what to do.")


class RunView(Response):
    """One entry of a source's run log."""

    id: int
    source: str
    kind: Literal["reading", "stream"] = Field(description="A reading to the source's end, or a minute of streaming.")
    began_at: datetime
    ended_at: datetime
    outcomes: dict[str, int] = Field(
        description="Documents: created, updated, metadata, unchanged, deleted, stale (older than stored), absent."
    )
    failed: int = Field(description="Inputs that became dead letters.")
    events: int = Field(description="Change events; 0 for readings.")
    stages: dict[str, float] = Field(description="Seconds of streaming: parse, map, prepare, encode, commit.")
    error: str = Field(description="Why a reading ended early; empty where it did not.")


class RunPage(Response):
    """A page of the run log, newest first."""

    runs: list[RunView]
    next_cursor: str | None


class ArrivalView(Response):
    """A document that a source brought or removed."""

    seq: int
    key: str
    title: str
    source: str
    version: int
    deleted: bool
    committed_at: datetime | None = Field(description="At the source, where that says.")
    cataloged_at: datetime


class ArrivalList(Response):
    """The newest changes, newest first."""

    changes: list[ArrivalView]
