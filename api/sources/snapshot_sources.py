"""Databases that are read when somebody asks: no log, no Kafka, nothing held at the database between two readings.

Such a source has the mapping and the encrypted password of a live one. A reading is a job, so a schedule can repeat it.
"""

from __future__ import annotations

from typing import Any

from api.knowledge_base import KnowledgeBase
from api.sources.live_setup import LiveSetup
from api.sources.live_sources import named_by_caller, same_database
from api.sources.names import check_free
from api.sources.removal import delete_documents
from ingest.connect.address import DatabaseAddress
from ingest.connect.tables import unneeded_columns
from ingest.pipeline import Progress
from ingest.report import IngestReport
from ingest.row_mapper import RowMapper
from ingest.sources.sql import SqlSource
from ingest.table_mapping import TableForms, TablesMapping, mapping_of_tables
from retrieval.catalog import Collection
from retrieval.catalog.sources import SourceRecord
from retrieval.errors import ConflictError

SNAPSHOT = SqlSource.kind


class SnapshotSources:
    """Makes, reads and changes sources of kind `sql` of one knowledge base."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb
        self._sources = kb.catalog.sources
        self._setup = LiveSetup(kb.settings)

    def create(self, collection: str, name: str, url: str, tables: TableForms) -> SourceRecord:
        """A source that can be read; makes the collection if new.

        Raises `ConflictError`, `MappingError` for tables and columns that are not there, `SourceError`.
        """
        address = DatabaseAddress.parse(url)
        mapping = mapping_of_tables(tables)
        known = {one.name: one for one in self._kb.catalog.collections.all()}
        if collection in known:
            check_free(self._kb, known[collection], mapping, name=name)
        _check_columns(address, mapping)
        found = self._kb.ensure_collection(collection)
        return self._sources.create(found, name, SNAPSHOT, _config(address, tables), self._setup.encrypted(address))

    def read(
        self,
        collection: str,
        record: SourceRecord,
        progress: Progress | None = None,
        *,
        allow_mass_deletion: bool = False,
    ) -> IngestReport:
        """Read every row once more; what did not change costs next to nothing, rows that are gone are deleted.

        Where most of the documents would be, they stay unless allowed, and the report counts them as withheld.
        Raises `SourceOutageError`, `SourceError`, `MappingError`.
        """
        if "url" not in record.config:
            raise ConflictError(
                f"source {record.name!r} is read by a command, which knows its database: kb ingest URL --source "
                f"{record.name}"
            )
        address = self.address(record)
        mapping = mapping_of_tables(record.config["tables"])
        source = SqlSource(
            address.sqlalchemy().render_as_string(hide_password=False),
            mapping,
            record.name,
            connect_args=_tls(address),
        )
        rows = RowMapper(mapping, self._sources.rows(record), strict=True)
        return self._kb.ingest(
            collection, source, rows=rows, allow_mass_deletion=allow_mass_deletion, progress=progress
        )

    def change(
        self, collection: Collection, record: SourceRecord, tables: TableForms | None = None, url: str | None = None
    ) -> SourceRecord:
        """Another mapping, host or password; the next reading shows it. Documents of tables left out are deleted."""
        former = self.address(record)
        address = former if url is None else same_database(record, DatabaseAddress.parse(url))
        forms = record.config["tables"] if tables is None else dict(tables)
        mapping = mapping_of_tables(forms)
        check_free(self._kb, collection, mapping, but=record.id)
        _check_columns(address, mapping)
        for table in sorted(set(record.config["tables"]) - set(mapping.tables)):
            delete_documents(self._kb, collection, record, table)
        secret = self._setup.encrypted(address)
        return self._sources.change(record, config=_config(address, forms), secret=secret)

    def address(self, record: SourceRecord) -> DatabaseAddress:
        """Where the database is, with its password. Raises `SourceError` where that cannot be read."""
        return self._setup.decrypted(record.config["url"], self._sources.secret(record), record.name)


def _config(address: DatabaseAddress, tables: TableForms) -> dict[str, Any]:
    about = {"engine": address.engine, "url": address.plain, "database": address.database}
    return about | {"tables": dict(tables)}


def _check_columns(address: DatabaseAddress, mapping: TablesMapping) -> None:
    with named_by_caller():
        unneeded_columns(address, mapping)  # raises for tables and columns that are not there


def _tls(address: DatabaseAddress) -> dict[str, Any]:
    """What the driver must be told beside the URL."""
    if address.engine == "postgresql":
        return {}
    from ingest.connect.mysql import ssl_arguments

    return dict(ssl_arguments(address))
