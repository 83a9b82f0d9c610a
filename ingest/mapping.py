"""From rows to documents: the declarative mapping and what applies it. The rest of the folder is behind these names."""

from __future__ import annotations

from ingest.rendering import affected_parents, document_key, render
from ingest.row_mapper import RowMapper
from ingest.row_values import key_text
from ingest.rows import MemoryRows, RowStore
from ingest.table_mapping import Include, TableMapping, TablesMapping, load_mapping, parse_mapping

__all__ = [
    "Include",
    "MemoryRows",
    "RowMapper",
    "RowStore",
    "TableMapping",
    "TablesMapping",
    "affected_parents",
    "document_key",
    "key_text",
    "load_mapping",
    "parse_mapping",
    "render",
]
