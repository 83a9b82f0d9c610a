"""What the policy of a dear tier is told of earlier runs, and what a run leaves of why it asked for what it tried."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from stages_world import questions, stages_world

from api.knowledge_base import KnowledgeBase
from search_core.candidate import Candidate
from search_core.conditions import ARCHIVE, Conditions
from search_core.policy.contract import DRAW, PICK
from search_core.stages import graph_stage
from search_core.stages.briefing import archive_trials, briefing, open_policy, split_of
from search_core.testing import WIDE, run
from search_core.trainer import AutoModelTrainer

pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    with stages_world(tmp_path_factory.mktemp("policy")) as opened:
        yield opened


@pytest.fixture(scope="module")
def first(kb: KnowledgeBase) -> Conditions:
    """What a first run stood on, which tried graphs; to train them is of no matter here."""
    seen: list[Conditions] = []

    def untrained(ground: Any, *about: Any) -> Candidate:
        seen.append(ground.conditions)
        return ground.start  # type: ignore[no-any-return]

    texts, qrels = questions()
    about: dict[str, Any] = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
    about |= {"collection": "c", "budget": "20m", "max_epochs": 1, "queries": texts, "qrels": qrels}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(graph_stage, "_fitted", untrained)
        stage = AutoModelTrainer(**about, tiers="plan,graph", promote=False).run().stages[-1]
    assert stage["policy"]["says"] == "draws at random to begin with"
    return seen[0]


def lines(conditions: Conditions) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (conditions.data_dir / ARCHIVE).read_text().splitlines()]


def test_a_first_run_leaves_draws_and_what_was_sealed(first: Conditions) -> None:
    [line] = lines(first)
    assert {one["origin"] for one in line["trials"]} == {DRAW}, "nothing is known that a pick could stand on"
    assert line["split"] == split_of(first) and (line["corpus"], line["task"]) == ("c", "graph")


def test_a_run_learns_from_its_own_collection_only_by_the_same_split(first: Conditions) -> None:
    """What was worked with at first may be sealed now, and its rewards would tell the policy of it."""
    told = replace(first, earlier_runs=1)
    other = replace(told, split=replace(first.split, sealed=first.split.fit, fit=first.split.sealed))
    elsewhere = replace(first.collection, name="d")
    for conditions, expected in (
        (told, 1),
        (other, 0),
        (replace(told, collection=elsewhere), 1),
        (replace(other, collection=elsewhere), 1),
        (first, 0),  # a run that goes on, or is repeated, is told as many as at first
    ):
        found = briefing(conditions, "graph")
        assert (len(found.earlier), len(found.record or ())) == (expected, conditions.earlier_runs)


def test_picks_and_draws_add_up_and_a_replay_goes_the_same_way(first: Conditions) -> None:
    """Here all are worth the same: picks do not win, so in the second run that has any the policy steps back."""
    went = []
    for number in range(1, 4):
        conditions = replace(first, earlier_runs=number, record=replace(first.record, id=f"run-{number}"))
        _, policy = open_policy(conditions, "graph", WIDE)
        trials = run(policy, 9, batch=3, reward=lambda one: 0.5)
        archive_trials(conditions, "graph", policy, trials)
        went.append((conditions, trials, policy.report()))
    origins = [[one["origin"] for one in line["trials"]] for line in lines(first)[1:]]
    assert origins[:2] == [[DRAW] * 9, [PICK, DRAW] * 4 + [PICK]]
    assert [report["steps_back"] for _, _, report in went] == [False, False, True]
    assert "picks beat random draws in 50% of pairs" in went[2][2]["says"]
    conditions, trials, report = went[1]
    replayed = replace(conditions, request=replace(first.request, against=first.incumbent.to_dict()))
    _, policy = open_policy(replayed, "graph", WIDE)
    assert run(policy, 9, batch=3, reward=lambda one: 0.5) == trials
    assert policy.report() == report
    archive_trials(replayed, "graph", policy, trials)
    assert len(lines(first)) == 4, "a replay leaves nothing"
