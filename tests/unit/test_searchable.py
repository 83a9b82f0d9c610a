"""Freshness as it is measured: from the commit at the source, and in the catalog, to what searches see."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from api.knowledge_base import KnowledgeBase
from api.telemetry import searchable
from api.telemetry.searchable import SearchableMonitor
from infra.settings import load_settings
from retrieval.catalog import Collection
from retrieval.catalog.arrivals import Arrival
from retrieval.types import Deletion, Document

AGE = timedelta(seconds=40)  # of a change when it is written


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(load_settings(data_dir=tmp_path, encoder="hash")) as opened:
        opened.create_collection("docs")
        yield opened


def observed(registry: CollectorRegistry, name: str, source: str = "shop") -> tuple[float, float]:
    """How many observations, and their sum."""
    labels = {"collection": "docs", "source": source}
    count, total = (registry.get_sample_value(f"{name}_{part}", labels) for part in ("count", "sum"))
    return count or 0.0, total or 0.0


def document(key: str, source: str = "shop", age: timedelta | None = AGE) -> Document:
    committed_at = None if age is None else datetime.now(UTC) - age
    return Document(key, "A drive.", "Title", source=source, committed_at=committed_at)


def test_each_change_counts_once_by_its_source(kb: KnowledgeBase) -> None:
    registry = CollectorRegistry()
    kb.write("docs", [document("before anybody measured")], wait=True)
    kb.runtimes.forget("docs")
    monitor = SearchableMonitor(kb, registry)
    kb.runtime("docs")
    began = time.time()
    kb.write("docs", [document("a"), document("b")], wait=True)
    kb.write("docs", [Deletion("a", "shop", committed_at=datetime.now(UTC) - AGE)], wait=True)
    kb.write("docs", [document("c", source="files", age=None)], wait=True)
    monitor.look()
    monitor.look()
    spent = time.time() - began

    count, seconds = observed(registry, "kb_searchable_seconds")
    assert count == 2, "`b`, and the end of `a`, which was written again before the look"
    assert count * AGE.total_seconds() <= seconds <= count * (AGE.total_seconds() + spent)
    count, seconds = observed(registry, "kb_catalog_to_searchable_seconds")
    assert count == 2
    assert 0 <= seconds <= count * spent
    assert observed(registry, "kb_searchable_seconds", "files")[0] == 0, "nobody knows when it was committed"
    assert observed(registry, "kb_catalog_to_searchable_seconds", "files")[0] == 1


def test_the_moment_is_that_of_the_batch_that_showed_the_operation(kb: KnowledgeBase) -> None:
    seen: list[tuple[Collection, Arrival, float]] = []
    monitor = SearchableMonitor(kb, CollectorRegistry(), lambda *one: seen.append(one))
    kb.runtime("docs")
    between = []
    for key in "abc":
        kb.write("docs", [document(key)], wait=True)
        between.append(time.time())
    monitor.look()
    assert [arrival.key for _, arrival, _ in seen] == ["a", "b", "c"]
    moments = [at for *_, at in seen]
    assert all(at <= after for at, after in zip(moments, between, strict=True))
    assert all(after <= at for at, after in zip(moments[1:], between, strict=False))


def test_a_flood_is_measured_by_its_newest(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searchable, "MAX_OPERATIONS", 5)
    seen: list[str] = []
    monitor = SearchableMonitor(kb, CollectorRegistry(), lambda _, arrival, at: seen.append(arrival.key))
    kb.runtime("docs")
    kb.write("docs", [document(f"{number:02}") for number in range(20)], wait=True)
    monitor.look()
    assert seen == [f"{number:02}" for number in range(15, 20)]


def test_a_change_around_all_documents_is_nobodys_arrival(kb: KnowledgeBase) -> None:
    seen: list[str] = []
    monitor = SearchableMonitor(kb, CollectorRegistry(), lambda _, arrival, at: seen.append(arrival.key))
    kb.write("docs", [document("a")], wait=True)
    monitor.look()
    seen.clear()
    runtime = kb.runtime("docs")
    kb.catalog.collections.change_settings("docs", default_acl=("staff",))
    kb.wait_searchable("docs", kb.catalog.collections.last_seq(runtime.collection.id))
    monitor.look()
    assert seen == []
