"""The encoder tier end to end on a small Chinese corpus: tuned, proven, embedded beside, served, and fresh."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from api.generations.tuned_encoder import let_serve
from api.knowledge_base import KnowledgeBase
from infra.settings import load_settings
from retrieval.catalog.experiments import ExperimentState
from retrieval.encoder.model_folder import DEFAULT_MODEL, locate
from retrieval.encoder.pretrained import pretrained_folder
from retrieval.errors import EncoderError, InvalidInputError
from retrieval.plan import DEFAULT_PLAN
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Document
from search_core.candidate import Candidate
from search_core.errors import SupervisionError
from search_core.offered_encoders import waits
from search_core.proof.reasons import NOT_EMBEDDED
from search_core.request import Request
from search_core.result import Result
from search_core.stages import encoder_base, encoder_data, encoder_mapping, encoder_stage
from search_core.stages.encoder_base import best_base
from search_core.stages.encoder_pace import PROBED
from search_core.time_decisions import ENCODER_STEPS, NUMBERS
from search_core.trainer import AutoModelTrainer
from search_core.tuning.checkpoint import TRAININGS, Checkpoint

pytest.importorskip("sentence_transformers", reason='needs "autoglm-kb[train]"')

THINGS = "火车票 飞机票 保险单 身份证 驾驶证 结婚证 毕业证 护照本 银行卡 存折本 户口簿 社保卡".split()
ROOT = Path(__file__).parents[2]
KILLED_AT = 3  # of 4 steps
DOINGS = "丢失 损坏 过期 变更 申领 注销".split()


def documents() -> list[Document]:
    pairs = [(thing, doing) for thing in THINGS for doing in DOINGS]
    return [
        Document(f"d{at}", f"{thing}{doing}之后，请尽快联系机关。携带材料办理{thing}{doing}手续，费用{at}元。", "")
        for at, (thing, doing) in enumerate(pairs)
    ]


def questions() -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    draw = random.Random(0)
    texts, qrels = {}, {}
    for at in range(len(THINGS) * len(DOINGS)):
        thing, doing = THINGS[at // len(DOINGS)], DOINGS[at % len(DOINGS)]
        texts[f"q{at}"] = draw.choice([f"{doing}{thing}怎么办", f"{thing}{doing}如何处理", f"办理{thing}{doing}"])
        qrels[f"q{at}"] = {f"d{at}": 1}
    return texts, qrels


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(load_settings(data_dir=tmp_path_factory.mktemp("encoder"), encoder_threads=1)) as opened:
        opened.create_collection("c")
        opened.write("c", documents(), wait=True, timeout=300.0)
        yield opened


SHORT = (  # a training of a few steps; the hybrid of so small a corpus is perfect already
    (encoder_stage, "LANGUAGE_STEPS", 4),
    (encoder_mapping, "LANGUAGE_RATE", 0.0001),
    (encoder_data, "POOL", 40),
    (encoder_stage, "SHARES", (1.0,)),
)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in SHORT:
        monkeypatch.setattr(module, name, value)


def tuned(kb: KnowledgeBase, experiment: str = "") -> Result:
    return begun(kb, experiment).run()


def begun(kb: KnowledgeBase, experiment: str = "", encoders: str = "", **more: Any) -> AutoModelTrainer:
    texts, qrels = questions()
    request = Request(
        collection="c",
        budget="1h",
        max_epochs=1,
        queries=texts,
        qrels=qrels,
        promote=False,
        tiers="plan,encoder",
        earlier_runs=0,
        encoders=encoders,
    )
    about = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
    return AutoModelTrainer.of(request, experiment=experiment, **about, **more)


def tune_and_die(folder: str) -> None:
    """In a process of its own: killed as soon as the state after the third step is written."""
    for module, name, value in SHORT:
        setattr(module, name, value)
    encoder_stage.Checkpoint = partial(Checkpoint, every=1)  # type: ignore[misc,assignment]
    whole = Checkpoint.save

    def save(self: Checkpoint, tensors: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        whole(self, tensors, about)
        if len(about["losses"]) == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)

    Checkpoint.save = save  # type: ignore[method-assign]
    with KnowledgeBase.open(load_settings(data_dir=Path(folder), encoder_threads=1)) as kb:
        tuned(kb)


@pytest.mark.timeout(900)
def test_a_training_that_was_killed_goes_on_and_ends_as_one_that_was_not(
    kb: KnowledgeBase, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        f"from tests.integration.test_encoder_stage import tune_and_die; tune_and_die({str(kb.settings.data_dir)!r})"
    )
    killed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [record] = kb.catalog.experiments.all(kb.catalog.collections.get("c"))
    trainings = kb.settings.data_dir / "experiments" / record.id / TRAININGS
    assert list(trainings.iterdir())
    steps: list[int] = []
    run_to = encoder_stage.Training.run_to

    def counted(self: encoder_stage.Training, *asked: Any, **more: Any) -> None:
        before = len(self.losses)
        run_to(self, *asked, **more)
        steps.append(len(self.losses) - before)

    monkeypatch.setattr(encoder_stage.Training, "run_to", counted)
    resumed = tuned(kb, record.id)
    assert sum(steps) == 4 - KILLED_AT  # what was trained is not trained again, nor is the pace measured again
    assert not trainings.exists()
    whole = tuned(kb)
    assert sum(steps) == 4 - KILLED_AT + 4 + PROBED
    assert (resumed.trajectory, resumed.artifact.digest) == (whole.trajectory, whole.artifact.digest)
    stage = whole.stages[-1]
    assert stage["trials"] == 3, stage["reason"]
    assert resumed.timed == whole.timed and whole.timed[NUMBERS] == {ENCODER_STEPS: 4}  # which a replay is told
    assert stage["sealed"] > 0
    assert stage["deterministic"] is True
    assert stage["legs_before"]["dense"] < stage["legs"]["dense"] <= 1  # words that were unknown are known
    assert stage["legs"]["sparse"] == stage["legs_before"]["sparse"]
    assert kb.catalog.collections.get("c").plan_id is None


def test_a_proven_encoder_takes_over_while_the_collection_changes(kb: KnowledgeBase, short: None) -> None:
    collection = kb.catalog.collections.get("c")
    folder = made_encoder(kb)
    plan = kb.catalog.plans.add(collection, "tuned", DEFAULT_PLAN.to_dict() | {"top": 9}, "x", "test")
    result = {
        "model": str(folder),
        "reasons": [NOT_EMBEDDED],
        "incumbent": {"digest": kb.plan_of("c").digest},
        "plan": {"id": plan.id},
        "lift": 0.1,
        "p_value": 0.01,
    }
    assert waits(result)
    record = kb.catalog.experiments.create(collection, {})
    failures: list[str] = []
    stop = threading.Event()

    def change() -> None:
        for number in count():
            if stop.wait(0.2):
                return
            try:
                kb.write("c", [Document(f"new{number}", f"新的{THINGS[number % 12]}说明第{number}号", "")])
                kb.search("c", SearchRequest("火车票丢失", highlight=False), OPERATOR)
            except Exception as error:  # whatever it is, it is what this test is about
                failures.append(repr(error))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        told = let_serve(kb, "c", record.id, result, lambda done, total: None)
    finally:
        stop.set()
        thread.join()
    assert not failures
    assert told["promoted"]
    assert kb.runtime("c").encoder.fingerprint == kb.open_encoder(str(folder)).fingerprint
    assert kb.plan_of("c").top == 9
    kb.write("c", [Document("after", "大熊猫喜欢吃竹子", "")], wait=True, timeout=120.0)
    hit = kb.search("c", SearchRequest("大熊猫吃什么"), OPERATOR).hits[0]
    assert hit.chunk.key == "after"
    assert hit.fused.dense is not None
    now = kb.catalog.collections.get("c")
    assert kb.catalog.embeddings.count_missing(now) == 0
    assert kb.catalog.experiments.get(now, record.id).state is ExperimentState.FINISHED
    kb.catalog.generations.activate(now, kb.catalog.generations.former(now).id)


def test_it_does_not_take_over_where_another_plan_began_to_serve(kb: KnowledgeBase) -> None:
    collection = kb.catalog.collections.get("c")
    record = kb.catalog.experiments.create(collection, {})
    result = {"model": "nowhere", "incumbent": {"digest": "0" * 12}, "plan": {"id": 1}, "reasons": []}
    told = let_serve(kb, "c", record.id, result, lambda done, total: None)
    assert "another plan" in told["reasons"][0]


def made_encoder(kb: KnowledgeBase) -> Path:
    """The folder of the encoder that the runs above made, all the same; made here where this test runs alone."""
    artifacts = kb.settings.data_dir / "artifacts"
    if not list(artifacts.glob("encoder-*")):
        tuned(kb)
    [folder] = artifacts.glob("encoder-*")
    return folder


class Steps:
    """Counts the steps of all trainings; `at` one of them, `then` is called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.done, self._at = 0, at
        self.then: Callable[[], None] = lambda: None
        self.weights: dict[str, Any] = {}  # before that step
        step = encoder_stage.Training._step

        def counted(training: encoder_stage.Training) -> float:
            self.done += 1
            if self.done == self._at:
                self.weights = training.trained().weights
                self.then()
            return step(training)

        monkeypatch.setattr(encoder_stage.Training, "_step", counted)


