"""Live databases as sources: the one service behind `/v1/sources` and `kb sources`.

Creating makes, in this order and undone in the reverse one where a step fails: the collection, the source's row
(paused), its topics, the publication, the file with the password, the connector; then the source is active.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from api.knowledge_base import KnowledgeBase
from api.serving.exclusive import exclusively
from api.sources.asking_again import BLOCKING, INCREMENTAL, Snapshot, ask, kind_of, watermarks
from api.sources.gone_rows import remove_gone
from api.sources.live_changes import chosen_tables, table_uses, tables_to_read
from api.sources.live_setup import LiveSetup, Undo, capture_of, compensation, new_names, with_capture
from api.sources.names import check_free, lease_name
from api.sources.removal import Fate, delete_documents, remove_source, remove_unbrought
from api.sources.snapshot_notifications import may_hold_rows
from infra.hiding import HIDDEN
from ingest.connect.address import DatabaseAddress
from ingest.connect.client import ConnectClient
from ingest.connect.column_types import column_types
from ingest.connect.database import open_database
from ingest.connect.inspection import Capture, Finding, Inspection, Leftover
from ingest.connect.preview import PreviewResult, preview
from ingest.connect.tables import TableInfo, list_tables
from ingest.errors import IngestError, SourceError, SourceOutageError
from ingest.kafka.live_sources import LIVE, mapping_of
from ingest.row_values import link_value
from ingest.sources.column_kinds import read_alike
from ingest.table_mapping import TableForms, TablesMapping, mapping_of_tables
from retrieval.catalog import Collection
from retrieval.catalog.sources import SourceRecord, SourceState, being_deleted
from retrieval.errors import ConflictError, NotFoundError, OutageError

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 2.0  # workers look every second which sources they shall read


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion did, and what it could not reach."""

    documents: int
    leftovers: list[Leftover]

    def to_dict(self) -> dict[str, Any]:
        """As it is shown."""
        return {"deleted_documents": self.documents, "leftovers": [asdict(left) for left in self.leftovers]}


