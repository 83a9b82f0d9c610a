"""What an index of ours looks like: its settings, its fields, and how it is named."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from retrieval.elastic.terms import GROUPS_FIELD, PRESENT_FIELD, VALUES_FIELD
from retrieval.views.digests import DIGEST_FIELD

FORMAT = 2  # raise it with any change of fields or settings: indexes built before are then built again
MAX_WINDOW = 50_000  # hits of one search
GC_DELETES = "1h"  # how long a deletion keeps its version, against a writer that was asleep
OWNER = "catalog"  # in an index's _meta: a mark of the catalog whose view it is
INDEX_SUFFIX = "-1"
MAX_TOKEN_LENGTH = 8_000  # characters; a term of Lucene holds 32,766 bytes

Leg = Literal["sparse", "dense"]


@dataclass(frozen=True, slots=True)
class IndexName:
    """Where one view of one collection lives: searched and written through `alias`, kept in `index`.

    `made_by` says what built it, so that another analyzer, encoder or format is built beside and not mixed in.
    """

    collection: str  # unique among all catalogs that share the server, and valid in an index's name
    leg: Leg
    made_by: str

    @property
    def alias(self) -> str:
        """The name to search and write by."""
        digest = hashlib.sha256(f"{FORMAT} {self.made_by}".encode()).hexdigest()[:12]
        return f"{self.collection}-{self.leg}-{digest}"

    @property
    def index(self) -> str:
        """The index behind the alias."""
        return index_name(self.alias)


def words_name(collection: str, made_by: str, analyzer: str) -> IndexName:
    """Where the words are, by the analyzer's fingerprint and what the chunks were made by."""
    return IndexName(collection, "sparse", f"{made_by} {analyzer}")


def vectors_name(collection: str, made_by: str, *, quantised: bool) -> IndexName:
    """Where the vectors are, by the encoder's fingerprint."""
    return IndexName(collection, "dense", f"{made_by} {'int8' if quantised else 'float'}")


def index_name(alias: str) -> str:
    """The index behind an alias."""
    return f"{alias}{INDEX_SUFFIX}"


def template_name(alias: str) -> str:
    """The index template that shapes the index behind an alias."""
    return f"{alias}-template"


def template(name: IndexName, dim: int | None, replicas: int, quantised: bool, catalog: str) -> dict[str, Any]:
    """The index template. One shard: BM25 then knows every chunk, and what it keeps is ordered by one log.

    `catalog` marks whose the index is.
    """
    settings: dict[str, Any] = {
        "number_of_shards": 1,
        "number_of_replicas": replicas,
        "refresh_interval": "-1",  # a batch that was applied refreshes
        "gc_deletes": GC_DELETES,
        "max_result_window": MAX_WINDOW,
        "translog.durability": "request",
    }
    if name.leg == "sparse":
        settings["analysis"] = _whitespace_analysis()
    fields = _word_fields() if name.leg == "sparse" else _vector_fields(dim, quantised)
    return {
        "index_patterns": [f"{name.alias}-*"],
        "priority": 500,
        "template": {"settings": {"index": settings}, "mappings": {**_mappings(fields), "_meta": {OWNER: catalog}}},
    }


def _mappings(fields: dict[str, Any]) -> dict[str, Any]:
    keyword = {"type": "keyword", "doc_values": False, "index_options": "docs"}
    own: dict[str, Any] = {
        "label": {"type": "long"},
        "position": {"type": "long"},
        DIGEST_FIELD: {"type": "long", "index": False},  # kept as a doc value only: it goes where the words do
        GROUPS_FIELD: keyword,
        PRESENT_FIELD: keyword,
        VALUES_FIELD: keyword,
    }
    kept = ["label", "position", "vector"]  # what is ever read back
    return {"dynamic": "strict", "_source": {"includes": kept}, "properties": {**own, **fields}}


def _word_fields() -> dict[str, Any]:
    return {"body": {"type": "text", "analyzer": "tokens", "index_options": "freqs"}}


def _whitespace_analysis() -> dict[str, Any]:
    return {
        "analyzer": {"tokens": {"type": "custom", "tokenizer": "tokens"}},
        "tokenizer": {"tokens": {"type": "whitespace", "max_token_length": MAX_TOKEN_LENGTH}},
    }


def _vector_fields(dim: int | None, quantised: bool) -> dict[str, Any]:
    options = {"type": "int8_hnsw" if quantised else "hnsw", "m": 16, "ef_construction": 200}
    return {
        "vector": {
            "type": "dense_vector",
            "dims": dim,
            "index": True,
            "similarity": "cosine",
            "index_options": options,
        }
    }
