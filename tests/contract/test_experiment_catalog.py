"""Experiments as either database keeps them: pages, and the best of their trials."""

from __future__ import annotations

from retrieval.catalog import Catalog, Collection


def test_pages_are_newest_first_and_go_on_after_an_experiment(catalog: Catalog, handbook: Collection) -> None:
    experiments = catalog.experiments
    for seed in range(5):
        experiments.create(handbook, {"seed": seed})
    whole = experiments.all(handbook)
    assert sorted(one.request["seed"] for one in whole) == list(range(5))
    first = experiments.page(handbook, 2)
    assert first + experiments.page(handbook, 9, (first[-1].created_at, first[-1].id)) == whole
    assert experiments.page(handbook, 2, (whole[-1].created_at, whole[-1].id)) == []


def test_the_best_trial_is_the_best_on_all_questions(catalog: Catalog, handbook: Collection) -> None:
    experiments = catalog.experiments
    record = experiments.create(handbook, {})
    assert experiments.best(record.id) is None
    for number, whole in enumerate((0.25, None, 0.5, 0.125), start=1):
        experiments.append(record.id, number, {"reward": 0.9, "whole": whole})
    assert experiments.best(record.id) == 0.5
