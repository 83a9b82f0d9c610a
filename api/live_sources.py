"""Live databases as sources: the one service behind `/v1/sources` and `kb sources`.

Creating makes, in this order and undone in the reverse one where a step fails: the collection, the source's row
(paused), its topics, the publication, the file with the password, the connector; then the source is active.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

from api.connect_secrets import ConnectSecrets
from api.knowledge_base import KnowledgeBase
from infra.secrets import SecretBox
from infra.settings import SettingsError
from ingest.connect import names
from ingest.connect.address import HIDDEN, DatabaseAddress
from ingest.connect.client import ConnectClient, ConnectorStatus
from ingest.connect.configuration import CLASSES, connector_config
from ingest.connect.database import open_database
from ingest.connect.inspection import Capture, Inspection, Leftover
from ingest.connect.tables import TableInfo, list_tables, unneeded_columns
from ingest.connect.topics import Topics
from ingest.errors import IngestError, MappingError, SourceError, SourceOutageError
from ingest.table_mapping import TablesMapping, parse_mapping
from retrieval.catalog import Collection, Commit
from retrieval.catalog.sources import SourceRecord, SourceState
from retrieval.errors import ConflictError, RetrievalError
from retrieval.types import Deletion

logger = logging.getLogger(__name__)

KIND = "database"
START_SECONDS = 30.0  # how long a new connector may take until it streams or gives up
SETTLE_SECONDS = 2.0  # workers look every second which sources they shall read
DELETE_AT_ONCE = 1_000  # documents of one transaction
TRACE_LINES = 3

TableForms = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion did, and what it could not reach."""

    documents: int
    leftovers: list[Leftover]


