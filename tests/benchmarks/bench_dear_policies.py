"""The policies on the graph tier, where a trial is dear: a table of all rewards, measured once and then replayed.

    python -m tests.benchmarks.bench_dear_policies --work FOLDER [--sets cranfield,musique_hipporag] [--seeds 10]

As in tabular benchmarks of architecture search (NAS-Bench-101, Ying et al. 2019) a small space is measured whole: each
of its architectures is trained once on each set, on questions to fit, and its reward is nDCG@10 of the default plan
with the refined vectors on other questions. Policies are then replayed against the table with every seed, so that all
of them meet the same rewards. A run ends when the processor time of its trials, as it was measured, and of the policy
itself reaches the budget: so many mean trials. `controller, warm` has read random trials on the other sets, never on
its own. Writes dear_policies.json beside this file, the table after each training; what is there is not trained again.

With `--series 6` it replays series of short runs instead, as an installation makes them one after the other: the
lessons stay the same, and the controller's picks and draws add up until it is known whether it is to lead.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.evaluation.metrics import randomisation_test
from retrieval.evaluation.runs import read_qrels, read_queries
from retrieval.graph import CorpusGraph, build_graph
from retrieval.plan import DEFAULT_PLAN
from search_core.corpus.legs import CachedLegs, ask_legs
from search_core.corpus.snapshot import read_snapshot
from search_core.models.retrieval_gnn import fit_graph_lm
from search_core.policy import NO_BRIEFING, POLICIES, Briefing, Earlier, Policy, Trial
from search_core.policy.contract import Accountable
from search_core.policy.standing import MIN_DRAWS, MIN_PICKS
from search_core.spaces.architecture import Architecture
from search_core.spaces.counting import Counting
from search_core.spaces.scalar import Scalar
from search_core.spaces.space import SearchSpace
from search_core.spaces.space_file import open_space
from search_core.stages.encoder_mapping import narrowed
from search_core.stages.graph_mapping import config_of, edges_of, graph_space, training_of
from search_core.stages.labels import Judged, judged_rows
from tests.benchmarks.bench_quality import DATA, SETS, ingest, one_of
from tests.benchmarks.machine import circumstances

RESULTS = Path(__file__).with_name("dear_policies.json")
QUESTIONS = 200  # of a set, evenly spread; three in five to fit, the rest to score
EPOCHS = 6
BUDGETS = (6, 12)  # mean trials of the set
RUNS, REQUESTS, AT_ONCE = 5, 9, 3  # of a series; of a run of the graph tier; asked before the policy is told
ARCHIVED = 24  # random trials on each other set, for the warm start
POLICY_NAMES = ("random", "even", "evolution", "tpe", "controller", "controller, warm")
HELD: dict[str, Scalar] = {
    "graph.depth": 1,
    "graph.entity_edges": False,
    "graph.structure_edges": True,
    "graph.link_edges": True,
    "graph.edge_weights": "score",
    "graph.width": 128,
    "graph.residual": True,
    "graph.normalisation": "layer",
    "graph.aggregation": "mean",
    "graph.temperature": 0.05,
}
OPEN: dict[str, tuple[Scalar, ...]] = {
    "graph.operator_1": ("propagation", "gcn", "sage", "gat"),
    "graph.fusion": ("gate", "sum"),
    "graph.learning_rate": (0.001, 0.003),
}

Table = dict[str, list[float]]  # architecture -> reward, processor seconds


def main() -> None:
    """Measure what is missing, replay, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="data folder to build in and to reuse")
    parser.add_argument("--sets", default="musique_hipporag,cranfield")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--series", type=int, default=0, help="how many series of short runs to replay instead")
    parser.add_argument("--replay", default="", help="of these, the sets to replay; all by default")
    asked = parser.parse_args()
    space, names = small_space(), asked.sets.split(",")
    for name in names:
        table = known()["tables"].get(name, {"rewards": {}})
        if len(table["rewards"]) < Counting(space).size:
            measure(name, asked.work, space, table)
    for name in asked.replay.split(",") if asked.replay else names:
        about = {other: known()["tables"][other] for other in names}
        if asked.series:
            results = known()
            results["series"][name] = in_series(space, name, about, asked.series) | circumstances()
            write(results)
            print(name, json.dumps(results["series"][name], indent=1), flush=True)
            continue
        row = replayed(space, name, about, asked.seeds)
        results = known()
        results["replays"][name] = row | {"seeds": asked.seeds, "epochs": EPOCHS} | circumstances()
        write(results)
        print(line(name, about[name], row), flush=True)


