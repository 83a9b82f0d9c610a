"""Dashboards and alerts ask for metrics that the processes expose, in their kind, by labels that they have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.core import Metric
from test_compose import alerts, expressions

from api.knowledge_base import KnowledgeBase
from api.services import Services
from api.telemetry.beat_metrics import BeatMetrics
from api.telemetry.worker_metrics import WorkerMetrics
from infra.settings import load_settings

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "telemetry.md"
ROW = re.compile(r"^\| `(\w+)` \|([\w, ]*)\|", re.MULTILINE)
SAMPLES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}  # of other kinds: the name itself
METRIC = re.compile(r"\b(?:kb|process)_[a-z_]+")
GROUPED = re.compile(r"\bby \(([\w, ]*)\)")
SELECTED = re.compile(r"(\w+)(?==~?\")")
SHOWN = re.compile(r"\$labels\.(\w+)")
OF_SCRAPES = {"instance", "job"}  # which Prometheus adds


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Metric]]:
    """What all processes expose, whether there are samples or not."""
    settings = load_settings(data_dir=tmp_path_factory.mktemp("data"), encoder="hash")
    with KnowledgeBase.open(settings) as kb:
        registries = (Services.of(kb, settings).metrics.registry, WorkerMetrics().registry, BeatMetrics().registry)
        yield [family for registry in registries for family in registry.collect()]


def labels_of(samples: set[str]) -> set[str]:
    """The labels that all of these have, as the page says; a test compares it with what is exposed."""
    listed = {name: set(re.findall(r"\w+", labels)) for name, labels in ROW.findall(PAGE.read_text("utf-8"))}
    found = [
        listed[name] | {"le"} if (name := sample.removesuffix("_bucket")) != sample else listed[sample]
        for sample in samples
        if sample.startswith("kb_")
    ]
    return OF_SCRAPES.union(set.intersection(*found) if found else ())


def test_what_is_asked_for_is_exposed(families: list[Metric]) -> None:
    exposed = {family.name + suffix for family in families for suffix in SAMPLES.get(family.type, ("",))}
    asked = {name for expression in expressions() for name in METRIC.findall(expression)}
    assert asked and asked <= exposed, f"not exposed: {sorted(asked - exposed)}"


def test_what_is_grouped_and_selected_by_are_labels() -> None:
    for expression in expressions():
        used = {label for group in GROUPED.findall(expression) for label in re.findall(r"\w+", group)}
        used |= set(SELECTED.findall(expression))
        known = labels_of(set(METRIC.findall(expression)))
        assert used <= known, f"{expression}: no labels {sorted(used - known)}"


def test_alerts_tell_what_is_left_of_the_labels() -> None:
    for rule in alerts():
        shown, grouped = set(SHOWN.findall(rule["annotations"]["summary"])), GROUPED.findall(rule["expr"])
        left = set(re.findall(r"\w+", grouped[0])) if grouped else labels_of(set(METRIC.findall(rule["expr"])))
        assert shown <= left, f"{rule['alert']}: nothing stands for {sorted(shown - left)}"


def test_a_dashboard_or_an_alert_asks_for_each_measure_of_a_source(families: list[Metric]) -> None:
    asked = {name for expression in expressions() for name in METRIC.findall(expression)}
    of_sources = {family.name for family in families if family.name.startswith("kb_source_")}
    assert of_sources and of_sources <= asked, f"nobody looks at {sorted(of_sources - asked)}"
