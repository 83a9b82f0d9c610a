"""docs/telemetry.md lists the metrics that exist, each with its labels and kind, and no other."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from api_world import world
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from api.telemetry.beat_metrics import BeatMetrics
from api.telemetry.job_metrics import JobMetrics
from api.telemetry.worker_metrics import WorkerMetrics
from ingest.kafka.observer import Applied, Lag
from retrieval.catalog import Catalog, Outcome
from retrieval.catalog.rollouts import Stage
from retrieval.plan import Plan
from retrieval.types import Document

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "telemetry.md"
PROCESSES = "serve|worker|serve, celery worker|celery beat"
ROW = re.compile(rf"^\| `(kb_\w+)` \|([\w, ]*)\| ({PROCESSES}) \| \S.* \|$", re.MULTILINE)


def exposed(families: list[Metric]) -> dict[str, set[str]]:
    """Metric as the page names it -> its labels, as far as there are samples."""
    found: dict[str, set[str]] = {}
    for family in families:
        if family.name.startswith("kb_"):
            name = family.name + ("_total" if family.type == "counter" else "")
            found[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
    return found


def listed(process: str) -> dict[str, set[str]]:
    rows = ROW.findall(PAGE.read_text("utf-8"))
    assert len(rows) == len({name for name, *_ in rows}), "a metric is listed twice"
    return {name: set(re.findall(r"\w+", labels)) for name, labels, of in rows if process in of.split(", ")}


def compare(documented: dict[str, set[str]], found: dict[str, set[str]]) -> None:
    assert documented.keys() == found.keys()
    for name, labels in found.items():
        assert not labels or labels == documented[name], name


def roll_out(catalog: Catalog) -> None:
    """A rollout of which one search was counted."""
    docs, plan = catalog.collections.get("docs"), Plan(top=5)
    stored = catalog.plans.add(docs, "candidate", plan.to_dict(), plan.digest, "test")
    options = {"unit": "session", "advance_after": 0}
    rollout = catalog.rollouts.begin(docs, stored.id, Stage.SHADOW, 0.1, options, "test", "")
    catalog.rollouts.add(rollout.id, Stage.SHADOW, {("serving", "searches"): 1.0, ("pair", "pairs"): 1.0})


def test_the_metrics_of_a_server(tmp_path: Path) -> None:
    with world(tmp_path) as served:
        served.search("warranty")
        served.kb.write("docs", [Document("x", "y", source="s", committed_at=datetime.now(UTC))], wait=True)
        served.app.state.services.searchable.stop()  # its own look must not come between
        served.app.state.services.searchable.look()
        served.app.state.services.metrics.jobs.job("verify", "succeeded", 1.0)
        roll_out(served.kb.catalog)
        found = exposed(list(served.app.state.services.metrics.registry.collect()))
    compare(listed("serve"), found)
    assert found["kb_searchable_seconds"] == {"collection", "source"}
    for name, labels in found.items():  # those of live sources have no samples here
        assert labels or name.startswith(("kb_source_", "kb_jobs", "kb_schedules_")), name


def test_the_metrics_of_a_worker() -> None:
    metrics, now = WorkerMetrics(), datetime.now(UTC)
    stages, outcomes = {"map": 0.1}, Counter([Outcome.CREATED])
    metrics.applied(Applied("c", "s", 1, outcomes, 1, stages, [now], now, 1, 1))
    metrics.lag({("c", "s"): Lag({("t", 0): 1})})
    metrics.stopped_for("a server is away", 1.0)
    found = exposed(list(metrics.registry.collect()))
    compare(listed("worker"), found)
    assert [name for name, labels in found.items() if not labels] == ["kb_worker_outages_total"]
    check_process(metrics.registry)


def test_the_metrics_of_a_worker_of_jobs() -> None:
    metrics = JobMetrics()
    compare(listed("celery worker"), exposed(list(metrics.registry.collect())))
    check_process(metrics.registry)


def test_the_metrics_of_a_beat() -> None:
    metrics = BeatMetrics()
    compare(listed("celery beat"), exposed(list(metrics.registry.collect())))
    check_process(metrics.registry)


def check_process(registry: CollectorRegistry) -> None:
    told = {sample.name for family in registry.collect() for sample in family.samples}
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total"} <= told, "the dashboard shows them"