FIRST_OF_THE_LAST = PROBED + 2  # one step is scored before it


def test_a_stop_ends_a_training_at_its_next_step_and_keeps_what_was_scored(
    kb: KnowledgeBase, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched, kept = encoder_stage._searched, []

    def without_the_rest(*about: Any) -> tuple[None, str, Mapping[str, Any]]:
        """What would be embedded is kept here: that takes minutes."""
        found, reason, policy = searched(*about)
        kept.append(found)
        return None, reason, policy

    monkeypatch.setattr(encoder_stage, "_searched", without_the_rest)
    steps = Steps(monkeypatch, FIRST_OF_THE_LAST)
    trainer = begun(kb)
    steps.then = trainer.stop
    stage = trainer.run().stages[-1]
    [(_, _, trained)] = kept
    assert steps.done == FIRST_OF_THE_LAST and len(trained.losses) == 1
    assert (stage["trials"], stage["reason"]) == (2, "stopped after 1 of 4 steps")
    assert all((trained.weights[name] == weight).all() for name, weight in steps.weights.items())


def test_a_stop_before_anything_was_scored_leaves_the_tier_out(
    kb: KnowledgeBase, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch, 2)
    trainer = begun(kb)
    steps.then = trainer.stop
    stage = trainer.run().stages[-1]
    assert (steps.done, stage["trials"], stage["kept"], stage["reason"]) == (2, 0, False, encoder_stage.STOPPED)


def test_a_run_that_is_not_wanted_any_more_ends_at_the_next_step(
    kb: KnowledgeBase, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CancelledError(Exception):
        pass

    def wanted() -> None:
        if steps.done == FIRST_OF_THE_LAST:
            raise CancelledError

    steps = Steps(monkeypatch, FIRST_OF_THE_LAST)
    with pytest.raises(CancelledError):
        begun(kb, wanted=wanted).run()
    assert steps.done == FIRST_OF_THE_LAST


CHINESE = "bge-small-zh-v1.5"


@pytest.fixture
def chinese() -> str:
    """An encoder that knows the language of the corpus, fetched."""
    try:
        pretrained_folder(CHINESE)
    except EncoderError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
    return CHINESE


def test_an_encoder_that_knows_the_language_is_begun_from_and_serves_untrained_where_the_time_is_short(
    kb: KnowledgeBase, short: None, chinese: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_stage, "LANGUAGE_STEPS", 0)  # that no training is needed to see which base is taken
    monkeypatch.setattr(encoder_stage, "MIN_LABELS", 10_000)
    found, reports = [], []
    embedded = encoder_stage._embedded

    def noted(*about: Any) -> Candidate:
        made = embedded(*about)
        assert made.model is not None
        found.append(made)
        reports.append(made.model.report)
        return made

    monkeypatch.setattr(encoder_stage, "_embedded", noted)
    stage = begun(kb, encoders=chinese).run().stages[-1]
    [made], [report] = found, reports
    assert (report["base"], report["steps"], report["share"], report["new_pieces"]) == (chinese, 0, 0.0, 0)
    scores = report["held_out_ndcg@10"]
    assert scores["0.0"] > scores["serving"] + 0.2
    assert made.encoder.dim == 512 and made.encoder.encode_queries(["护照"]).shape == (1, 512)
    assert stage["trials"] == 0 and "judged questions are too few" in stage["reason"]


def test_an_encoder_that_is_no_better_is_not_begun_from(
    kb: KnowledgeBase, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that serves, under another name: equal is not better."""
    monkeypatch.setattr(encoder_base, "pretrained_folder", lambda name: locate(DEFAULT_MODEL))
    bases = []

    def noted(*about: Any) -> Any:
        ground, *rest = best_base(*about)
        bases.append(ground.name)
        raise SupervisionError("seen enough")

    monkeypatch.setattr(encoder_stage, "best_base", noted)
    begun(kb, encoders=CHINESE).run()
    assert bases == [DEFAULT_MODEL]


def test_an_encoder_whose_weights_are_no_numbers_is_named_and_not_ranked_by_chance(
    kb: KnowledgeBase, short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(locate(DEFAULT_MODEL), tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    weights["encoder.layer.0.output.dense.weight"][3, 5] = float("nan")
    save_file(weights, tmp_path / "model.safetensors")
    monkeypatch.setattr(encoder_base, "pretrained_folder", lambda name: tmp_path)
    stage = begun(kb, encoders=CHINESE).run().stages[-1]
    assert not stage["kept"]
    assert stage["reason"].startswith(f"encoder {CHINESE} cannot be used: the model gives vectors that hold what is no")
    assert f"remove {tmp_path}" in stage["reason"]


def test_an_encoder_that_cannot_be_fetched_by_name_is_refused_at_once() -> None:
    with pytest.raises(InvalidInputError, match=r"encoders has 'bge'; expected some of bge-small-zh-v1\.5"):
        Request(encoders="bge-small-zh-v1.5, bge")
