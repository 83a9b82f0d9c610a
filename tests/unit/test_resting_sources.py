"""A source that rests is neither late nor down: what alerts go by is silent about it, whoever let it rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from change_events import live_source

from api.knowledge_base import KnowledgeBase
from api.overview_thread import OverviewThread
from api.readiness import Readiness
from api.sources.monitor import SourceGauges, SourceMonitor
from api.sources.status import SourceStatus
from api.telemetry.history import History
from infra.settings import load_settings
from ingest.connect.client import ConnectorStatus
from retrieval.catalog.sources import SourceRecord, SourceState

NOBODY = "http://127.0.0.1:1"  # nobody listens on port 1
SHOP = ("c", "shop")


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(load_settings(data_dir=tmp_path, encoder="hash", connect_url=NOBODY)) as opened:
        yield opened


@pytest.fixture
def shop(kb: KnowledgeBase) -> SourceRecord:
    return live_source(kb.catalog, kb.create_collection("c"), "shop", "kb-1")


def shown(monitor: SourceMonitor) -> dict[str, float]:
    return {family.name: sample.value for family in SourceGauges(monitor).collect() for sample in family.samples}


def test_while_kafka_connect_is_away_only_active_sources_are_down(kb: KnowledgeBase, shop: SourceRecord) -> None:
    monitor = SourceMonitor(kb)
    monitor.look()
    assert shown(monitor) == {"kb_source_connector_up": 0, "kb_source_dead_letters": 0}
    for state in (SourceState.PAUSED, SourceState.DELETING):
        shop = kb.catalog.sources.change(shop, state=state.value)
        monitor.look()
        assert shown(monitor) == {"kb_source_dead_letters": 0}, state


@pytest.mark.parametrize("state", ["STOPPED", "PAUSED"])
def test_a_connector_that_was_stopped_is_not_late(kb: KnowledgeBase, shop: SourceRecord, state: str) -> None:
    """We stop connectors; somebody else may pause one."""
    monitor = SourceMonitor(kb)

    def late(connector: ConnectorStatus) -> list[str]:
        monitor.seen = {SHOP: SourceStatus(connector, lag_events=20_000, lag_seconds=3_600.0)}
        return [alert.code for alert in OverviewThread(kb, monitor, Readiness(kb), History()).current().alerts]

    assert late(ConnectorStatus("RUNNING", "RUNNING")) == ["source_lag"]
    assert late(ConnectorStatus(state, "UNASSIGNED")) == []
    assert ConnectorStatus(state, "UNASSIGNED").paused
    kb.catalog.sources.change(shop, state=SourceState.PAUSED.value)
    assert late(ConnectorStatus("UNKNOWN", "UNKNOWN")) == []
