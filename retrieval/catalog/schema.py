"""The catalog's tables. SQLite and PostgreSQL run the same statements; JSON and times are stored portably."""

from __future__ import annotations

import sqlalchemy as sa

from retrieval.catalog.columns import MessageHeaders
from retrieval.catalog.schema_base import METADATA as METADATA
from retrieval.catalog.schema_base import UtcTime as UtcTime
from retrieval.catalog.schema_base import collection_key
from retrieval.catalog.schema_base import utc_now as utc_now
from retrieval.catalog.schema_quality import eval_queries as eval_queries
from retrieval.catalog.schema_quality import eval_runs as eval_runs
from retrieval.catalog.schema_quality import eval_sets as eval_sets
from retrieval.catalog.schema_quality import experiments as experiments
from retrieval.catalog.schema_quality import feedback as feedback
from retrieval.catalog.schema_quality import plan_switches as plan_switches
from retrieval.catalog.schema_quality import plans as plans
from retrieval.catalog.schema_quality import rollout_counts as rollout_counts
from retrieval.catalog.schema_quality import rollouts as rollouts
from retrieval.catalog.schema_quality import trials as trials

collections = sa.Table(
    "collections",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("generation_id", sa.Integer),  # THE pointer: the generation that serves; NULL only while being created
    # Advanced whenever what a commit must carry changes; a commit prepared before that is prepared again.
    sa.Column("epoch", sa.BigInteger, nullable=False, server_default="0"),
    # Counters, advanced under the row's lock: numbers are never reused, and seq order is commit order.
    sa.Column("last_seq", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("last_document", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("last_label", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("last_chunking", sa.Integer, nullable=False, server_default="1"),
    sa.Column("plan_id", sa.Integer),  # the serving plan; NULL: the built-in default
    sa.Column("created_at", UtcTime, nullable=False),
    sqlite_autoincrement=True,  # a dropped collection's number must not name a new one's view folder
)

generations = sa.Table(
    "generations",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    collection_key(),
    sa.Column("encoder", sa.Text, nullable=False),  # name; what opens it
    sa.Column("fingerprint", sa.Text, nullable=False),  # addresses its embeddings
    sa.Column("chunking", sa.Integer, nullable=False),  # which chunks are its own; several may share them
    sa.Column("settings", sa.JSON, nullable=False),  # chunker, chunk_tokens, dictionary, synonyms
    sa.Column("evidence", sa.JSON(none_as_null=True)),  # what it was compared by
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("ready_at", UtcTime),  # from then on it lacks nothing and may serve
    sa.Column("activated_at", UtcTime),  # last
    sa.Column("retired_at", UtcTime),  # from then on changes do not reach it
    sa.Index("ix_generations_collection_id", "collection_id"),
    sqlite_autoincrement=True,  # its number names a view folder
)

sources = sa.Table(
    "sources",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    collection_key(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("config", sa.JSON, nullable=False),
    sa.Column("cursor", sa.Text),  # how far it was read; written with the documents it produced
    sa.Column("secret", sa.LargeBinary),  # encrypted: the address with its credentials
    sa.Column("state", sa.Text, nullable=False, server_default="active"),  # active, paused, deleting
    # Advanced by every commit that stores rows: two workers that render joins from one state cannot both commit.
    sa.Column("rows_version", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.UniqueConstraint("collection_id", "name"),
)

source_offsets = sa.Table(
    "source_offsets",
    METADATA,
    sa.Column("source_id", sa.ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("next_offset", sa.BigInteger, nullable=False),  # written with the documents of what came before it
    sa.Column("committed_at", UtcTime),  # at the source, of the newest event before it
    sa.Column("updated_at", UtcTime, nullable=False),
)

source_tables = sa.Table(
    "source_tables",
    METADATA,
    sa.Column("source_id", sa.ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("columns", sa.JSON(none_as_null=True)),  # as last seen; NULL: never
    sa.Column("truncated_at", sa.Text),  # position; rows from before it are gone, however late they arrive
    sa.Column("updated_at", UtcTime, nullable=False),
)

source_notices = sa.Table(
    "source_notices",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("source_id", sa.ForeignKey("sources.id", ondelete="CASCADE"), nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # columns_added, columns_removed, …
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index("ix_source_notices_source_id", "source_id"),
    sqlite_autoincrement=True,
)

source_runs = sa.Table(
    "source_runs",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("source_id", sa.ForeignKey("sources.id", ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # reading, stream
    sa.Column("began_at", UtcTime, nullable=False),  # of a stream: the minute
    sa.Column("ended_at", UtcTime, nullable=False),
    sa.Column("outcomes", sa.JSON, nullable=False),  # outcome -> documents
    sa.Column("failed", sa.BigInteger, nullable=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("stages", sa.JSON, nullable=False),  # stage -> seconds
    sa.Column("error", sa.Text, nullable=False),
    sa.UniqueConstraint("source_id", "kind", "began_at"),
    sqlite_autoincrement=True,  # pages go on by number
)

source_rows = sa.Table(
    "source_rows",
    METADATA,
    sa.Column("source_id", sa.ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("row_key", sa.Text, primary_key=True),
    sa.Column("position", sa.Text, nullable=False),
    sa.Column("data", sa.JSON(none_as_null=True)),  # NULL: a tombstone
)

source_row_links = sa.Table(
    "source_row_links",
    METADATA,
    sa.Column("source_id", sa.ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("column_name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, primary_key=True),
    sa.Column("row_key", sa.Text, primary_key=True),
    sa.Index("ix_source_row_links_row", "source_id", "table_name", "row_key"),
)

documents = sa.Table(
    "documents",
    METADATA,
    sa.Column("collection_id", sa.ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("uri", sa.Text),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("acl", sa.JSON(none_as_null=True)),  # NULL: the collection's default
    sa.Column("position", sa.Text),  # kept on tombstones, so that a late change cannot revive the document
    sa.Column("content_hash", sa.Text, nullable=False),
    # Of title and text as they came, before mending: equal means no cleaning, no chunking, nothing to embed.
    sa.Column("input_hash", sa.Text, nullable=False, server_default=""),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("committed_at", UtcTime),  # at the source
    sa.Column("cataloged_at", UtcTime, nullable=False),
    sa.UniqueConstraint("collection_id", "key"),
    sa.Index("ix_documents_source", "collection_id", "source"),
)

document_texts = sa.Table(
    "document_texts",
    METADATA,
    sa.Column("collection_id", sa.Integer, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("outline", sa.JSON, nullable=False),
    sa.ForeignKeyConstraint(
        ["collection_id", "number"], ["documents.collection_id", "documents.number"], ondelete="CASCADE"
    ),
)

chunks = sa.Table(
    "chunks",
    METADATA,
    sa.Column("collection_id", sa.Integer, primary_key=True),
    sa.Column("label", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("document", sa.BigInteger, nullable=False),
    sa.Column("chunking", sa.Integer, nullable=False, server_default="1"),  # which way of cutting it belongs to
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("end", sa.Integer, nullable=False),
    sa.Column("page", sa.Integer),
    sa.Column("heading", sa.Text, nullable=False),
    sa.Column("text_hash", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(
        ["collection_id", "document"], ["documents.collection_id", "documents.number"], ondelete="CASCADE"
    ),
    sa.Index("ix_chunks_document", "collection_id", "document"),
)

embeddings = sa.Table(
    "embeddings",
    METADATA,
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("text_hash", sa.Text, primary_key=True),
    sa.Column("vector", sa.LargeBinary, nullable=False),  # float32, little endian
)

operations = sa.Table(
    "operations",
    METADATA,
    sa.Column("collection_id", sa.ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("document", sa.BigInteger, nullable=False),  # 0: an operation that changes nothing
    sa.Column("removed", sa.JSON, nullable=False),  # labels that left; those that came are in chunks
    sa.Column("at", UtcTime, nullable=False),
)

view_positions = sa.Table(
    "view_positions",
    METADATA,
    sa.Column("collection_id", sa.ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("holder", sa.Text, primary_key=True),  # which shared index, or which process
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
)

leases = sa.Table(
    "leases",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),  # what only one process may do
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("until", UtcTime, nullable=False),
)

dead_letters = sa.Table(
    "dead_letters",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    collection_key(),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("remedy", sa.Text, nullable=False),
    sa.Column("position", sa.Text),
    sa.Column("payload", sa.LargeBinary),
    # Where a message came from; NULL for what did not come over Kafka.
    sa.Column("topic", sa.Text),
    sa.Column("partition", sa.Integer),
    sa.Column("offset", sa.BigInteger),
    sa.Column("message_key", sa.LargeBinary),
    sa.Column("headers", MessageHeaders),
    sa.Column("at", UtcTime, nullable=False),
    sa.UniqueConstraint("collection_id", "source", "key"),  # the same failure seen again replaces the first
)

jobs = sa.Table(
    "jobs",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("collection", sa.Text, nullable=False),
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # queued, running, succeeded, failed, cancelled
    sa.Column("done", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("total", sa.BigInteger),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.Column("error", sa.Text, nullable=False, server_default=""),
    sa.Column("error_code", sa.Text, nullable=False, server_default=""),  # stable, of the kind of error
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("runner", sa.Text, nullable=False, server_default=""),  # the process that runs it
    sa.Column("heartbeat_at", UtcTime),  # a running job whose runner fell silent is queued again
    sa.Column("schedule", sa.Text, nullable=False, server_default=""),  # name of the schedule that asked for it
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.Column("finished_at", UtcTime),
)

schedules = sa.Table(
    "schedules",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),  # of the jobs it asks for
    sa.Column("collection", sa.Text, nullable=False),
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("every_seconds", sa.BigInteger, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("next_at", UtcTime, nullable=False),
    sa.Column("last_job", sa.Text, nullable=False, server_default=""),
    sa.Column("created_at", UtcTime, nullable=False),
)

api_keys = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),  # public part of the key
    sa.Column("secret_hash", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),  # read < write < admin
    sa.Column("collections", sa.JSON(none_as_null=True)),  # NULL: all
    sa.Column("groups", sa.JSON, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime),
    sa.Column("revoked_at", UtcTime),
)

audit = sa.Table(
    "audit",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("principal", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sqlite_autoincrement=True,  # a gap in the numbers must mean a deleted record
)
