"""Processes on one catalog serve the same, whoever wrote, reindexed, changed rights or was away meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from changing_world import World, text_of
from waiting import eventually

from api.generations.reindex import reindex, roll_back_generation
from api.jobs import upkeep
from api.jobs.compaction import compact_catalog
from api.knowledge_base import KnowledgeBase
from api.serving.runtimes import RECORD_SECONDS
from api.upkeep.maintenance import verify_collection
from api.upkeep.per_collection import PerCollection
from infra.settings import Settings
from retrieval.catalog import sqlite_url
from retrieval.catalog.schema import utc_now
from retrieval.errors import NotFoundError
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Deletion, Document, Principal, ViewBatch

EVERY = 100  # hits: more than the documents, or like ones of them would be cut off by the last digits of their scores
Open = Callable[[str], KnowledgeBase]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens knowledge bases on one catalog, each with a data folder of its own, as processes have."""
    url = request.getfixturevalue("fresh_postgres") if request.param == "postgresql" else sqlite_url(tmp_path / "c.db")
    with ExitStack() as stack:

        def open_(name: str) -> KnowledgeBase:
            settings = Settings(data_dir=tmp_path / name, encoder="hash", catalog_url=url)
            return stack.enter_context(KnowledgeBase.open(settings))

        yield open_


def found(kb: KnowledgeBase, query: str, principal: Principal = OPERATOR, min_seq: int = 0) -> list[tuple[str, float]]:
    result = kb.search("c", SearchRequest(query, EVERY), principal, min_seq=min_seq)
    return sorted((hit.chunk.key, round(hit.score, 5)) for hit in result.hits)


def followers_of_c() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("views-c-")]


def test_a_write_through_one_process_is_seen_by_the_other(opened: Open) -> None:
    one, other = opened("one"), opened("other")
    one.create_collection("c")
    for number in range(5):
        writer, reader = (one, other) if number % 2 else (other, one)
        receipt = writer.write("c", [Document(f"k{number}", text_of(number, 1))])
        assert [key for key, _ in found(reader, f"subject{number}word", min_seq=receipt.seq)][0] is not None
        assert found(one, "pump valve", min_seq=receipt.seq) == found(other, "pump valve", min_seq=receipt.seq)
    gone = one.write("c", [Deletion("k3")])
    assert "k3" not in dict(found(other, "subject3word", min_seq=gone.seq))


def test_a_generation_activated_elsewhere_takes_over_here(opened: Open) -> None:
    one, other = opened("one"), opened("other")
    one.create_collection("c")
    world = World(other, "c")
    world.fill()

    def switch() -> None:
        built = reindex(one, "c", {"chunk_tokens": 160, "synonyms": [["pump", "circulator"]]}, lambda done, total: None)
        eventually(lambda: other.runtime("c").is_of("c", built["id"]))

    world.during(switch)
    assert world.wrong == []
    assert verify_collection(other, "c").in_step and verify_collection(one, "c").in_step
    # Word statistics still count what was deleted since the last merge, so scores may differ in the third digit.
    assert found(one, "circulator")
    assert dict(found(one, "circulator")).keys() == dict(found(other, "circulator")).keys()
    former = roll_back_generation(one, "c")
    eventually(lambda: other.runtime("c").is_of("c", former.id))
    assert verify_collection(other, "c").in_step