class LiveSources:
    """Creates, watches and removes live sources of one knowledge base."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb
        self._settings = kb.settings
        self._sources = kb.catalog.sources

    def test(self, url: str, tables: Sequence[str] = ()) -> Inspection:
        """Whether a source could stream from that database. Raises `SourceError`, `SourceOutageError`."""
        return open_database(DatabaseAddress.parse(url)).inspect(tables)

    def tables(self, url: str) -> list[TableInfo]:
        """The tables there that could be mapped."""
        return list_tables(DatabaseAddress.parse(url))

    def create(self, collection: str, name: str, url: str, tables: TableForms) -> SourceRecord:
        """A source that streams. Where any step fails, what was made before is taken back.

        Raises `ConflictError`, `MappingError`, `SourceError`, `SourceOutageError`.
        """
        address = DatabaseAddress.parse(url)
        mapping = parse_mapping({"tables": dict(tables)})
        with self._connect(address) as connect, _compensation(address) as undo:
            found = self._collection(collection, undo)
            self._check_free(found, name, mapping)
            self._check_connect(connect, address)
            excluded = self._check_database(address, mapping)
            prefix = names.new_prefix(name)
            record = self._make_row(found, name, address, tables, prefix)
            undo("the source's row", lambda: self._sources.delete(record))
            capture = self._make_capture(record, prefix, address, mapping, excluded, undo)
            self._make_connector(connect, prefix, address, capture, undo)
            config = record.config | {"capture": asdict(capture)}
            return self._sources.change(record, config=config, state=SourceState.ACTIVE.value)

    def get(self, collection: Collection, name: str) -> SourceRecord:
        """A live source. Raises `NotFoundError`, and `ConflictError` where the source is of another kind."""
        record = self._sources.get(collection, name)
        if record.kind != KIND:
            raise ConflictError(
                f"source {name!r} is of kind {record.kind!r}, not a live database; it has no connector to look after"
            )
        return record

    def address(self, record: SourceRecord) -> DatabaseAddress:
        """Where a source's database is, with its password. Raises `SourceError` where that cannot be read."""
        address = DatabaseAddress.parse(record.config["url"])
        stored = self._sources.secret(record)
        if stored is None:
            return address
        try:
            box = SecretBox.of(self._settings)
            return address.with_password(box.decrypt(stored, f"the password of source {record.name!r}"))
        except SettingsError as error:
            raise SourceError(str(error)) from error

    def delete(self, record: SourceRecord, documents: Literal["delete", "keep"] = "delete") -> Deleted:
        """Remove a source wherever it left anything. What cannot be reached now is told, with the SQL to run.

        Running it again, for example after a crash, goes on where it ended.
        """
        record = self._sources.change(record, state=SourceState.DELETING.value)
        leftovers = self._remove_outside(record)
        time.sleep(SETTLE_SECONDS)
        collection = self._collection_of(record)
        gone = self._delete_documents(collection, record) if documents == "delete" else 0
        self._sources.forget_positions(collection, record.name)
        self._sources.delete(record)
        if documents == "delete":
            gone += self._delete_documents(collection, record)  # of a worker that was late
        return Deleted(gone, leftovers)

    def _collection(self, name: str, undo: Undo) -> Collection:
        known = {collection.name for collection in self._kb.catalog.collections.all()}
        if name not in known:
            self._kb.create_collection(name)
            undo(f"collection {name}", lambda: self._kb.drop_collection(name))
        return self._kb.catalog.collections.get(name)

    def _collection_of(self, record: SourceRecord) -> Collection:
        return next(one for one in self._kb.catalog.collections.all() if one.id == record.collection_id)

    def _check_free(self, collection: Collection, name: str, mapping: TablesMapping, but: int | None = None) -> None:
        """Names of sources, and the tables whose rows are documents, are unique in a collection."""
        for other in self._sources.all(collection):
            if other.id == but:
                continue
            if other.name == name:
                raise ConflictError(
                    f"source {name!r} exists already in collection {collection.name!r}; "
                    "delete it or choose another name"
                )
            shared = sorted(set(other.config.get("tables", {})) & set(mapping.tables)) if other.kind == KIND else []
            if shared:
                raise ConflictError(
                    f"table {', '.join(shared)} is mapped by source {other.name!r} of collection {collection.name!r} "
                    "already; map it once, or use another collection"
                )

    def _check_connect(self, connect: ConnectClient, address: DatabaseAddress) -> None:
        if CLASSES[address.engine] not in connect.plugins():
            raise SourceError(
                f"Kafka Connect has no connector {CLASSES[address.engine]}; "
                f"install Debezium's connector for {address.engine} in its plugin path and restart it"
            )

    def _check_database(self, address: DatabaseAddress, mapping: TablesMapping) -> list[str]:
        """The columns that need not be read. Raises `SourceError` with everything that keeps a source from working."""
        inspection = open_database(address).inspect(sorted(mapping.all_tables))
        if not inspection.ok:
            problems = "; ".join(finding.text for finding in inspection.errors)
            raise SourceError(f"database {address.shown} cannot be a live source: {problems}")
        return unneeded_columns(address, mapping)

    def _make_row(
        self, collection: Collection, name: str, address: DatabaseAddress, tables: TableForms, prefix: str
    ) -> SourceRecord:
        config = {
            "engine": address.engine,
            "url": address.plain,
            "database": address.database,
            "tables": dict(tables),
            "topic_prefix": prefix,
            "connector": prefix,
            "partitions": self._settings.topic_partitions,
        }
        secret = SecretBox.of(self._settings).encrypt(address.password) if address.password else None
        record = self._sources.create(collection, name, KIND, config, secret, SourceState.PAUSED)
        logger.info("source %s of %s: connecting %s as %s", name, collection.name, address.shown, prefix)
        return record

    def _make_capture(
        self,
        record: SourceRecord,
        prefix: str,
        address: DatabaseAddress,
        mapping: TablesMapping,
        excluded: Sequence[str],
        undo: Undo,
    ) -> Capture:
        """Topics, and what the database must have; the row knows it before the connector does."""
        topics, database, tables = self._topics(), open_database(address), sorted(mapping.all_tables)
        undo(f"topics {prefix}.*", lambda: topics.delete(prefix))
        topics.create(prefix, address.engine, tables, record.config["partitions"])
        capture = database.prepare(prefix, tables, excluded)
        undo(f"what {prefix} holds at the database", lambda: _require_none(database.release(capture)))
        self._sources.change(record, config=record.config | {"capture": asdict(capture)})
        return capture

    def _make_connector(
        self, connect: ConnectClient, prefix: str, address: DatabaseAddress, capture: Capture, undo: Undo
    ) -> None:
        secrets = ConnectSecrets(self._settings.connect_secrets_dir)
        undo("the connector's password file", lambda: secrets.remove(prefix))
        password = secrets.put(prefix, address.password)
        undo(f"connector {prefix}", lambda: connect.delete(prefix))
        servers = self._settings.kafka_bootstrap_servers
        connect.create(prefix, connector_config(prefix, address, capture, password, servers))
        status = self._wait_started(connect, prefix, address, capture)
        if not status.running:
            raise SourceError(f"connector {prefix} does not run: {_why(status)}")

    def _wait_started(
        self, connect: ConnectClient, prefix: str, address: DatabaseAddress, capture: Capture
    ) -> ConnectorStatus:
        """Its status once it reads, or gave up: a task is "running" before it has its slot."""
        database = open_database(address)

        def reads(status: ConnectorStatus) -> bool:
            held = status.running and database.progress(capture).get("slot_exists", True)
            return bool(held) or status.failed

        return connect.wait(prefix, reads, START_SECONDS)

    def _remove_outside(self, record: SourceRecord) -> list[Leftover]:
        """The connector, then what it held at the database, then its topics; each for itself."""
        prefix, left = record.config["topic_prefix"], []
        try:
            with self._connect() as connect:
                connect.delete(record.config["connector"])
        except (SourceError, SourceOutageError) as error:
            left.append(Leftover(f"connector {record.config['connector']} in Kafka Connect", str(error)))
        left += self._release(record)
        try:
            self._topics().delete(prefix)
        except (SourceError, SourceOutageError) as error:
            left.append(Leftover(f"topics {prefix}.* in Kafka", str(error)))
        ConnectSecrets(self._settings.connect_secrets_dir).remove(prefix)
        return left

    def _release(self, record: SourceRecord) -> list[Leftover]:
        if "capture" not in record.config:
            return []
        capture = capture_of(record)
        database = open_database(DatabaseAddress.parse(record.config["url"]))
        try:
            return open_database(self.address(record)).release(capture)
        except IngestError as error:
            statements = database.release_by_hand(capture)
            return [Leftover("what the source holds at its database", str(error), statements)] if statements else []

    def _delete_documents(self, collection: Collection, record: SourceRecord) -> int:
        """Without a position, and as nobody's: what a later source sends under these keys counts."""
        keys = sorted(self._kb.catalog.documents.keys(collection, record.name))
        for start in range(0, len(keys), DELETE_AT_ONCE):
            deletions = [Deletion(key, "") for key in keys[start : start + DELETE_AT_ONCE]]
            self._kb.catalog.writer.commit(collection.id, Commit(deletions))
        return len(keys)

    def _connect(self, address: DatabaseAddress | None = None) -> ConnectClient:
        return ConnectClient(self._settings.connect_url, address.scrub if address else lambda text: text)

    def _topics(self) -> Topics:
        return Topics(self._settings.kafka_bootstrap_servers)


