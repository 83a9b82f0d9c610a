"""The table of former versions; the catalog's other tables are in `schema`."""

from __future__ import annotations

import sqlalchemy as sa

from retrieval.catalog.columns import UtcTime
from retrieval.catalog.schema import METADATA

document_versions = sa.Table(  # as they were before their text changed or was deleted
    "document_versions",
    METADATA,
    sa.Column("collection_id", sa.Integer, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("uri", sa.Text),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("acl", sa.JSON(none_as_null=True)),
    sa.Column("committed_at", UtcTime),
    sa.Column("cataloged_at", UtcTime, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("outline", sa.JSON, nullable=False),
    sa.Column("replaced_at", UtcTime, nullable=False),
    sa.ForeignKeyConstraint(
        ["collection_id", "number"], ["documents.collection_id", "documents.number"], ondelete="CASCADE"
    ),
)