class LiveSources:
    """Creates, watches and removes live sources of one knowledge base."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb
        self._sources = kb.catalog.sources
        self.setup = LiveSetup(kb.settings)

    def test(self, url: str, tables: Sequence[str] = ()) -> Inspection:
        """Whether a source could stream from that database; that it cannot be reached is a finding too."""
        address = DatabaseAddress.parse(url)
        try:
            return open_database(address).inspect(tables)
        except SourceError as error:
            return Inspection(address.engine, "", {}, [Finding("connection", "error", str(error))])

    def tables(self, url: str) -> list[TableInfo]:
        """The tables there that could be mapped. Raises `SourceError`."""
        with named_by_caller():
            return list_tables(DatabaseAddress.parse(url))

    def tables_of(self, record: SourceRecord) -> list[TableInfo]:
        """The tables of a source's database, mapped or not."""
        return list_tables(self.address(record))

    def preview(self, url: str, tables: TableForms, limit: int) -> PreviewResult:
        """The documents that a mapping makes of the first rows. Raises `MappingError`, `SourceError`."""
        with named_by_caller():
            return preview(DatabaseAddress.parse(url), mapping_of_tables(tables), limit)

    def preview_of(self, record: SourceRecord, tables: TableForms, limit: int) -> PreviewResult:
        """The same of the database that a source reads, with the password that is stored."""
        with named_by_caller():
            return preview(self.address(record), mapping_of_tables(tables), limit)

    def create(self, collection: str, name: str, url: str, tables: TableForms) -> SourceRecord:
        """A source that streams. Where any step fails, what was made before is taken back.

        Raises `ConflictError`, `MappingError`, `SourceError`, `SourceOutageError`.
        """
        address = DatabaseAddress.parse(url)
        mapping = mapping_of_tables(tables)
        for there in self._kb.catalog.collections.all():
            if there.name == collection:
                check_free(self._kb, there, mapping, name=name)
        self.setup.check_connect(address)
        with named_by_caller():
            excluded = self.setup.check_database(address, mapping)
        with compensation(address) as undo:
            found = self._collection(collection, undo)
            record = self._make_row(found, name, address, tables)
            undo("the source's row", lambda: self._sources.delete(record))
            return self._attach(record, address, mapping, excluded, undo)

    def get(self, collection: Collection, name: str) -> SourceRecord:
        """A live source. Raises `NotFoundError`, and `ConflictError` where the source is of another kind."""
        record = self._sources.get(collection, name)
        if record.kind != LIVE:
            raise ConflictError(
                f"source {name!r} is of kind {record.kind!r}, not a live database; it has no connector to look after"
            )
        return record

    def address(self, record: SourceRecord) -> DatabaseAddress:
        """Where a source's database is, with its password. Raises `SourceError` where that cannot be read."""
        return self.setup.decrypted(record.config["url"], self._sources.secret(record), record.name)

    def connect(self, record: SourceRecord) -> ConnectClient:
        """Kafka Connect; what it says is repeated without the source's password, or not where that cannot be read."""
        if "url" not in record.config:
            return self.setup.connect()
        try:
            return self.setup.connect(self.address(record).scrub)
        except SourceError:
            return self.setup.connect(lambda _: HIDDEN)

    def pause(self, record: SourceRecord) -> SourceRecord:
        """Let connector and workers rest; what happens meanwhile is read after `resume`."""
        _refuse_deleting(record)
        with self.connect(record) as connect:
            connect.pause(record.config["connector"])
        return self._sources.change(record, state=SourceState.PAUSED.value)

    def resume(self, record: SourceRecord) -> SourceRecord:
        """Go on where it was paused."""
        _refuse_deleting(record)
        record = self.learn_types(record)  # first: a source that somebody else changes meanwhile stays paused
        with self.connect(record) as connect:
            connect.resume(record.config["connector"])
        return self._sources.change(record, state=SourceState.ACTIVE.value)

    def restart(self, record: SourceRecord) -> SourceRecord:
        """Start the connector again, for example after what made it fail was mended."""
        _require_active(record)
        record = self.learn_types(record)
        with self.connect(record) as connect:
            connect.restart(record.config["connector"])
        return record

    def learn_types(self, record: SourceRecord) -> SourceRecord:
        """Read events by the types that the columns have by now; a database that does not answer changes nothing.

        Raises `ConflictError` where the source was changed meanwhile.
        """
        known = record.config.get("types", {})
        try:
            types = known | column_types(self.address(record), sorted(mapping_of(record).all_tables))
        except IngestError as error:
            logger.warning("source %s: column types are those known before: %s", record.name, error)
            return record
        if types == known:
            return record
        if changed := ", ".join(sorted(table for table in types if not read_alike(known.get(table, {}), types[table]))):
            logger.warning(
                "source %s: columns of %s are read by other types than before; `kb verify --repair` gives values that "
                "were read by the former types their new form",
                record.name,
                changed,
            )
        return self._sources.change(record, unless_changed=True, config=record.config | {"types": types})

    def snapshot(
        self, record: SourceRecord, tables: Sequence[str] | None = None, *, full: bool = False, blocking: bool = False
    ) -> Snapshot:
        """Read tables again (default: all): every row comes once more, and streaming goes on, or waits if `blocking`.

        With `full` everything is read as if the source were new, and documents whose rows are not there any more
        are removed afterwards: after a restored backup, whose positions are lower than those stored.
        """
        chosen = chosen_tables(record, tables)
        if full:
            with self._alone(record) as record:
                return self._begin_anew(record, mapping_of(record))
        _require_active(record)
        topics, kind = self.setup.topics(), kind_of(capture_of(record.config), blocking=blocking)
        if kind == INCREMENTAL and may_hold_rows(topics.notifications(record.config["topic_prefix"])):
            kind = BLOCKING
        if kind == INCREMENTAL:
            with self.connect(record) as connect:
                learned = {"watermarks": watermarks(connect, topics, record.config, chosen)}
            self._sources.merge(record, {"topic_prefix": record.config["topic_prefix"]}, learned=learned)
            time.sleep(SETTLE_SECONDS)  # until workers know
        return self._ask(record, kind, chosen)

    def change(self, record: SourceRecord, tables: TableForms | None = None, url: str | None = None) -> SourceRecord:
        """Another mapping, another password or host. What the new mapping shows differently is read again.

        Documents of tables that are not mapped any more are deleted.
        """
        with self._alone(record) as record:
            return self._change(record, tables, url)

    def _change(self, record: SourceRecord, tables: TableForms | None, url: str | None) -> SourceRecord:
        _require_active(record)
        address = self.address(record) if url is None else same_database(record, DatabaseAddress.parse(url))
        before, capture = mapping_of(record), capture_of(record.config)
        after = before if tables is None else mapping_of_tables(tables)
        collection = self.collection_of(record)
        check_free(self._kb, collection, after, but=record.id)
        excluded, prefix = self.setup.check_database(address, after), record.config["topic_prefix"]
        with compensation(address) as undo:
            undo(f"the former configuration of {prefix}", lambda: self._configure_as_stored(record))
            self.setup.topics().add_tables(prefix, sorted(after.all_tables), record.config["partitions"])
            wanted = replace(capture, tables=tuple(sorted(after.all_tables)), excluded=tuple(excluded))
            capture_now = self._configure(prefix, address, capture, wanted)
            changes = with_capture({}, capture_now) | {"url": address.plain}
            changes |= {} if tables is None else {"tables": dict(tables)}
            again = sorted(tables_to_read(before, after, set(capture.excluded) - set(excluded)))
            learned: dict[str, Any] = {"types": column_types(address, after.all_tables)}
            kind = kind_of(capture_now, blocking=False)
            if again and kind == INCREMENTAL:
                with self.connect(record) as connect:
                    learned["watermarks"] = watermarks(connect, self.setup.topics(), record.config, again)
            changed = self._sources.merge(record, changes, learned=learned, secret=self.setup.encrypted(address))
        if before != after or set(capture.excluded) != set(excluded):
            time.sleep(SETTLE_SECONDS)  # until workers render by the new mapping
        for table in sorted(set(before.tables) - set(after.tables)):
            delete_documents(self._kb, collection, changed, table)
        # always: a change that was cut off here, and is asked for again, must not leave rows that nobody reads any more
        self._sources.refit(changed, table_uses(before, after, set(capture.excluded) ^ set(excluded)), link_value)
        if again:
            self._ask(changed, kind, again)
        return changed

    def _ask(self, record: SourceRecord, kind: str, tables: Sequence[str]) -> Snapshot:
        return ask(self.setup.topics(), record.config["topic_prefix"], kind, tables)

    def _configure(self, prefix: str, address: DatabaseAddress, held: Capture, wanted: Capture) -> Capture:
        capture = open_database(address).change(held, wanted.tables, wanted.excluded)
        self.setup.configure(prefix, address, capture)
        return capture

    def _configure_as_stored(self, record: SourceRecord) -> None:
        """As the catalog has it by now: whoever was slow must not take back what another has changed since."""
        with suppress(OutageError):
            record = self._sources.now(record)
        if record.state is not SourceState.DELETING and "capture" in record.config:
            held = capture_of(record.config)
            self._configure(record.config["topic_prefix"], self.address(record), held, held)

    @contextmanager
    def _alone(self, record: SourceRecord) -> Iterator[SourceRecord]:
        """The source as it is by now; inside the `with` nobody else changes what it has at the servers.

        Raises `ConflictError` while somebody does, `NotFoundError`.
        """
        with exclusively(self._kb.catalog.leases, lease_name(record), f"source {record.name!r} is being changed"):
            yield self._sources.now(record)

    def delete(self, record: SourceRecord, documents: Fate = "delete") -> Deleted:
        """Remove a source, live or not, wherever it left anything.

        What cannot be reached now is told, with the SQL to run. Running it again, for example after a crash, goes on
        where it ended.
        """
        collection = self.collection_of(record)
        if record.kind != LIVE:
            return Deleted(remove_source(self._kb, collection, record, documents), [])
        with self._alone(record):
            deleted = self._sources.change(record, state=SourceState.DELETING.value)
            time.sleep(SETTLE_SECONDS)
            leftovers = self.setup.detach(deleted.config, lambda: self.address(deleted))
            gone = remove_source(self._kb, collection, deleted, documents)
        if documents == "delete":
            gone += delete_documents(self._kb, collection, deleted)  # of a worker that was late
        return Deleted(gone, leftovers)

    def finish_rebuild(self, record: SourceRecord, *, interrupted: bool = False) -> int:
        """After everything was read to its end: remove the documents that this did not bring; how many.

        `interrupted`: rows that were read before it began once more may be gone. Raises `ConflictError` where the
        source was changed since `record`: look again.
        """
        collection = self.collection_of(record)
        if interrupted and (rows := remove_gone(self._kb, collection, record, self.address(record))):
            logger.info("source %s: %d rows went while its first reading was interrupted", record.name, rows)
        gone = remove_unbrought(self._kb, collection, record, mapping_of(record).tables)
        logger.info("source %s: everything is read; %d documents of before are gone with it", record.name, gone)
        return gone

    def collection_of(self, record: SourceRecord) -> Collection:
        """The collection that a source fills. Raises `NotFoundError` where it was deleted meanwhile."""
        for one in self._kb.catalog.collections.all():
            if one.id == record.collection_id:
                return one
        raise NotFoundError(f"the collection of source {record.name!r} was deleted meanwhile, and the source with it")

    def _attach(
        self,
        record: SourceRecord,
        address: DatabaseAddress,
        mapping: TablesMapping,
        excluded: Sequence[str],
        undo: Undo,
    ) -> SourceRecord:
        held: list[Capture] = []

        def know(capture: Capture) -> None:
            held.append(capture)
            self._sources.change(record, config=with_capture(record.config, capture))

        self.setup.attach(record.config, address, sorted(mapping.all_tables), excluded, know, undo)
        config = with_capture(record.config, held[-1]) | {"types": column_types(address, mapping.all_tables)}
        return self._sources.change(record, config=config, state=SourceState.ACTIVE.value)

    def _begin_anew(self, record: SourceRecord, mapping: TablesMapping) -> Snapshot:
        """Old names are given up, so that nothing of before can arrive; searches keep the documents meanwhile."""
        _refuse_deleting(record)
        address = self.address(record)
        self.setup.check_connect(address)
        excluded = self.setup.check_database(address, mapping)
        record = self._sources.change(record, state=SourceState.PAUSED.value)
        time.sleep(SETTLE_SECONDS)
        for left in self.setup.detach(record.config, lambda: address):
            logger.error(
                "source %s begins anew; %s is left behind: %s; run: %s", record.name, left.what, left.why, left.sql
            )
        config = {name: value for name, value in record.config.items() if name not in ("capture", "watermarks")}
        snapshot_id = str(uuid.uuid4())
        config |= new_names(record.name) | {"rebuilding": snapshot_id}
        record = self._sources.change(record, config=config)
        self._sources.forget_progress(record)
        collection = self.collection_of(record)
        self._sources.forget_positions(collection, record.name)
        if dropped := self._sources.drop_dead_letters(collection, record.name):
            logger.info("source %s begins anew; %d dead letters of before went", record.name, dropped)
        with compensation(address) as undo:
            self._attach(record, address, mapping, excluded, undo)
        return Snapshot(snapshot_id, "full", sorted(mapping.all_tables))

    def _collection(self, name: str, undo: Undo) -> Collection:
        known = {collection.name for collection in self._kb.catalog.collections.all()}
        if name not in known:
            self._kb.create_collection(name)
            undo(f"collection {name}", lambda: self._kb.drop_collection(name))
        return self._kb.catalog.collections.get(name)

    def _make_row(
        self, collection: Collection, name: str, address: DatabaseAddress, tables: TableForms
    ) -> SourceRecord:
        config: dict[str, Any] = {
            "engine": address.engine,
            "url": address.plain,
            "database": address.database,
            "tables": dict(tables),
        }
        config |= new_names(name) | {"partitions": self._kb.settings.topic_partitions}
        # Documents may be kept of a former source, and a reading that is interrupted begins anew: rows go meanwhile.
        config |= {"rebuilding": str(uuid.uuid4())}
        record = self._sources.create(collection, name, LIVE, config, self.setup.encrypted(address), SourceState.PAUSED)
        logger.info("source %s of %s: connecting %s", name, collection.name, address.shown)
        return record


@contextmanager
def named_by_caller() -> Iterator[None]:
    """A database that a request names and that does not answer is that request's trouble, not an outage of ours."""
    try:
        yield
    except SourceOutageError as error:
        raise SourceError(str(error)) from None


def _refuse_deleting(record: SourceRecord) -> None:
    if record.state is SourceState.DELETING:
        raise being_deleted(record)


def _require_active(record: SourceRecord) -> None:
    if record.state is not SourceState.ACTIVE:
        raise ConflictError(f"source {record.name!r} is {record.state.value}, expected active; resume it first")


def same_database(record: SourceRecord, address: DatabaseAddress) -> DatabaseAddress:
    """Another database has other rows and other positions."""
    if (address.engine, address.database) != (record.config["engine"], record.config["database"]):
        raise SourceError(
            f"source {record.name!r} reads {record.config['engine']} database {record.config['database']!r}, and the "
            f"new URL names {address.engine} database {address.database!r}; make another source for that"
        )
    return address
