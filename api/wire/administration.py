"""Collections, keys, sources and dead letters over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from api.wire.base import (
    MAX_CHUNK_TOKENS,
    MIN_CHUNK_TOKENS,
    WORDS_THAT_AGREE,
    CollectionName,
    Groups,
    Line,
    Moment,
    Request,
    Response,
)
from retrieval.catalog.keys import MAX_DAYS, Scope

Words = Annotated[list[Line], Field(max_length=100_000)]


class CollectionChange(Request):
    """The settings to change; what is left out stays."""

    default_acl: Groups | None = Field(None, description="Groups that read documents which name none.")
    dictionary: Words | None = Field(None, description="Words the analyzer keeps whole.")
    synonyms: list[Words] | None = Field(None, description=WORDS_THAT_AGREE)


class CollectionBody(CollectionChange):
    """A collection to be made."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"name": "docs", "default_acl": ["everyone"]}]}
    )

    name: CollectionName
    chunk_tokens: int | None = Field(
        None, ge=MIN_CHUNK_TOKENS, le=MAX_CHUNK_TOKENS, description="Longest passage, in tokens."
    )


class CollectionView(Response):
    """A collection."""

    name: str
    encoder: str
    default_acl: list[str]
    chunk_tokens: int
    dictionary: list[str]
    synonyms: list[list[str]]
    last_seq: int
    plan_id: int | None = Field(description="The serving plan; null: the built-in default.")
    created_at: datetime


class CollectionDetail(CollectionView):
    """A collection with what it holds and how fresh it is."""

    documents: int
    chunks: int
    searchable_seq: int
    lag: int


class CollectionPage(Response):
    """A page of collections, by name."""

    collections: list[CollectionView]
    next_cursor: str | None


class KeyBody(Request):
    """A key to be made."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"name": "intranet", "scope": "read", "collections": ["docs"], "days": 90}]},
    )

    name: Line = ""
    scope: Scope = Scope.READ
    collections: Annotated[list[CollectionName], Field(max_length=1000)] | None = Field(
        None, description="Only these; null: all."
    )
    groups: Groups = Field(default_factory=list, description="Groups whose documents it reads, beside everyone's.")
    expires_at: Moment | None = None
    days: Annotated[int, Field(ge=1, le=MAX_DAYS, description="Expires after so many days; `expires_at` wins.")] = 365


class KeyView(Response):
    """A key without its secret."""

    id: str
    name: str
    scope: Scope
    collections: list[str] | None
    groups: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewKey(KeyView):
    """A new key; `key` is shown only now."""

    key: str


class KeyPage(Response):
    """A page of keys, oldest first."""

    keys: list[KeyView]
    next_cursor: str | None


class LetterRow(Response):
    """The row that a dead letter tells of, beside the one that is stored."""

    table: str
    key: str = Field(description="Empty where the message does not tell.")
    received: dict[str, Any] | None = Field(description="null: a deletion, or not to be understood.")
    stored: dict[str, Any] | None = Field(description="The row as it was known before; null: not at all.")
    stored_position: str | None
    needed: list[str] = Field(description="The columns that the mapping names.")


class LetterDocument(Response):
    """The document that searches still find while a newer one waits as a dead letter."""

    key: str
    title: str
    version: int
    as_of: datetime


class LetterHeader(Response):
    """A header of a message, as text."""

    name: str
    value: str


class DeadLetterView(Response):
    """An input that could not become a document."""

    id: int
    source: str
    key: str
    reason: str
    remedy: str
    position: str | None
    topic: str | None = Field(None, description="Of Kafka; null for what came another way.")
    partition: int | None = None
    offset: int | None = None
    message_key: str | None = None
    headers: list[LetterHeader] = Field([], description="Of the message, such as the former key of a row.")
    at: datetime
    payload: str | None = Field(None, description="What was received, as text; only when one letter is asked for.")
    row: LetterRow | None = Field(None, description="Of live databases; only when one letter is asked for.")
    document: LetterDocument | None = Field(None, description="Only when one letter is asked for.")


class ReplayFailure(Response):
    """A letter that failed again."""

    id: int
    key: str
    reason: str


class Replay(Response):
    """What became of dead letters that were tried once more."""

    replayed: int = Field(description="Letters that are settled now.")
    failed: int = Field(description="Letters that failed again; each says why.")
    failures: list[ReplayFailure] = Field(description="The first 20 of them.")
    next_cursor: str | None = Field(None, description="For the letters after these; null when all were tried.")


class DroppedLetters(Response):
    """How many dead letters were forgotten."""

    dropped: int


class DeadLetterPage(Response):
    """A page of dead letters, in the order they came."""

    dead_letters: list[DeadLetterView]
    next_cursor: str | None