Undo = Callable[[str, Callable[[], object]], None]


@contextmanager
def _compensation(address: DatabaseAddress) -> Iterator[Undo]:
    """Takes back, last first, what was noted, when the block fails; what cannot be taken back joins the message."""
    steps: list[tuple[str, Callable[[], object]]] = []
    try:
        yield lambda what, step: steps.append((what, step))
    except BaseException as error:
        left = [what for what, step in reversed(steps) if not _taken_back(what, step)]
        if left and isinstance(error, IngestError | RetrievalError):
            error.args = (f"{error}; and these could not be removed again: {', '.join(left)}", *error.args[1:])
        logger.warning("source at %s was not created; taken back: %d steps", address.shown, len(steps) - len(left))
        raise


def _taken_back(what: str, step: Callable[[], object]) -> bool:
    try:
        step()
    except (IngestError, RetrievalError, OSError) as error:
        logger.error("%s could not be removed after a failure: %s", what, error)
        return False
    return True


def _require_none(leftovers: Sequence[Leftover]) -> None:
    if leftovers:
        raise SourceError("; ".join(f"{left.what}: {left.why}; run: {left.sql}" for left in leftovers))


def capture_of(record: SourceRecord) -> Capture:
    """What the source's connector reads and holds."""
    stored = record.config["capture"]
    return Capture(**stored | {"tables": tuple(stored["tables"]), "excluded": tuple(stored["excluded"])})


def source_view(record: SourceRecord, collection: str) -> dict[str, Any]:
    """A live source as it is shown: without any password."""
    config = record.config
    address = DatabaseAddress.parse(config["url"])
    shown = {"name": record.name, "collection": collection, "kind": record.kind, "state": record.state.value}
    shown |= {"engine": config["engine"], "url": address.with_password(HIDDEN).shown, "tables": config["tables"]}
    return shown | {"topic_prefix": config["topic_prefix"], "updated_at": record.updated_at}


def mapping_of(record: SourceRecord) -> TablesMapping:
    """The source's mapping. Raises `MappingError`."""
    try:
        return parse_mapping({"tables": record.config["tables"]})
    except KeyError:
        raise MappingError(f"source {record.name!r} has no mapping; create it again") from None


def _why(status: ConnectorStatus) -> str:
    """The first lines of a trace, and its causes."""
    lines = [line.strip() for line in status.trace.splitlines()]
    told = [line for line in lines if line and not line.startswith("at ") and not line.startswith("...")]
    return "; ".join(told[:TRACE_LINES]) or f"connector {status.state}, task {status.task_state}"
