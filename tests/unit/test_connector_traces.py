"""What Kafka Connect says of a source's connector never shows the password of its database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from change_events import live_source
from loopback_server import QuietHandler, serving

from api.knowledge_base import KnowledgeBase
from api.sources.live_sources import LiveSources
from api.sources.status import StatusReader
from infra.settings import Settings, load_settings
from ingest.connect.address import DatabaseAddress
from ingest.errors import SourceError
from retrieval.catalog.sources import SourceRecord

PASSWORD = "s3cret/word"
ADDRESS = DatabaseAddress.parse("postgresql://kb:s3cret%2Fword@db.example/shop")
TRACE = f"org.postgresql.util.PSQLException: {ADDRESS.sqlalchemy().render_as_string(False)}?password={PASSWORD} refused"


class FailedConnect(QuietHandler):
    """Kafka Connect with a connector whose task failed, and which cannot be resumed."""

    def do_GET(self) -> None:
        task = {"id": 0, "state": "FAILED", "trace": TRACE}
        self.reply(200, {"name": "kb-1", "connector": {"state": "RUNNING"}, "tasks": [task]})

    def do_PUT(self) -> None:
        self.reply(500, {"error_code": 500, "message": TRACE})


def settings(folder: Path, connect_url: str, key: str) -> Settings:
    return load_settings(data_dir=folder, encoder="hash", connect_url=connect_url, secret_key=key * 32)


@pytest.fixture
def connect_url() -> Iterator[str]:
    with serving(FailedConnect) as address:
        yield f"http://{address}"


def shop(kb: KnowledgeBase) -> SourceRecord:
    record = live_source(kb.catalog, kb.create_collection("c"), "shop", "kb-1")
    secret = LiveSources(kb).setup.encrypted(ADDRESS)
    return kb.catalog.sources.merge(record, {"url": ADDRESS.plain}, secret=secret)


def test_a_failed_connectors_trace_is_told_without_the_password(tmp_path: Path, connect_url: str) -> None:
    with KnowledgeBase.open(settings(tmp_path, connect_url, "a")) as kb:
        record = shop(kb)
        status = StatusReader(kb).read(record, thorough=False)
        assert "PSQLException" in status.connector.trace and "PSQLException" in status.problems[0]
        with pytest.raises(SourceError, match="PSQLException") as refused:
            LiveSources(kb).pause(record)
        told = json.dumps(status.to_dict(), default=str) + str(refused.value)
        assert PASSWORD not in told and "s3cret" not in told


def test_where_the_password_cannot_be_read_nothing_is_repeated(tmp_path: Path, connect_url: str) -> None:
    with KnowledgeBase.open(settings(tmp_path, connect_url, "a")) as kb:
        record = shop(kb)
    with KnowledgeBase.open(settings(tmp_path, connect_url, "b")) as kb:
        status = StatusReader(kb).read(record, thorough=False)
        assert status.connector.failed
        assert "s3cret" not in json.dumps(status.to_dict(), default=str)
