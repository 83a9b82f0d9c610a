"""Another encoder, analyzer or chunking takes over while documents change and searches run, and gives way again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from changing_world import World

from api.generations.build import build_generation
from api.generations.options import ReindexOptions
from api.generations.reindex import (
    activate_generation,
    reindex,
    retire_generation,
    roll_back_generation,
)
from api.jobs.asking import checked_arguments, task_of
from api.jobs.attempt import Attempt
from api.knowledge_base import KnowledgeBase
from api.upkeep.maintenance import verify_collection
from infra.settings import Settings
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.generations import GenerationState
from retrieval.catalog.jobs import JobRecord
from retrieval.encoder import ENCODERS
from retrieval.encoder.hashing import HashEncoder
from retrieval.errors import ConflictError, EncoderError, InvalidInputError, NotYetSearchableError, OutageError
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Document

CHANGING, CHANGING_DIM = "hash-that-changes", list[int | None]([48])
SMALL, WEAK = "hash-of-64", "hash-of-2"
CHANGES: dict[str, dict[str, Any]] = {
    "encoder": {"encoder": SMALL},
    "analyzer": {"encoder": "hash", "synonyms": [["pump", "circulator"]]},
    "chunking": {"encoder": "hash", "chunk_tokens": 160},
    "all at once": {"encoder": SMALL, "chunk_tokens": 160, "synonyms": [["pump", "circulator"]]},
}


@pytest.fixture(scope="module", autouse=True)
def encoders() -> None:
    for name, dim in ((SMALL, 64), (WEAK, 2)):
        if name not in ENCODERS:
            ENCODERS.register(name, lambda dim=dim, **_: HashEncoder(dim), "hashed words in fewer dimensions")

    if CHANGING not in ENCODERS:
        ENCODERS.register(CHANGING, open_changing, "a model folder that is replaced, or gone")


def open_changing(**_: Any) -> HashEncoder:
    if CHANGING_DIM[0] is None:
        raise EncoderError("the folder of the model is gone")
    return HashEncoder(CHANGING_DIM[0])


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(Settings(data_dir=tmp_path / "kb", encoder="hash")) as opened:
        opened.create_collection("c")
        yield opened


def rebuild(kb: KnowledgeBase, **arguments: Any) -> dict[str, Any]:
    return reindex(kb, "c", arguments, lambda done, total: None)


def rankings(kb: KnowledgeBase) -> list[list[tuple[str, str, float]]]:
    """What each of some queries finds, by key and text: labels differ between two collections."""
    found = []
    for query in ("subject7word", "release", "circulator", "valve of steel"):
        hits = kb.search("c", SearchRequest(query, 50, group_by="chunk"), OPERATOR).hits
        found.append(sorted((hit.chunk.key, hit.chunk.text, round(hit.score, 4)) for hit in hits))
    return found


def assert_equals_a_fresh_build(kb: KnowledgeBase, world: World, tmp_path: Path) -> None:
    verdict = verify_collection(kb, "c")
    assert verdict.in_step, verdict.sentence()
    record = kb.catalog.collections.get("c")
    with KnowledgeBase.open(Settings(data_dir=tmp_path / "fresh", encoder="hash")) as fresh:
        fresh.create_collection("c", record.settings, record.encoder)
        titles = {
            one.document.key: one.document.title for one in kb.catalog.documents.page(record, OPERATOR, limit=500)
        }
        documents = [Document(key, text, titles[key]) for key, text in world.living().items()]
        fresh.write("c", documents, wait=True)
        assert titles.keys() == world.living().keys()
        same = fresh.catalog.collections.get("c")
        for key in titles:
            mine = [chunk for _, chunk in kb.catalog.documents.chunks(record, key)]
            assert mine == [chunk for _, chunk in fresh.catalog.documents.chunks(same, key)]
        assert kb.catalog.documents.counts(record) == fresh.catalog.documents.counts(same)
        mine, theirs = vectors(kb), vectors(fresh)
        assert mine.keys() == theirs.keys()
        assert all(np.array_equal(mine[text], theirs[text]) for text in mine)


def vectors(kb: KnowledgeBase) -> dict[tuple[str, str], Any]:
    """The vector that the dense view holds for each passage."""
    runtime = kb.runtime("c")
    view = runtime.follower.views.dense
    labels = np.array(sorted(view.labels()), np.int64)
    shown = kb.catalog.documents.visible(runtime.collection, labels.tolist(), OPERATOR)
    rows = view.vectors(labels)
    return {(shown[label].key, f"{shown[label].ordinal}"): rows[n] for n, label in enumerate(labels.tolist())}


@pytest.mark.parametrize("change", CHANGES)
def test_a_generation_takes_over_while_documents_change(kb: KnowledgeBase, tmp_path: Path, change: str) -> None:
    world = World(kb, "c")
    world.fill()
    former = kb.catalog.collections.get("c").generation
    world.during(lambda: rebuild(kb, **CHANGES[change]))
    assert world.wrong == []
    assert world.searches > 20 and world.writes > 5
    states = {one.id: one.state for one in kb.catalog.generations.all(kb.catalog.collections.get("c"))}
    assert states.pop(former) is GenerationState.STANDBY
    assert list(states.values()) == [GenerationState.SERVING]
    assert_equals_a_fresh_build(kb, world, tmp_path)


def test_the_former_generation_follows_and_takes_over_again(kb: KnowledgeBase, tmp_path: Path) -> None:
    world = World(kb, "c")
    world.fill()
    rebuild(kb, **CHANGES["all at once"])
    world.during(lambda: roll_back_generation(kb, "c"))
    assert world.wrong == []
    assert kb.catalog.collections.get("c").encoder == "hash"
    assert_equals_a_fresh_build(kb, world, tmp_path)
    assert roll_back_generation(kb, "c").encoder == SMALL  # and forward again
    kb.runtimes.forget("c")
    assert verify_collection(kb, "c").in_step


def test_a_retired_generation_leaves_nothing(kb: KnowledgeBase, tmp_path: Path) -> None:
    world = World(kb, "c")
    world.fill()
    first = kb.catalog.collections.get("c")
    rebuild(kb, **CHANGES["chunking"])
    with pytest.raises(ConflictError, match="serves"):
        retire_generation(kb, "c", kb.catalog.collections.get("c").generation)
    assert retire_generation(kb, "c", first.generation).state is GenerationState.RETIRED
    assert kb.catalog.documents.counts(first)[1] == 0
    with pytest.raises(ConflictError, match="nothing to roll back to"):
        roll_back_generation(kb, "c")
    with pytest.raises(ConflictError, match="retired"):
        activate_generation(kb, "c", first.generation)
    assert_equals_a_fresh_build(kb, world, tmp_path)


def test_a_stopped_build_goes_on_where_it_was(kb: KnowledgeBase, tmp_path: Path) -> None:
    world = World(kb, "c")
    world.fill()

    class StoppedError(Exception):
        pass

    def stop(done: int, total: int | None) -> None:
        if done >= 70:
            raise StoppedError

    with pytest.raises(StoppedError):
        reindex(kb, "c", CHANGES["all at once"], stop)
    with pytest.raises(ConflictError, match="unfinished"):
        rebuild(kb, **CHANGES["encoder"])
    begun = kb.catalog.generations.all(kb.catalog.collections.get("c"))[-1]
    assert begun.state is GenerationState.BUILDING
    with pytest.raises(ConflictError, match="building"):
        activate_generation(kb, "c", begun.id)
    world.during(lambda: rebuild(kb, **CHANGES["all at once"]))
    assert world.wrong == []
    assert kb.catalog.collections.get("c").generation == begun.id
    assert_equals_a_fresh_build(kb, world, tmp_path)


def test_a_job_that_fell_after_its_generation_took_over_builds_nothing_again(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb.write("c", [Document("a", "The pump stands still.")], wait=True)
    arguments = {"encoder": SMALL, "synonyms": [["pump", "circulator"]], "apart": False}
    asked = kb.catalog.jobs.create("reindex", "c", checked_arguments(task_of("reindex"), "reindex", arguments))
    with monkeypatch.context() as falling, pytest.raises(KeyboardInterrupt):
        falling.setattr(kb.catalog.jobs, "succeed", fall)
        Attempt(kb, claimed(kb, asked.id), lambda: False).run()
    first = kb.catalog.collections.get("c").generation
    assert [job.id for job in kb.catalog.jobs.take_back(silent_seconds=0)] == [asked.id]
    assert Attempt(kb, claimed(kb, asked.id), lambda: False).run() == "succeeded"
    record = kb.catalog.collections.get("c")
    assert (record.generation, len(kb.catalog.generations.all(record))) == (first, 2)
    result = kb.catalog.jobs.get(asked.id).result
    assert result is not None and (result["id"], result["state"]) == (first, "serving")
    assert result["note"] == f"generation {first} took over before this attempt began, so nothing was built"

    again = kb.catalog.jobs.create("reindex", "c", asked.arguments)  # asked for later, it is another wish
    assert Attempt(kb, claimed(kb, again.id), lambda: False).run() == "succeeded"
    assert kb.catalog.collections.get("c").generation != first


def test_a_job_whose_generation_was_rolled_back_since_leaves_it_and_says_so(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb.write("c", [Document("a", "The pump stands still.")], wait=True)
    arguments = checked_arguments(task_of("reindex"), "reindex", {"encoder": SMALL, "apart": False})
    asked = kb.catalog.jobs.create("reindex", "c", arguments)
    with monkeypatch.context() as falling, pytest.raises(KeyboardInterrupt):
        falling.setattr(kb.catalog.jobs, "succeed", fall)
        Attempt(kb, claimed(kb, asked.id), lambda: False).run()
    built = kb.catalog.collections.get("c").generation
    former = roll_back_generation(kb, "c").id
    kb.catalog.jobs.take_back(silent_seconds=0)
    assert Attempt(kb, claimed(kb, asked.id), lambda: False).run() == "succeeded"
    record = kb.catalog.collections.get("c")
    assert (record.generation, len(kb.catalog.generations.all(record))) == (former, 2)
    result = kb.catalog.jobs.get(asked.id).result
    assert result is not None and (result["id"], result["state"]) == (built, "standby")
    assert f"generation {former} serves since, and nothing was switched" in result["note"]
    assert f"`kb generations activate {built} -c c`" in result["note"]


def claimed(kb: KnowledgeBase, job: str) -> JobRecord:
    found = kb.catalog.jobs.claim("test", ["reindex"], job)
    assert found is not None
    return found


def fall(*_: object) -> None:
    """Ends the attempt as the end of its process does: nothing after it is done."""
    raise KeyboardInterrupt


def test_a_worse_generation_does_not_take_over_by_itself(kb: KnowledgeBase) -> None:
    words = ["anchor", "barrel", "copper", "dynamo", "engine", "funnel", "gasket", "hammer", "island", "jigsaw"]
    kb.write("c", [Document(word, f"{word} {word}s, all about the {word}", word) for word in words], wait=True)
    from retrieval.plan import Plan

    record = kb.catalog.collections.get("c")
    plan = Plan.from_dict({"fusion": "dense"})
    stored = kb.catalog.plans.add(record, "dense only", plan.to_dict(), plan.digest, "test")
    kb.catalog.plans.promote(record, stored.id, "test", "")
    kb.catalog.eval_sets.create(record, "words", [EvalQuery(word, f"the {word}", {word: 1}) for word in words])
    with pytest.raises(ConflictError, match=r"worse .*'words'.*ndcg@10"):
        rebuild(kb, encoder=WEAK)
    weak = kb.catalog.generations.all(record)[-1]
    assert weak.state is GenerationState.READY
    assert weak.evidence is not None and weak.evidence["differences"]["ndcg@10"]["high"] < 0
    assert kb.catalog.collections.get("c").generation == record.generation
    activate_generation(kb, "c", weak.id, force=True)
    assert kb.catalog.collections.get("c").encoder == WEAK
    assert kb.search("c", SearchRequest("anchor"), OPERATOR).hits


def test_an_incomplete_generation_is_refused_with_what_it_lacks(kb: KnowledgeBase) -> None:
    kb.write("c", [Document("d", "the word")], wait=True)
    mine, record = rebuild(kb, encoder=SMALL, activate=False), kb.catalog.collections.get("c")
    parity = mine["evidence"]["parity"]
    views = parity["views"] | {"dense": {"missing": 3, "surplus": 0, "changed": 1}}
    parity |= {"in_step": False, "documents_lost": 2, "views": views}
    kb.catalog.generations.finish(record, mine["id"], {"parity": parity})
    with pytest.raises(ConflictError, match="2 documents without passages; dense view: 3 missing, 1 changed; reindex"):
        activate_generation(kb, "c", mine["id"], force=True)


def test_what_cannot_be_compared_by_is_said_before_anything_is_begun(kb: KnowledgeBase) -> None:
    World(kb, "c").fill()
    record = kb.catalog.collections.get("c")
    answered = [EvalQuery("a", "what is a pump?", {}, ("a machine",))]
    kb.catalog.eval_sets.create(record, "answers", answered)
    with pytest.raises(InvalidInputError, match="'answers' has no judgements"):
        rebuild(kb, encoder=SMALL, eval_set="answers")
    for name in ("one", "two"):
        kb.catalog.eval_sets.create(record, name, [EvalQuery("q", "the pump", {"x": 1})])
    with pytest.raises(InvalidInputError, match="evaluation sets one, two"):
        rebuild(kb, encoder=SMALL)
    assert len(kb.catalog.generations.all(record)) == 1
    kb.catalog.eval_sets.drop(record, "two")
    assert rebuild(kb, encoder=SMALL)["evidence"]["eval_set"] == "one"


def test_a_set_of_answers_alone_is_no_set_to_compare_by(kb: KnowledgeBase) -> None:
    World(kb, "c").fill()
    answered = [EvalQuery("a", "what is a pump?", {}, ("a machine",))]
    kb.catalog.eval_sets.create(kb.catalog.collections.get("c"), "answers", answered)
    assert "eval_set" not in rebuild(kb, encoder=SMALL)["evidence"]


def test_two_builds_at_once_are_refused(kb: KnowledgeBase) -> None:
    World(kb, "c").fill()
    refusals = []

    def again(done: int, total: int | None) -> None:
        if not refusals:
            with pytest.raises(ConflictError, match="is being reindexed") as refused:
                rebuild(kb, **CHANGES["encoder"])
            refusals.append(refused.value)

    build_generation(kb, "c", ReindexOptions(SMALL), again)
    assert len(refusals) == 1


def fail_once(kb: KnowledgeBase, asked: int) -> None:
    """The catalog is away when this thread asks that many times from now for the newest operation."""

    def fail(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        nonlocal asked
        if statement.startswith("SELECT collections.last_seq") and threading.current_thread() is mine:
            asked -= 1
            if not asked:
                raise sa.exc.OperationalError(statement, {}, Exception("the catalog restarts"))

    mine = threading.current_thread()
    sa.event.listen(kb.catalog._engine, "before_cursor_execute", fail)


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_an_outage_while_a_generation_opens_leaves_nothing_behind(kb: KnowledgeBase, asked: int) -> None:
    kb.write("c", [Document("d", "the word")], wait=True)
    mine = rebuild(kb, encoder=SMALL, activate=False)
    with kb.runtimes._changing:  # nobody else opens it meanwhile
        kb.catalog.generations.activate(kb.catalog.collections.get("c"), mine["id"])
        fail_once(kb, asked)
        with pytest.raises(OutageError):
            kb.runtimes.refresh("c")
        assert kb.runtime("c").encoder.dim != 64, "the former goes on to serve"
        kb.runtimes.refresh("c")
    now = kb.runtime("c")
    assert now.is_of("c", mine["id"])
    assert now.follower.is_durable, "its folder was not left locked by the first try"


def test_a_generation_takes_over_only_once_it_is_open(kb: KnowledgeBase) -> None:
    kb.write("c", [Document("d", "the word")], wait=True)
    first = kb.catalog.collections.get("c").generation
    mine = rebuild(kb, encoder=SMALL, activate=False)
    fail_once(kb, 1)
    with pytest.raises(OutageError):
        activate_generation(kb, "c", mine["id"])
    assert kb.catalog.collections.get("c").generation == first
    assert activate_generation(kb, "c", mine["id"]).state is GenerationState.SERVING
    assert kb.runtime("c").is_of("c", mine["id"]) and kb.runtime("c").follower.is_durable


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize(("dim", "error"), [(32, ConflictError), (None, EncoderError)])
def test_no_generation_takes_over_whose_encoder_changed_or_is_gone(
    tmp_path: Path, dim: int | None, error: type[Exception], is_open: bool
) -> None:
    settings = Settings(data_dir=tmp_path / "kb", encoder="hash")
    CHANGING_DIM[0] = 48
    with KnowledgeBase.open(settings) as kb:
        kb.create_collection("c", encoder=CHANGING)
        kb.write("c", [Document("d", "the word")], wait=True)
        former = kb.catalog.collections.get("c").generation
        serving = rebuild(kb, encoder="hash")["id"]
    CHANGING_DIM[0] = dim
    with KnowledgeBase.open(settings) as kb:
        if is_open:
            kb.runtime("c")
        with pytest.raises(error):
            roll_back_generation(kb, "c")
        with pytest.raises(error):
            activate_generation(kb, "c", former, force=True)
        assert kb.catalog.collections.get("c").generation == serving
        kb.write("c", [Document("more", "another word")], wait=True)
        assert len(kb.search("c", SearchRequest("word"), OPERATOR).hits) == 2


def test_a_write_is_acknowledged_when_what_serves_by_then_has_it(kb: KnowledgeBase) -> None:
    former = kb.runtime("c")
    standing_still = ExitStack()

    def exchange(connection: sa.Connection, *_: object) -> None:
        if connection.get_execution_options().get("kb_writes") and kb.runtime("c") is former:
            kb.runtimes.refresh("c")
            standing_still.enter_context(kb.runtime("c").follower.paused())

    with kb.runtimes._changing:  # the exchange is to happen in the middle of the write
        kb.catalog.collections.change_settings("c", synonyms=[["pump", "circulator"]])
        sa.event.listen(kb.catalog._engine, "before_cursor_execute", exchange)
        with pytest.raises(NotYetSearchableError):
            kb.write("c", [Document("d", "the newword")], wait=True, timeout=0.5)
    assert kb.runtime("c") is not former
    assert former.follower.seq > kb.runtime("c").follower.seq
    standing_still.close()
    kb.wait_searchable("c", former.follower.seq)
    assert [hit.chunk.key for hit in kb.search("c", SearchRequest("newword", 5), OPERATOR).hits] == ["d"]
