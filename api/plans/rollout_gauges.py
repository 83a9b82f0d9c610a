"""Rollouts for Prometheus: of each collection the newest, as all processes counted it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.knowledge_base import KnowledgeBase
from retrieval.catalog.rollouts import RUNNING, Stage

ARMS = ("serving", "candidate")
COUNTED = {"searches": "kb_rollout_searches", "errors": "kb_rollout_errors", "empty": "kb_rollout_empty"}
MEANINGS = {
    "searches": "Searches by either plan.",
    "errors": "Searches by either plan that failed.",
    "empty": "Searches by either plan without a hit.",
}


class RolloutGauges(Collector):
    """Looked at when somebody scrapes."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb

    def describe(self) -> Iterator[Metric]:
        """Nothing at registration: the catalog is not asked before a scrape."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The gauges."""
        labels = ("collection", "stage", "arm")
        counted = {name: GaugeMetricFamily(COUNTED[name], MEANINGS[name], labels=labels) for name in COUNTED}
        overlap = GaugeMetricFamily(
            "kb_rollout_overlap", "Mean share of the first 10 documents that both plans found.", labels=("collection",)
        )
        back = GaugeMetricFamily(
            "kb_rollout_rolled_back", "1: the newest rollout went back by itself.", labels=("collection",)
        )
        names = {one.id: one.name for one in self._kb.catalog.collections.all()}
        for rollout in self._kb.catalog.rollouts.newest():
            name = names.get(rollout.collection_id, "")
            counts = self._kb.catalog.rollouts.counts(rollout.id)
            back.add_metric((name,), rollout.stage is Stage.ROLLED_BACK)
            for stage in RUNNING:
                sums = counts.get(stage, {})
                for measure, gauge in counted.items():
                    for arm in ARMS if sums else ():
                        gauge.add_metric((name, stage.value, arm), sums.get((arm, measure), 0.0))
                if pairs := sums.get(("pair", "pairs")):
                    overlap.add_metric((name,), sums.get(("pair", "overlap"), 0.0) / pairs)
        yield from (*counted.values(), overlap, back)
