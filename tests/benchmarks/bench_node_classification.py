"""Accuracy of node classification on the Planetoid graphs' public split, over many seeds.

    python -m tests.benchmarks.bench_node_classification --seeds 20 --json [--sets cora] [--models grand,gcn]

Chosen on validation, tested once a seed. Prints a table and, with --json, writes node_classification.json beside this
file; what was not asked for keeps its entry. A seed of GRAND takes a quarter of a minute (Citeseer) to five minutes
(Cora) on one thread; `--workers 8` trains eight seeds at a time, each on a thread of its own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from search_core.models.graph_config import GraphLMConfig
from search_core.tasks.node_classification import NodeResult, train_graph_lm, train_random_propagation
from search_core.tasks.planetoid import NodeTask, read_planetoid
from search_core.tasks.random_propagation import CITESEER, CORA
from tests.benchmarks.machine import DATA, machine

RESULTS = Path(__file__).with_name("node_classification.json")
GRAND = {"cora": CORA, "citeseer": CITESEER}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "mlp": {"operator": "none", "depth": 1},
    "sgc": {"operator": "sgc", "depth": 1},
    "appnp": {"operator": "appnp", "depth": 1, "hops": 10},
    "gcn": {"operator": "gcn", "depth": 2},
    "sage": {"operator": "sage", "depth": 2},
    "gat": {"operator": "gat", "depth": 2},
    "gin": {"operator": "gin", "depth": 2, "normalisation": "batch"},
}


def main() -> None:
    """Train, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--sets", default=",".join(GRAND))
    parser.add_argument("--models", default="grand")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with ProcessPoolExecutor(asked.workers, initializer=partial(torch.set_num_threads, 1)) as pool:
        for name in asked.sets.split(","):
            for model in asked.models.split(","):
                results.setdefault(name, {})[model] = measure(pool, name, model, asked.seeds)
                if asked.json:
                    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def one_seed(name: str, model: str, seed: int) -> NodeResult:
    """A model on a graph, in a process of its own."""
    task = read_planetoid(DATA / f"planetoid_{name}")
    return trainer(task, name, model)[1](seed)


def trainer(task: NodeTask, name: str, model: str) -> tuple[dict[str, Any], Callable[[int], NodeResult]]:
    """What is trained, and how for one seed."""
    if model == "grand":
        options = GRAND[name]
        return asdict(options), lambda seed: train_random_propagation(task, options, seed)
    plain = {"width": 64, "fusion": "none", "dropout": 0.5, "input_dropout": 0.5} | ARCHITECTURES[model]
    config = GraphLMConfig(inputs=task.features.shape[1], outputs=task.classes, **plain)
    return config.to_dict(), lambda seed: train_graph_lm(task, config, seed)


def measure(pool: ProcessPoolExecutor, name: str, model: str, seeds: int) -> dict[str, Any]:
    """The entry of one model on one graph; accuracies in per cent."""
    options, _ = trainer(read_planetoid(DATA / f"planetoid_{name}"), name, model)
    title, runs = f"{name:9} {model:6}", []
    for run in pool.map(partial(one_seed, name, model), range(seeds)):
        runs.append(run)
        print(f"{title} seed {run.seed:2} validation {run.validation:.3f} test {run.test:.3f}", flush=True)
    tests = [100 * run.test for run in runs]
    entry = {
        "options": options,
        "seeds": seeds,
        "test_mean": round(mean(tests), 2),
        "test_spread": round(stdev(tests), 2) if seeds > 1 else None,
        "test_least_and_most": [round(min(tests), 1), round(max(tests), 1)],
        "validation_mean": round(100 * mean(run.validation for run in runs), 2),
        "cpu_seconds_per_seed": round(mean(run.cpu_seconds for run in runs), 1),
        "machine": machine(),
        "tests": [round(value, 1) for value in tests],
    }
    print(f"{title} {entry['test_mean']} +- {entry['test_spread']} over {seeds} seeds", flush=True)
    return entry


if __name__ == "__main__":
    main()