def known() -> dict[str, Any]:
    """What is measured so far."""
    return {"tables": {}, "replays": {}, "series": {}} | (json.loads(RESULTS.read_text()) if RESULTS.exists() else {})


def small_space() -> SearchSpace:
    """64 architectures of one layer: operator, fusion, learning rate, dense edges, word edges."""
    space = graph_space(open_space("gnn-lm-v1"))
    known = {decision.name for decision in space.decisions}
    return narrowed(space.held({name: value for name, value in HELD.items() if name in known}), OPEN)


def measure(name: str, work: Path, space: SearchSpace, table: dict[str, Any]) -> None:
    """Train each architecture once; one thread."""
    os.environ["KB_ENCODER_THREADS"] = "1"
    folder, judgements = SETS[name]
    ingest(name, one_of(DATA / folder / "corpus.jsonl"), work)
    texts, judged = (
        read_queries(one_of(DATA / folder / "queries.jsonl")),
        read_qrels(one_of(DATA / folder / judgements)),
    )
    asked = [EvalQuery(key, texts[key], grades) for key, grades in judged.items()]
    asked = asked[:: max(1, len(asked) // QUESTIONS)][:QUESTIONS]
    with KnowledgeBase.open(Settings(data_dir=work, encoder_threads=1)) as kb:
        encoder = kb.open_encoder(kb.settings.encoder)
        legs = ask_legs(read_snapshot(kb.catalog, kb.catalog.collections.get(name)), encoder, asked)
        told = f"find documents that answer questions such as: {' '.join(question.text for question in asked[:5])}"
        table["profile"] = [round(float(number), 5) for number in encoder.encode_queries([told])[0]]
    fit = [place for place in range(len(asked)) if place % 5 < 3]
    choose = legs.only([place for place in range(len(asked)) if place % 5 >= 3])
    graph, labels = build_graph(legs.snapshot.chunks, legs.snapshot.vectors), judged_rows(legs, fit)
    table["start"] = float(choose.score(DEFAULT_PLAN).mean())
    counting = Counting(space)
    for architecture in map(counting.at, range(counting.size)):
        if architecture.digest not in table["rewards"]:
            began = time.process_time()
            reward = trained(architecture, legs.only(fit), choose, graph, labels)
            table["rewards"][architecture.digest] = [round(reward, 6), round(time.process_time() - began, 2)]
            results = known()
            results["tables"][name] = table
            write(results)


def trained(
    architecture: Architecture, fit: CachedLegs, choose: CachedLegs, graph: CorpusGraph, labels: Judged
) -> float:
    """The reward of one architecture."""
    vectors, edges = fit.snapshot.vectors, edges_of(architecture, graph)
    config = config_of(architecture, int(vectors.shape[1]), edges.kinds)
    training = replace(training_of(architecture, EPOCHS), batch=32)
    fitted = fit_graph_lm(vectors, edges, fit.query_vectors, labels, config, 0, 600.0, training)
    return float(choose.with_chunk_vectors(fitted.vectors()).score(DEFAULT_PLAN).mean())


def replayed(space: SearchSpace, name: str, about: dict[str, Any], seeds: int) -> dict[str, Any]:
    """For each policy and budget the best reward of each seed; `about` has the tables and profiles of all sets."""
    tables: dict[str, Table] = {one: table["rewards"] for one, table in about.items()}
    others = tuple(
        Earlier(tuple(about[other]["profile"]), tuple(random_trials(space, tables[other])))
        for other in tables
        if other != name
    )
    briefing = Briefing(tuple(about[name]["profile"]), others)
    mean = statistics.fmean(seconds for _, seconds in tables[name].values())
    found: dict[str, Any] = {}
    for policy in POLICY_NAMES:
        told = briefing if policy.endswith("warm") else NO_BRIEFING
        runs = [run(policy.partition(",")[0], space, seed, told, tables[name], mean) for seed in range(seeds)]
        found[policy] = {str(budget): [one[at] for one in runs] for at, budget in enumerate(BUDGETS)}
    return found


def random_trials(space: SearchSpace, table: Table) -> list[Trial]:
    """What an earlier run would have left; its seed is none of those compared."""
    drawn = POLICIES.create("random", space, 1000).ask(ARCHIVED)
    return [Trial(one, table[one.digest][0], table[one.digest][1]) for one in drawn]


def run(name: str, space: SearchSpace, seed: int, told: Briefing, table: Table, mean: float) -> list[float]:
    """The best reward at each budget of processor time, the policy's own included."""
    began = time.process_time()
    policy = POLICIES.create(name, space, seed, told)
    spent = time.process_time() - began
    found: list[tuple[float, float]] = []  # when it was known, reward
    while spent < BUDGETS[-1] * mean:
        began = time.process_time()
        asked = policy.ask(1)
        spent += time.process_time() - began
        if not asked:
            break
        reward, seconds = table[asked[0].digest]
        spent += seconds
        found.append((spent, reward))
        began = time.process_time()
        policy.tell([Trial(asked[0], reward, seconds)])
        spent += time.process_time() - began
    return [max([reward for at, reward in found if at <= budget * mean] or [found[0][1]]) for budget in BUDGETS]


def in_series(space: SearchSpace, name: str, about: dict[str, Any], count: int) -> dict[str, Any]:
    """For good and misleading lessons, run by run over all series: who wins, the best reward, who stepped back."""
    table, profile = about[name]["rewards"], tuple(about[name]["profile"])
    misled = [replace(trial, reward=-trial.reward) for trial in random_trials(space, table)]
    lessons = {other: random_trials(space, about[other]["rewards"]) for other in about if other != name}
    found: dict[str, Any] = {}
    for told, trials in (lessons | {"misleading": misled}).items():
        earlier = (Earlier(profile, tuple(trials)),)
        runs = [short_runs(space, table, Briefing(profile, earlier), 100 * one) for one in range(count)]
        found[told] = [
            {
                "win_rate": round(statistics.fmean(report["win_rate"] for report, _ in nth), 3),
                "best": round(statistics.fmean(best for _, best in nth), 4),
                "known": sum(report["picks"] >= MIN_PICKS and report["draws"] >= MIN_DRAWS for report, _ in nth),
                "back": sum(report["steps_back"] for report, _ in nth),
            }
            for nth in zip(*runs, strict=True)
        ]
    drawn = [short_run(POLICIES.create("random", space, seed), table)[1] for seed in range(100)]
    found["random"] = {"best": round(statistics.fmean(drawn), 4), "spread": round(statistics.pstdev(drawn), 4)}
    return found | {"series": count}


def short_runs(space: SearchSpace, table: Table, told: Briefing, seed: int) -> list[tuple[dict[str, Any], float]]:
    """The report and the best reward of each run of a series; each is told of the picks and draws before it."""
    record: list[tuple[Trial, ...]] = []
    found = []
    for number in range(RUNS):
        policy = POLICIES.create("controller", space, seed + number, replace(told, record=tuple(record)))
        assert isinstance(policy, Accountable)
        trials, best = short_run(policy, table)
        record.append(tuple(policy.accounted(trials)))
        found.append((policy.report(), best))
    return found


def short_run(policy: Policy, table: Table) -> tuple[list[Trial], float]:
    """Its trials and the best reward."""
    made: list[Trial] = []
    while len(made) < REQUESTS:
        trials = [Trial(one, table[one.digest][0], table[one.digest][1]) for one in policy.ask(AT_ONCE)]
        policy.tell(trials)
        made += trials
    return made, max(trial.reward for trial in made)


def write(results: dict[str, Any]) -> None:
    """Beside this file."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def line(name: str, table: dict[str, Any], row: dict[str, Any]) -> str:
    """The set's lines of the table: mean and spread by policy and budget, and p against random."""
    best = max(reward for reward, _ in table["rewards"].values())
    told = [f"{name}: start {table['start']:.4f}, best of {len(table['rewards'])} {best:.4f}"]
    for policy, found in row.items():
        cells = []
        for budget, rewards in found.items():
            p_value = randomisation_test(rewards, row["random"][budget], seed=0) if policy != "random" else 1.0
            cells.append(f"{statistics.fmean(rewards):.4f} ±{statistics.pstdev(rewards):.4f} (p {p_value:.3f})")
        told.append(f"  {policy:18}" + "  ".join(cells))
    return "\n".join(told)


if __name__ == "__main__":
    main()
