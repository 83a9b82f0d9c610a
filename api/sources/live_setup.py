"""What a live source has at the servers: topics, publication, password file, connector; made, changed, removed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from api.sources.connect_secrets import ConnectSecrets
from infra.secrets import SecretBox
from infra.settings import Settings, SettingsError
from ingest.connect import names
from ingest.connect.address import DatabaseAddress
from ingest.connect.client import ConnectClient, ConnectorStatus
from ingest.connect.configuration import CLASSES, connector_config
from ingest.connect.database import open_database
from ingest.connect.inspection import Capture, Leftover
from ingest.connect.postgres_columns import check_logged
from ingest.connect.tables import unneeded_columns
from ingest.connect.topics import Topics
from ingest.errors import IngestError, SourceError
from ingest.table_mapping import TablesMapping
from retrieval.errors import RetrievalError

logger = logging.getLogger(__name__)

START_SECONDS = 30.0  # how long a connector may take until it streams or gives up
TRACE_LINES = 3
READS = ("IN_PROGRESS", "COMPLETED")  # notifications of a snapshot whose rights and definitions sufficed

Undo = Callable[[str, Callable[[], object]], None]


@contextmanager
def compensation(address: DatabaseAddress) -> Iterator[Undo]:
    """Takes back, last first, what was noted, when the block fails; what cannot be taken back joins the message."""
    steps: list[tuple[str, Callable[[], object]]] = []
    try:
        yield lambda what, step: steps.append((what, step))
    except BaseException as error:
        left = [what for what, step in reversed(steps) if not _taken_back(what, step)]
        if left and isinstance(error, IngestError | RetrievalError):
            error.args = (f"{error}; and these could not be removed again: {', '.join(left)}", *error.args[1:])
        logger.warning(
            "source at %s failed; taken back: %d of %d steps", address.shown, len(steps) - len(left), len(steps)
        )
        raise


def _taken_back(what: str, step: Callable[[], object]) -> bool:
    try:
        step()
    except (IngestError, RetrievalError, OSError) as error:
        logger.error("%s could not be removed after a failure: %s", what, error)
        return False
    return True


class LiveSetup:
    """Works at Kafka, Kafka Connect and the databases; the catalog is its caller's."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def configured(self) -> bool:
        """Whether the settings name Kafka and Kafka Connect."""
        return bool(self._settings.connect_url and self._settings.kafka_bootstrap_servers)

    def connect(self, scrub: Callable[[str], str] = lambda text: text) -> ConnectClient:
        """Kafka Connect; what it says is repeated as `scrub` makes it."""
        return ConnectClient(self._settings.connect_url, scrub)

    def topics(self) -> Topics:
        """Kafka."""
        return Topics(self._settings.kafka_bootstrap_servers)

    def encrypted(self, address: DatabaseAddress) -> bytes | None:
        """The password as it is stored."""
        return SecretBox.of(self._settings).encrypt(address.password) if address.password else None

    def decrypted(self, url: str, stored: bytes | None, source: str) -> DatabaseAddress:
        """The address with its password. Raises `SourceError` where that cannot be read."""
        address = DatabaseAddress.parse(url)
        if stored is None:
            return address
        try:
            box = SecretBox.of(self._settings)
            return address.with_password(box.decrypt(stored, f"the password of source {source!r}"))
        except SettingsError as error:
            raise SourceError(str(error)) from error

    def check_connect(self, address: DatabaseAddress) -> None:
        """Raises `SourceError` where Kafka Connect is not there, or cannot read such a database."""
        with self.connect(address.scrub) as connect:
            if CLASSES[address.engine] not in connect.plugins():
                raise SourceError(
                    f"Kafka Connect has no connector {CLASSES[address.engine]}; "
                    f"install Debezium's connector for {address.engine} in its plugin path and restart it"
                )

    def check_database(self, address: DatabaseAddress, mapping: TablesMapping) -> list[str]:
        """The columns that need not be read. Raises `SourceError` with everything that keeps a source from working."""
        inspection = open_database(address).inspect(sorted(mapping.all_tables))
        if not inspection.ok:
            problems = "; ".join(finding.text for finding in inspection.errors)
            raise SourceError(f"database {address.shown} cannot be a live source: {problems}")
        unneeded = unneeded_columns(address, mapping)
        check_logged(address, mapping)
        return unneeded

    def attach(
        self,
        config: Mapping[str, Any],
        address: DatabaseAddress,
        tables: Sequence[str],
        excluded: Sequence[str],
        know: Callable[[Capture], object],
        undo: Undo,
    ) -> None:
        """Topics, publication and connector; returns when it streams. `know` is told what is held before it is."""
        prefix, topics, database = config["topic_prefix"], self.topics(), open_database(address)
        undo(f"topics {prefix}.*", lambda: topics.delete(prefix))
        topics.create(prefix, address.engine, tables, config["partitions"])
        capture = database.prepare(prefix, tables, excluded)
        undo(f"what {prefix} holds at the database", lambda: _require_none(database.release(capture)))
        know(capture)
        undo(f"connector {prefix}", lambda: self._remove_connector(prefix))
        self.configure(prefix, address, capture)

    def configure(self, prefix: str, address: DatabaseAddress, capture: Capture) -> None:
        """Make the connector, or change it; returns when it streams. Raises `SourceError` with its own reason."""
        password = ConnectSecrets(self._settings.connect_secrets_dir).put(prefix, address.password)
        config = connector_config(prefix, address, capture, password, self._settings.kafka_bootstrap_servers)
        with self.connect(address.scrub) as connect:
            connect.put(prefix, config)
            status = self._wait_started(connect, prefix, address, capture)
        if not status.running:
            raise SourceError(f"connector {prefix} does not run: {why(status)}")

    def detach(self, config: Mapping[str, Any], address: Callable[[], DatabaseAddress]) -> list[Leftover]:
        """Remove all of it, each thing for itself; what could not be reached comes back."""
        prefix, left = config["topic_prefix"], []
        try:
            self._remove_connector(prefix)
        except SourceError as error:
            left.append(Leftover(f"connector {prefix} in Kafka Connect", str(error)))
        left += self._release(config, address)
        try:
            self.topics().delete(prefix)
        except SourceError as error:
            left.append(Leftover(f"topics {prefix}.* in Kafka", str(error)))
        return left

    def _release(self, config: Mapping[str, Any], address: Callable[[], DatabaseAddress]) -> list[Leftover]:
        if "capture" not in config:
            return []
        capture = capture_of(config)
        try:
            return open_database(address()).release(capture)
        except IngestError as error:
            statements = open_database(DatabaseAddress.parse(config["url"])).release_by_hand(capture)
            return [Leftover("what the source holds at its database", str(error), statements)] if statements else []

    def _remove_connector(self, prefix: str) -> None:
        with self.connect() as connect:
            connect.delete(prefix)
        ConnectSecrets(self._settings.connect_secrets_dir).remove(prefix)

    def _wait_started(
        self, connect: ConnectClient, prefix: str, address: DatabaseAddress, capture: Capture
    ) -> ConnectorStatus:
        """Its status once it reads, or gave up: a task is "running" before it has its slot, or may read a table."""
        database, topics = open_database(address), self.topics()

        def reads(status: ConnectorStatus) -> bool:
            if not status.running:
                return status.failed
            if capture.slot:
                return bool(database.progress(capture)["slot_exists"])
            if any(connect.offsets(prefix)):
                return True
            return any(told.get("type") in READS for told in topics.notifications(prefix))

        return connect.wait(prefix, reads, START_SECONDS)


