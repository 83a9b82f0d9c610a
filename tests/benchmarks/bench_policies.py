"""The policies beside each other at equal numbers of trials: rewards of the plan tier, scored from cached legs.

    python -m tests.benchmarks.bench_policies --work /tmp/policies [--sets cranfield,musique_hipporag] [--trials 40]

Documents go in by `kb ingest` and stay in the work folder, and so do rewards, so that a second run only chooses. A cell
is the mean over seeds of the best reward found, with the standard deviation, and how many seeds beat the mean of draws
that are even over architectures (`even`).
`controller, warm` has read random trials on the other sets, never on its own. Without data: `--sets synthetic`.
Writes policies.json beside this file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.evaluation.runs import read_qrels, read_queries
from retrieval.plan import DEFAULT_PLAN
from search_core.corpus.legs import CachedLegs, ask_legs
from search_core.corpus.snapshot import read_snapshot
from search_core.policy import NO_BRIEFING, POLICIES, Briefing, Earlier, Trial
from search_core.spaces.architecture import Architecture
from search_core.spaces.plan_mapping import plan_of, plan_space
from search_core.spaces.space import SearchSpace
from search_core.spaces.space_file import open_space
from search_core.testing import WIDE, reward_of
from tests.benchmarks.bench_quality import DATA, SETS, ingest, one_of
from tests.benchmarks.machine import circumstances

RESULTS = Path(__file__).with_name("policies.json")
QUESTIONS = 100  # of a set, evenly spread: what a first look in the plan tier asks
BATCH = 8  # asked at once, as the plan tier does
ARCHIVED = 60  # random trials on each other set, for the warm start
POLICY_NAMES = ("random", "even", "grid", "evolution", "tpe", "controller", "controller, warm")

Reward = Callable[[Architecture], float]


class Rewards:
    """A set's rewards, scored when first asked for and kept in a file."""

    def __init__(self, path: Path, legs: CachedLegs) -> None:
        self._path, self._legs = path, legs
        self._known: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}

    def __call__(self, architecture: Architecture) -> float:
        plan = plan_of(architecture, DEFAULT_PLAN)
        if plan.digest not in self._known:
            self._known[plan.digest] = float(self._legs.score(plan).mean())
        return self._known[plan.digest]

    def save(self) -> None:
        self._path.write_text(json.dumps(self._known))


def main() -> None:
    """Score what is missing, search, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="data folder to build in and to reuse")
    parser.add_argument("--sets", default="cranfield,musique_hipporag,msmarco_sample")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    names = asked.sets.split(",")
    space = WIDE if names == ["synthetic"] else plan_space(open_space("gnn-lm-v1"))
    results = {"trials": asked.trials, "seeds": asked.seeds, "questions": QUESTIONS, "sets": {}} | circumstances()
    rewards, profiles = ({"synthetic": reward_of}, {"synthetic": ()}) if space is WIDE else opened(names, asked.work)
    archive = {name: Earlier(profiles[name], tuple(random_trials(space, rewards[name]))) for name in names}
    print(f"{'':20}" + "".join(f"{name:>24}" for name in POLICY_NAMES), flush=True)
    for name in names:
        others = tuple(run for other, run in archive.items() if other != name)
        row = compare(space, rewards[name], Briefing(profiles[name], others), asked.trials, asked.seeds)
        results["sets"][name] = row
        print(line(name, row), flush=True)
    for reward in rewards.values():
        if isinstance(reward, Rewards):
            reward.save()
    if space is not WIDE:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def opened(names: list[str], work: Path) -> tuple[dict[str, Reward], dict[str, tuple[float, ...]]]:
    """For each set its rewards, and the embedding of a line about it."""
    rewards: dict[str, Reward] = {}
    profiles: dict[str, tuple[float, ...]] = {}
    for name in names:
        legs, profile = legs_of(name, work)
        rewards[name] = Rewards(work / f"rewards-{name}.json", legs)
        profiles[name] = profile
    return rewards, profiles


def legs_of(name: str, work: Path) -> tuple[CachedLegs, tuple[float, ...]]:
    """Both legs' answers to the set's questions, and its profile: the mean direction of what it tells and asks."""
    folder, judgements = SETS[name]
    ingest(name, one_of(DATA / folder / "corpus.jsonl"), work)
    texts, judged = read_queries(one_of(DATA / folder / "queries.jsonl")), read_qrels(DATA / folder / judgements)
    asked = [EvalQuery(key, texts[key], grades) for key, grades in judged.items()]
    asked = asked[:: max(1, len(asked) // QUESTIONS)][:QUESTIONS]
    with KnowledgeBase.open(Settings(data_dir=work)) as kb:
        encoder = kb.open_encoder(kb.settings.encoder)
        legs = ask_legs(read_snapshot(kb.catalog, kb.catalog.collections.get(name)), encoder, asked)
        told = f"find documents that answer questions such as: {' '.join(question.text for question in asked[:5])}"
        return legs, tuple(float(number) for number in encoder.encode_queries([told])[0])


def random_trials(space: SearchSpace, reward: Reward) -> list[Trial]:
    """What an earlier run on this set would have left; its seed is none of those compared."""
    return [Trial(one, reward(one)) for one in POLICIES.create("random", space, 1000).ask(ARCHIVED)]


def compare(space: SearchSpace, reward: Reward, briefing: Briefing, trials: int, seeds: int) -> dict[str, Any]:
    """A set's row: for each policy the best reward of each seed, seconds of its own, and how often it stepped back."""
    row: dict[str, Any] = {"default": reward(space.default())}
    for name in POLICY_NAMES:
        if name.endswith("warm") and not briefing.earlier:
            continue
        told = briefing if name.endswith("warm") else NO_BRIEFING
        runs = [search(name.partition(",")[0], space, seed, told, reward, trials) for seed in range(seeds)]
        row[name] = {key: [run[key] for run in runs] for key in runs[0]}
    return row


def search(name: str, space: SearchSpace, seed: int, told: Briefing, reward: Reward, trials: int) -> dict[str, Any]:
    """One run: best reward after a quarter and after all trials, CPU seconds the policy itself took, its standing."""
    began = time.process_time()
    policy = POLICIES.create(name, space, seed, told)
    own = time.process_time() - began
    found: list[float] = []
    while len(found) < trials:
        began = time.process_time()
        asked = policy.ask(min(BATCH, trials - len(found)))
        own += time.process_time() - began
        results = [Trial(one, reward(one)) for one in asked]
        found += [trial.reward for trial in results]
        began = time.process_time()
        policy.tell(results)
        own += time.process_time() - began
    early = max(found[: max(1, trials // 4)])
    return {"early": early, "best": max(found), "own_s": round(own, 3), "back": bool(policy.report()["steps_back"])}


def line(name: str, row: dict[str, Any]) -> str:
    """The set's line of the table."""
    luck = statistics.fmean(row["even"]["best"])
    cells = []
    for policy in POLICY_NAMES:
        best = row.get(policy, {}).get("best", [])
        wins = sum(reward > luck for reward in best)
        cell = f"{statistics.fmean(best):.4f} ±{statistics.pstdev(best):.4f} {wins}/{len(best)}" if best else "-"
        cells.append(f"{cell:>24}")
    return f"{name:20}" + "".join(cells)


if __name__ == "__main__":
    main()
