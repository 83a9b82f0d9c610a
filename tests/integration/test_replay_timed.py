"""A run that is repeated, or goes on, on a machine that is quicker, slower or busy with something else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import stages_world
import tuning_world
from typer.testing import CliRunner

from api.cli import app
from api.knowledge_base import KnowledgeBase
from infra.commit import running_commit
from retrieval.types import IndexedChunk
from search_core import conclusion, trainer
from search_core.clock import Clock
from search_core.corpus.legs import CachedLegs
from search_core.proof.gate import Latency
from search_core.request import Request
from search_core.result import Result
from search_core.stages import adapter_stage, quickness
from search_core.stages.recording import Stopwatch
from search_core.trainer import AutoModelTrainer

SPACE = """name: small
decisions:
  fusion: {tier: plan, values: [convex], summary: how two rankings become one}
  dense_weight: {tier: plan, values: [0.7, 0.1], summary: the share of the vectors}
  adapter: {tier: plan, values: [none, full, bias], summary: a correction of the vector of a question}
"""
QUICK, SLOW = Latency(1.0, 1.1, 1.05, 1.15), Latency(1.0, 2.5, 2.4, 2.6)


@dataclass
class Machine:
    """How fast everything is, as the runs see it."""

    ranking_seconds: float = 0.0
    looks_seconds: float = 0.0  # that the adapter tier's first looks take
    latency: Latency = QUICK
    now: float = 0.0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made, best = Machine(), CachedLegs.best

    class Pretended(Clock):
        @property
        def seconds(self) -> float:
            return made.now

    class Watch(Stopwatch):
        @property
        def seconds(self) -> float:
            return made.looks_seconds

    def ranked(self: CachedLegs, *about: Any) -> list[IndexedChunk]:
        made.now += made.ranking_seconds
        return best(self, *about)

    monkeypatch.setattr(CachedLegs, "best", ranked)
    monkeypatch.setattr(trainer, "Clock", Pretended)
    monkeypatch.setattr(adapter_stage, "Stopwatch", Watch)
    for module in (conclusion, quickness):
        monkeypatch.setattr(module, "compare_latency", lambda *about: made.latency)
    return made


@dataclass(frozen=True)
class Shell:
    """`kb` on a collection `c`, in this process."""

    folder: Path

    def json(self, *words: str) -> Any:
        done = CliRunner(env={"KB_DATA_DIR": str(self.folder), "KB_ENCODER": "hash"}).invoke(app, [*words, "--json"])
        assert done.exit_code in (0, 1), done.output
        return json.loads(done.stdout)

    def tune(self, world: ModuleType, *more: str) -> Any:
        texts, qrels = world.questions()
        asked, judged = self.folder / "queries.jsonl", self.folder / "qrels.tsv"
        asked.write_text("".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in texts.items()))
        judged.write_text("".join(f"{name}\t{key}\t1\n" for name, found in qrels.items() for key in found))
        files = ("--queries", str(asked), "--qrels", str(judged))
        return self.json("tune", "-c", "c", *files, "--no-promote", *more)

    def space(self) -> str:
        """Of few plans, and two kinds of adapters."""
        file = self.folder / "small.yaml"
        file.write_text(SPACE)
        return str(file)

    def replay(self, told: dict[str, Any]) -> Any:
        return self.json("experiments", "replay", told["experiment"], "-c", "c")


EXACT = {"trajectory": True, "artifact": True}


def test_a_replay_tries_as_many_plans_however_fast_the_machine_is(tmp_path: Path, machine: Machine) -> None:
    with tuning_world.tuning_world(tmp_path):
        pass
    machine.ranking_seconds = 0.1
    shell = Shell(tmp_path)
    first = shell.tune(tuning_world, "--tiers", "plan", "--budget", "250s", "--max-epochs", "9", "--seed", "1")
    assert 1 < first["trials"] < 72, "the time ended it"
    for seconds in (0.02, 0.2):
        machine.now, machine.ranking_seconds = 0.0, seconds
        told = shell.replay(first)
        assert (told["agrees"], told["same"], told["cut_short"]) == (True, EXACT, False)


@pytest.mark.parametrize(("then", "now"), [(SLOW, QUICK), (QUICK, SLOW)], ids=["slow then", "slow now"])
def test_a_replay_gives_up_for_time_what_its_original_did(
    tmp_path: Path, machine: Machine, then: Latency, now: Latency
) -> None:
    with tuning_world.tuning_world(tmp_path):
        pass
    machine.latency = then
    shell = Shell(tmp_path)
    first = shell.tune(tuning_world, "--tiers", "plan", "--space", shell.space())
    assert first["stages"][0]["kept"] is (then is QUICK)
    machine.latency = now
    told = shell.replay(first)
    assert (told["agrees"], told["same"]) == (True, EXACT)


QUESTIONS = 16  # of a first look


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> Machine:
    """A first look asks few questions, and the time suffices for half of all."""
    pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')
    monkeypatch.setattr(adapter_stage, "FIRST_QUESTIONS", QUESTIONS)
    machine.looks_seconds = 5.0
    return machine


def test_a_replay_learns_from_as_many_questions(tmp_path: Path, few: Machine) -> None:
    with stages_world.stages_world(tmp_path):
        pass
    shell = Shell(tmp_path)
    first = shell.tune(stages_world, "--tiers", "plan,adapter", "--budget", "60s", "--space", shell.space())
    assert first["stages"][1]["trials"] == 4, "both kinds were learned in full"
    manifest = json.loads((tmp_path / first["artifact"]["folder"] / "manifest.json").read_text())
    assert manifest["commit"] == running_commit()
    counts = list(first["timed"]["numbers"].values())
    assert len(counts) == 2 and QUESTIONS < min(counts) < first["supervision"]["split"]["fit"]
    for seconds in (0.5, 50.0):  # for all questions, for none
        few.looks_seconds = seconds
        told = shell.replay(first)
        assert (told["agrees"], told["same"]) == (True, EXACT)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with stages_world.stages_world(tmp_path) as opened:
        yield opened


def test_a_run_that_goes_on_learns_from_as_many_questions_as_before(kb: KnowledgeBase, few: Machine) -> None:
    """The rewards in its log are those of the adapters that it learns."""
    texts, qrels = stages_world.questions()
    request = Request(
        search_space=Shell(kb.settings.data_dir).space(),
        collection="c",
        budget="60s",
        promote=False,
        tiers="plan,adapter",
        queries=texts,
        qrels=qrels,
    )

    def run(**more: Any) -> Result:
        about: dict[str, Any] = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
        return AutoModelTrainer.of(request, **about, **more).run()

    whole = run()

    def die(told: dict[str, Any]) -> None:
        if told["trial"] == whole.trials:
            raise Killed

    with pytest.raises(Killed):
        run(progress=die)
    few.looks_seconds = 0.5
    resumed = run(experiment=kb.catalog.experiments.all(kb.catalog.collections.get("c"))[0].id)
    assert (resumed.trajectory, resumed.artifact.digest) == (whole.trajectory, whole.artifact.digest)