def _require_none(leftovers: Sequence[Leftover]) -> None:
    if leftovers:
        raise SourceError("; ".join(f"{left.what}: {left.why}; run: {left.sql}" for left in leftovers))


def capture_of(config: Mapping[str, Any]) -> Capture:
    """What the source's connector reads and holds."""
    stored = config["capture"]
    return Capture(**stored | {"tables": tuple(stored["tables"]), "excluded": tuple(stored["excluded"])})


def with_capture(config: Mapping[str, Any], capture: Capture) -> dict[str, Any]:
    """The configuration that remembers it."""
    return {**config, "capture": asdict(capture)}


def new_names(name: str) -> dict[str, str]:
    """The names of a source that is attached anew."""
    prefix = names.new_prefix(name)
    return {"topic_prefix": prefix, "connector": prefix}


def why(status: ConnectorStatus) -> str:
    """The first lines of a trace, and its causes."""
    lines = [line.strip() for line in status.trace.splitlines()]
    told = [line for line in lines if line and not line.startswith(("at ", "..."))]
    causes = [line for line in told if line.startswith("Caused by: ")]
    chosen = [*told[:1], *causes[-TRACE_LINES:]]
    return "; ".join(dict.fromkeys(chosen)) or f"connector {status.state}, task {status.task_state}"