def test_parity_is_judged_of_one_moment_however_busy_the_writers_are(opened: Open) -> None:
    one, other = opened("one"), opened("other")
    one.create_collection("c")
    world = World(other, "c")
    world.fill()
    written: list[int] = []

    def write_first(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        is_read = not connection.get_execution_options().get("kb_writes")
        if is_judging and is_read and statement.startswith(("SELECT collections.last_seq", "SELECT count(")):
            number = len(written) % 5
            written.append(other.write("c", [Document(f"d{number}", text_of(number, 2 + len(written)))]).seq)

    sa.event.listen(one.catalog._engine, "before_cursor_execute", write_first)
    is_judging = True
    built = reindex(one, "c", {"chunk_tokens": 160}, lambda done, total: None)
    found = verify_collection(one, "c")
    is_judging = False
    assert len(written) > 5
    assert found.in_step, found
    assert built["evidence"]["parity"]["in_step"], built["evidence"]

    views = one.runtime("c").follower.views
    views.sparse.apply(ViewBatch(views.sparse.seq, list(views.sparse.labels())[:3], []))
    is_judging = True
    assert verify_collection(one, "c").views["sparse"].missing >= 1, "what was not changed meanwhile is told"
    is_judging = False


def test_a_process_that_was_away_catches_up_though_the_log_was_pruned(opened: Open) -> None:
    one = opened("one")
    one.create_collection("c")
    world = World(one, "c")
    world.fill()
    away = opened("other")
    assert found(away, "subject5word") == found(one, "subject5word")
    away.runtimes.close()
    one.write("c", [Document("d5", text_of(5, 2)), Deletion("d6"), Document("new", "brandnewword")], wait=True)
    one.write("c", [Document("d7", text_of(7, 1), metadata={"seen": True}, acl=("hr",))], wait=True)
    record = one.catalog.collections.get("c")
    assert one.catalog.pruning.operations(record, utc_now() + timedelta(seconds=5)) > 0
    back, fresh = opened("other"), opened("fresh")
    assert verify_collection(back, "c").in_step
    for query in ("subject5word", "subject6word", "brandnewword", "subject7word"):
        for principal in (OPERATOR, Principal("somebody")):
            assert found(back, query, principal) == found(fresh, query, principal)
            assert {key for key, _ in found(back, query, principal)} == {key for key, _ in found(one, query, principal)}
    receipt = back.write("c", [Document("later", "laterword")])
    assert found(one, "laterword", min_seq=receipt.seq) == found(back, "laterword", min_seq=receipt.seq)


def test_another_default_reaches_every_process(opened: Open) -> None:
    one, other = opened("one"), opened("other")
    one.create_collection("c")
    one.write("c", [Document("open", "valve one"), Document("closed", "valve two", acl=("board",))], wait=True)
    staff = Principal("somebody", frozenset({"staff"}))
    assert found(other, "valve", staff) == []
    one.catalog.collections.change_settings("c", default_acl=("staff",))
    one.serve_anew("c")
    seq = one.catalog.collections.last_seq(one.catalog.collections.get("c").id)
    eventually(lambda: [key for key, _ in found(other, "valve", staff, min_seq=seq)] == ["open"])
    allowed = other.runtime("c").follower.views.attributes.allowed(staff, None)
    assert allowed is not None and len(allowed) == 1
    eventually(lambda: found(other, "valve", Principal("anybody")) == [])


def test_a_collection_dropped_elsewhere_closes_here_and_its_successor_is_served(opened: Open) -> None:
    one, other = opened("one"), opened("other")
    for name in ("z", "c"):
        one.create_collection(name)
        written = one.write(name, [Document("old", "the oldword")])
    for kb in (one, other):
        assert found(kb, "oldword", min_seq=written.seq) and kb.runtime("z")
    dropped = one.catalog.collections.get("c").id
    one.drop_collection("c")
    one.create_collection("c")
    receipt = one.write("c", [Document("new", "the newword")])
    other.nudge(one.catalog.collections.get("z").id)
    eventually(lambda: other.runtimes.open_one(dropped) is None)
    assert [key for key, _ in found(other, "newword", min_seq=receipt.seq)] == ["new"]
    other.write("c", [Document("more", "the thirdword")], wait=True)
    time.sleep(3 * RECORD_SECONDS)
    eventually(followers_of_c, lambda names: len(names) == 2, what="each process follows the new one, and no other")
    one.drop_collection("c")
    eventually(lambda: other.runtimes.open_names() == ["z"])
    with pytest.raises(NotFoundError, match="'c' does not exist"):
        found(other, "newword")


def test_a_process_ends_cleanly_though_its_folder_was_dropped_with_the_collection(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, encoder="hash")
    with KnowledgeBase.open(settings) as owner:
        for name in ("c", "z"):
            owner.create_collection(name)
            owner.write(name, [Document("k", "the word")], wait=True)
        with owner.runtimes._changing, KnowledgeBase.open(settings) as other:  # the owner does not look meanwhile
            other.drop_collection("c")
            owner.runtimes._stopping.set()
    with KnowledgeBase.open(settings) as again:
        views = again.open_runtime(again.catalog.collections.get("z"))
        assert views.follower.seq == 1, "the other collection was saved"
        views.stop()


def test_who_follows_in_a_private_copy_inherits_the_files(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, encoder="hash")
    with KnowledgeBase.open(settings) as owner:
        owner.create_collection("c")
        owner.write("c", [Document("k", "the word")], wait=True)
        heir = KnowledgeBase.open(settings)
        assert found(heir, "word") and not heir.runtime("c").follower.is_durable
    with heir:
        eventually(lambda: heir.runtime("c").follower.is_durable)
        seq = heir.write("c", [Document("more", "another word")], wait=True).seq
        assert upkeep.snapshot(heir, "", {}, lambda done, total: None)["saved"] == {"c": seq}
        heir.runtimes.forget("c", save=False)
        again = heir.open_runtime(heir.catalog.collections.get("c"))
        assert (again.follower.seq, again.follower.is_durable) == (seq, True)
        again.stop()


def test_embeddings_that_no_chunk_needs_go_while_documents_change(opened: Open) -> None:
    one = opened("one")
    one.create_collection("c")
    world = World(one, "c")
    world.fill()
    record, tries = one.catalog.collections.get("c"), PerCollection(one.catalog, ["c"])

    def compact() -> None:
        for _ in range(5):
            compact_catalog(one, ["c"], {"operations_days": None}, lambda done, total: None, tries)

    world.during(compact)
    assert world.wrong == []
    assert one.catalog.embeddings.count_missing(record) == 0
    one.write("c", [Document("d1", "wholly other text")], wait=True)
    freed = compact_catalog(one, ["c"], {}, lambda done, total: None, tries)["deleted"]["embeddings"]
    assert freed >= 1
    assert verify_collection(one, "c").in_step
