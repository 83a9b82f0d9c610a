"""The catalog keeps its promises on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pyroaring import BitMap64

from retrieval.catalog import Catalog, Collection, Commit, DeadLetter, Outcome, Receipt, Upsert, schema
from retrieval.catalog.engine import reading
from retrieval.catalog.eval_runs import NewEvalRun
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.keys import Scope
from retrieval.catalog.offsets import OffsetAdvance
from retrieval.catalog.schema import METADATA
from retrieval.catalog.sources import SourceState
from retrieval.errors import ConflictError, InvalidInputError, NotFoundError, OvertakenError
from retrieval.types import OPERATOR, Chunk, Deletion, Document, Principal, SourcePosition, text_hash


def upsert(key: str, *texts: str, at: int | None = None, title: str = "", **more: object) -> Upsert:
    text = "\n".join(texts)
    chunks, start = [], 0
    for ordinal, part in enumerate(texts):
        chunks.append(Chunk(ordinal, part, start, start + len(part)))
        start += len(part) + 1
    position = None if at is None else SourcePosition((at,))
    return Upsert(Document(key, text, title, position=position, **more), chunks)  # type: ignore[arg-type]


def deletion(key: str, at: int | None = None) -> Deletion:
    return Deletion(key, position=None if at is None else SourcePosition((at,)))


def write(catalog: Catalog, collection: Collection, *changes: Upsert | Deletion) -> Receipt:
    return catalog.writer.commit(collection.id, Commit(changes))


def labels(catalog: Catalog, collection: Collection, key: str) -> list[int]:
    return [label for label, _ in catalog.documents.chunks(collection, key)]


def test_migrations_make_exactly_the_declared_tables(catalog: Catalog) -> None:
    with catalog._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_a_written_document_reads_back_whole(catalog: Catalog, handbook: Collection) -> None:
    moment = datetime(2026, 5, 4, 3, 2, 1, 123456, tzinfo=UTC)
    one = upsert(
        "a", "第一段 text", "second", at=7, title="T", metadata={"n": 1, "深": [True]}, acl=("hr",), committed_at=moment
    )
    assert write(catalog, handbook, one).outcomes == (Outcome.CREATED,)
    stored = catalog.documents.get(handbook, "a", OPERATOR)
    assert (stored.document, stored.version) == (one.document, 1)
    assert [chunk for _, chunk in catalog.documents.chunks(handbook, "a")] == list(one.chunks)


def test_equal_content_is_unchanged_and_reaches_no_view(catalog: Catalog, handbook: Collection) -> None:
    first = write(catalog, handbook, upsert("a", "text", at=1))
    again = write(catalog, handbook, upsert("a", "text", at=2))
    assert again.outcomes == (Outcome.UNCHANGED,)
    assert again.seq == first.seq


def test_metadata_change_keeps_labels(catalog: Catalog, handbook: Collection) -> None:
    write(catalog, handbook, upsert("a", "one", "two"))
    before = labels(catalog, handbook, "a")
    receipt = write(catalog, handbook, upsert("a", "one", "two", metadata={"colour": "red"}))
    assert receipt.outcomes == (Outcome.METADATA,)
    assert labels(catalog, handbook, "a") == before


def test_only_changed_passages_get_new_labels(catalog: Catalog, handbook: Collection) -> None:
    write(catalog, handbook, upsert("a", "one", "two", "three"))
    one, two, three = labels(catalog, handbook, "a")
    write(catalog, handbook, upsert("a", "zero", "one", "three"))
    zero, kept_one, kept_three = labels(catalog, handbook, "a")
    assert (kept_one, kept_three) == (one, three)
    assert zero not in (one, two, three)


def test_a_changed_title_renews_every_label_because_titles_are_encoded(catalog: Catalog, handbook: Collection) -> None:
    write(catalog, handbook, upsert("a", "one", title="Old"))
    before = labels(catalog, handbook, "a")
    assert write(catalog, handbook, upsert("a", "one", title="New")).outcomes == (Outcome.UPDATED,)
    assert set(labels(catalog, handbook, "a")).isdisjoint(before)


def test_older_changes_are_ignored_whatever_they_are(catalog: Catalog, handbook: Collection) -> None:
    write(catalog, handbook, upsert("a", "new", at=5))
    receipt = write(catalog, handbook, upsert("a", "old", at=4), deletion("a", at=3))
    assert receipt.outcomes == (Outcome.STALE, Outcome.STALE)
    assert catalog.documents.get(handbook, "a", OPERATOR).document.text == "new"


def test_a_late_update_cannot_revive_a_deleted_document(catalog: Catalog, handbook: Collection) -> None:
    write(catalog, handbook, upsert("a", "text", at=1), deletion("a", at=5))
    assert write(catalog, handbook, upsert("a", "late", at=4)).outcomes == (Outcome.STALE,)
    with pytest.raises(NotFoundError):
        catalog.documents.get(handbook, "a", OPERATOR)
    assert write(catalog, handbook, upsert("a", "reborn", at=6)).outcomes == (Outcome.CREATED,)


def test_a_deletion_that_overtakes_its_insert_still_wins(catalog: Catalog, handbook: Collection) -> None:
    assert write(catalog, handbook, deletion("a", at=5)).outcomes == (Outcome.ABSENT,)
    assert write(catalog, handbook, upsert("a", "late", at=4)).outcomes == (Outcome.STALE,)


def test_positions_of_another_source_do_not_compare(catalog: Catalog, handbook: Collection) -> None:
    write(catalog, handbook, upsert("a", "file", at=900, source="files"))
    assert write(catalog, handbook, upsert("a", "rest", at=1, source="api")).outcomes == (Outcome.UPDATED,)


def test_one_key_many_times_in_a_batch_ends_as_the_last(catalog: Catalog, handbook: Collection) -> None:
    write(catalog, handbook, upsert("a", "1"), upsert("a", "2"), deletion("a"), upsert("a", "3"))
    assert catalog.documents.get(handbook, "a", OPERATOR).document.text == "3"
    assert len(labels(catalog, handbook, "a")) == 1


def test_shrinking_text_leaves_no_chunk_behind(catalog: Catalog, handbook: Collection) -> None:
    write(catalog, handbook, upsert("a", "one", "two", "three"))
    write(catalog, handbook, upsert("a", "two"))
    assert [chunk.text for _, chunk in catalog.documents.chunks(handbook, "a")] == ["two"]


def test_a_failing_commit_leaves_nothing(catalog: Catalog, handbook: Collection) -> None:
    with pytest.raises(NotFoundError, match="register it"):
        catalog.writer.commit(handbook.id, Commit([upsert("a", "text")], cursor=("unknown", "7")))
    assert catalog.documents.counts(handbook) == (0, 0)
    assert catalog.collections.last_seq(handbook.id) == 0


def test_cursor_and_dead_letters_commit_with_the_documents(catalog: Catalog, handbook: Collection) -> None:
    catalog.sources.register(handbook, "files", "files")
    letter = DeadLetter("files", "x.pdf", "is encrypted", "remove the password", payload=b"\x00\xff")
    catalog.writer.commit(handbook.id, Commit([upsert("a", "t")], cursor=("files", "42"), dead_letters=[letter]))
    assert catalog.sources.get(handbook, "files").cursor == "42"
    (kept,) = catalog.sources.dead_letters(handbook)
    assert (kept.key, kept.reason, kept.payload) == ("x.pdf", "is encrypted", b"\x00\xff")


def test_groups_decide_who_reads(catalog: Catalog, handbook: Collection) -> None:
    write(catalog, handbook, upsert("open", "a"), upsert("hr", "b", acl=("hr",)), upsert("closed", "c", acl=()))
    every = [label for key in ("open", "hr", "closed") for label in labels(catalog, handbook, key)]

    def readable(principal: Principal) -> set[str]:
        return {chunk.key for chunk in catalog.documents.visible(handbook, every, principal).values()}

    assert readable(Principal("x")) == {"open"}
    assert readable(Principal("x", frozenset({"everyone", "hr"}))) == {"open", "hr"}
    assert readable(Principal("x", frozenset())) == set()
    assert readable(OPERATOR) == {"open", "hr", "closed"}
    assert [found.document.key for found in catalog.documents.page(handbook, Principal("x"), limit=9)] == ["open"]
    with pytest.raises(NotFoundError):
        catalog.documents.get(handbook, "hr", Principal("x"))


def test_a_reading_transaction_sees_one_state(catalog: Catalog, handbook: Collection) -> None:
    living = sa.select(sa.func.count()).select_from(schema.documents)
    last = sa.select(schema.collections.c.last_seq).where(schema.collections.c.id == handbook.id)
    with reading(catalog._engine) as connection:
        before = connection.execute(last).scalar_one()
        write(catalog, handbook, upsert("a", "text"))
        assert connection.execute(last).scalar_one() == before
        assert connection.execute(living).scalar_one() == 0, "of the state in which the number was read"
    with reading(catalog._engine) as connection:
        assert connection.execute(last).scalar_one() == before + 1


def test_what_changed_since_an_operation_is_told_by_label(catalog: Catalog, handbook: Collection) -> None:
    write(catalog, handbook, upsert("a", "one", "two"), upsert("b", "three"))
    before = catalog.log.state(handbook)
    write(catalog, handbook, upsert("a", "one", "other"), upsert("c", "four"))
    after = catalog.log.state(handbook, since=before.seq)
    assert before.changed == BitMap64()
    assert after.changed >= before.labels ^ after.labels
    (untouched,) = before.labels - after.changed
    assert untouched in after.labels
    assert catalog.log.state(handbook, since=after.seq).changed == BitMap64()


def test_the_log_replays_to_the_catalog_from_anywhere(catalog: Catalog, handbook: Collection) -> None:
    for round_ in range(4):
        write(catalog, handbook, upsert("a", "same", f"text {round_}"), upsert(f"k{round_}", "x"))
    write(catalog, handbook, deletion("k1"))
    truth = set(catalog.log.state(handbook).labels)
    for start in range(catalog.collections.last_seq(handbook.id) + 1):
        held = {
            label for batch in catalog.log.since(handbook, 0, BitMap64()) for label in [c.label for c in batch.added]
        }
        for batch in catalog.log.since(handbook, start, BitMap64()):
            held.difference_update(batch.removed)
            held.update(chunk.label for chunk in batch.added)
        assert held == truth


def test_everything_takes_out_what_is_gone(catalog: Catalog, handbook: Collection) -> None:
    write(catalog, handbook, upsert("a", "one"))
    *_, last = catalog.log.everything(handbook, BitMap64([999]), BitMap64())
    batches = list(catalog.log.everything(handbook, BitMap64([999]), BitMap64()))
    assert [label for batch in batches for label in batch.removed] == [999]
    assert [chunk.text for batch in batches for chunk in batch.added] == ["one"]
    assert last.seq == 1


def test_vectors_return_bit_for_bit(catalog: Catalog, handbook: Collection) -> None:
    vector = np.arange(8, dtype=np.float32) / 7
    one = upsert("a", "text")
    catalog.writer.commit(handbook.id, Commit([one], "fp", {text_hash("text"): vector}))
    (batch,) = catalog.log.since(handbook, 0, BitMap64())
    assert batch.added[0].vector is not None
    assert np.array_equal(batch.added[0].vector, vector)
    assert catalog.embeddings.missing("fp", [text_hash("text"), text_hash("other")]) == {text_hash("other")}
    assert catalog.embeddings.missing("another", [text_hash("text")]) == {text_hash("text")}


def test_parallel_writers_number_operations_without_gap(catalog: Catalog, handbook: Collection) -> None:
    def work(name: str) -> None:
        for index in range(10):
            write(catalog, handbook, upsert(f"{name}{index}", f"{name} {index}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (batch,) = catalog.log.since(handbook, 0, BitMap64())
    assert (batch.seq, len(batch.added)) == (40, 40)


def test_keys_are_checked_scoped_and_revoked(catalog: Catalog) -> None:
    record, text = catalog.keys.create("ci", Scope.WRITE, collections=["handbook"], groups=["hr"])
    assert catalog.keys.check(text) == record
    assert record.reaches("handbook") and not record.reaches("other")
    for wrong in ("", "kb", text[:-1], text + "x", text.replace("kb_", "xx_"), f"kb_{record.id}_"):
        assert catalog.keys.check(wrong) is None
    catalog.keys.revoke(record.id)
    assert catalog.keys.check(text) is None
    _, expired = catalog.keys.create("old", Scope.READ, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert catalog.keys.check(expired) is None


def test_secrets_are_nowhere_in_the_catalog(catalog: Catalog) -> None:
    _, text = catalog.keys.create("ci", Scope.READ)
    secret = text.split("_", 2)[2]
    with catalog._engine.connect() as connection:
        stored = connection.exec_driver_sql("SELECT * FROM api_keys").all()
    assert secret not in repr(stored)


def test_eval_sets_feedback_and_audit_read_back(catalog: Catalog, handbook: Collection) -> None:
    created = catalog.eval_sets.create(handbook, "faq", [EvalQuery("q1", "如何?", {"a": 2, "b": 0})])
    assert created.queries == 1
    assert catalog.eval_sets.queries(created) == [EvalQuery("q1", "如何?", {"a": 2, "b": 0})]
    with pytest.raises(ConflictError):
        catalog.eval_sets.create(handbook, "faq", [])
    asked = [EvalQuery("q1", "how?", {}, ("so", "thus")), EvalQuery("q2", "who?", {"a": 1}, ())]
    answered = catalog.eval_sets.create(handbook, "answered", asked)
    assert catalog.eval_sets.queries(answered) == asked
    assert catalog.eval_sets.judged(answered) == asked[1:]
    grown = catalog.eval_sets.judge(handbook, "answered", "how?", {"b": 1}, ["thus", "或者"])
    assert grown == EvalQuery("q1", "how?", {"b": 1}, ("so", "thus", "或者"))
    assert catalog.eval_sets.judge(handbook, "answered", "how?", {"b": 0}) == replace(grown, judgements={"b": 0})
    assert catalog.eval_sets.judge(handbook, "answered", "how?", {}, []).answers == ()
    assert catalog.eval_sets.queries(answered)[0].answers == ()
    catalog.feedback.add(handbook, "me", "how?", "a", -1, "wrong")
    assert catalog.feedback.page(handbook)[0].comment == "wrong"
    catalog.audit.record("me", "keys.create", "k1", {"scope": "read"}, "r-1")
    assert catalog.audit.page()[0].detail == {"scope": "read"}
    catalog.audit.record("you_1", "PUT", "docs/100%")
    assert [act.target for act in catalog.audit.page(principal="YOU_")] == ["docs/100%"]
    assert [act.target for act in catalog.audit.page(action="create", target="K1")] == ["k1"]
    assert [act.target for act in catalog.audit.page(target="0%")] == ["docs/100%"]
    assert catalog.audit.page(principal="y%u") == []


def test_runs_of_an_eval_set_are_kept_newest_first_until_they_are_old(catalog: Catalog, handbook: Collection) -> None:
    faq = catalog.eval_sets.create(handbook, "faq", [EvalQuery("q1", "how?", {"a": 1})])
    other = catalog.eval_sets.create(handbook, "other", [EvalQuery("q1", "how?", {"a": 1})])
    row = {"id": "q1", "text": "如何?", "ranks": {"a": None}}
    made = NewEvalRun("me", "all", {"fusion": "rrf"}, "d", "fp", 7, {"metrics": {"ndcg@10": 0.5}}, [row])
    first, second = catalog.eval_runs.add(faq, made), catalog.eval_runs.add(faq, replace(made, rights="few"))
    assert [run.id for run in catalog.eval_runs.page(faq, 10)] == [second.id, first.id]
    assert [run.id for run in catalog.eval_runs.page(faq, 10, before=second.id)] == [first.id]
    assert catalog.eval_runs.get(faq, first.id).summary == made.summary
    assert catalog.eval_runs.questions(second) == [row]
    assert catalog.eval_runs.former(faq, "all") == first
    assert catalog.eval_runs.former(other, "all") is None
    with pytest.raises(NotFoundError):
        catalog.eval_runs.get(other, first.id)
    assert catalog.eval_runs.prune(first.at) == 0
    assert catalog.eval_runs.prune(second.at + timedelta(seconds=1)) == 1  # the newest stays
    catalog.eval_runs.drop(faq, second.id)
    assert catalog.eval_runs.page(faq, 10) == []
    catalog.eval_sets.drop(handbook, "faq")
    with pytest.raises(NotFoundError):
        catalog.eval_runs.add(faq, made)


def test_dropping_a_collection_takes_everything_and_its_number_is_not_reused(
    catalog: Catalog, handbook: Collection
) -> None:
    write(catalog, handbook, upsert("a", "text"))
    catalog.collections.drop("handbook")
    again = catalog.collections.create("handbook", "hash", "fp")
    assert again.id != handbook.id
    assert catalog.documents.counts(again) == (0, 0)
    with pytest.raises(NotFoundError):
        write(catalog, handbook, upsert("a", "text"))


@pytest.mark.parametrize("name", ["", "A", "ü", "-a", "a" * 64, "a/b", "../x"])
def test_collection_names_are_plain(catalog: Catalog, name: str) -> None:
    with pytest.raises(InvalidInputError, match="collection name"):
        catalog.collections.create(name, "hash", "fp")


def test_a_worker_that_was_overtaken_writes_nothing(catalog: Catalog, handbook: Collection) -> None:
    source = catalog.sources.register(handbook, "shop", "database").id

    def read(start: int | None, end: int, key: str) -> Receipt:
        offsets = [OffsetAdvance(source, "shop.public.faq", 0, start, end)]
        return catalog.writer.commit(handbook.id, Commit([upsert(key, "text")], offsets=offsets))

    read(None, 3, "a")
    with pytest.raises(OvertakenError, match=r"shop\.public\.faq .* began at offset None"):
        read(None, 5, "late")
    read(3, 9, "b")
    with pytest.raises(OvertakenError):
        read(3, 7, "late")
    assert catalog.offsets.read(source) == {("shop.public.faq", 0): 9}
    assert catalog.documents.keys(handbook) == {"a", "b"}


def test_joins_rendered_from_rows_that_changed_since_are_not_written(catalog: Catalog, handbook: Collection) -> None:
    source = catalog.sources.register(handbook, "shop", "database").id
    seen = catalog.offsets.rows_version(source)
    catalog.writer.commit(handbook.id, Commit([upsert("a", "first")], rows_read=seen))
    with pytest.raises(OvertakenError, match="version 0"):
        catalog.writer.commit(handbook.id, Commit([upsert("a", "rendered from older rows")], rows_read=seen))
    assert catalog.documents.get(handbook, "a", OPERATOR).document.text == "first"
    catalog.writer.commit(handbook.id, Commit([upsert("a", "again")], rows_read=catalog.offsets.rows_version(source)))


def test_a_live_source_is_found_until_it_is_paused_and_keeps_its_secret(catalog: Catalog, handbook: Collection) -> None:
    made = catalog.sources.create(handbook, "shop", "database", {"tables": {}}, secret=b"sealed")
    assert [source.name for source in catalog.sources.live("database")] == ["shop"]
    assert catalog.sources.secret(made) == b"sealed"
    with pytest.raises(ConflictError, match="'shop'"):
        catalog.sources.create(handbook, "shop", "database", {})
    paused = catalog.sources.change(made, state=SourceState.PAUSED, config={"tables": {"a.b": {}}})
    assert paused.config == {"tables": {"a.b": {}}}
    assert catalog.sources.live("database") == []
    with pytest.raises(ConflictError, match="changed meanwhile"):
        catalog.sources.change(made, unless_changed=True, config={})
    assert catalog.sources.change(paused, unless_changed=True, config={"a": 1}).config == {"a": 1}
    catalog.sources.delete(made)
    with pytest.raises(NotFoundError):
        catalog.sources.change(made, state=SourceState.ACTIVE)


def test_a_text_taken_as_stored_keeps_its_chunks_and_is_refused_when_it_changed(
    catalog: Catalog, handbook: Collection
) -> None:
    first = upsert("a", "one", "two", at=1, title="T")
    write(catalog, handbook, Upsert(first.document, first.chunks, "came:kept"))
    held = labels(catalog, handbook, "a")
    again = Document("a", "", "T", metadata={"n": 2}, position=SourcePosition((2,)))
    assert write(catalog, handbook, Upsert(again, None, "came:kept")).outcomes == (Outcome.METADATA,)
    stored = catalog.documents.get(handbook, "a", OPERATOR)
    assert (stored.document.text, stored.document.metadata) == ("one\ntwo", {"n": 2})
    assert labels(catalog, handbook, "a") == held
    assert catalog.documents.inputs(handbook, ["a", "b"])["a"].input_hash == "came:kept"
    with pytest.raises(OvertakenError, match="'a'"):
        write(catalog, handbook, Upsert(again, None, "other:text"))
    write(catalog, handbook, deletion("a", at=3))
    with pytest.raises(OvertakenError):
        write(catalog, handbook, Upsert(Document("a", "", "T", position=SourcePosition((4,))), None, "came:kept"))


@pytest.mark.parametrize("name", ["a\0b", "".join(chr(0x4E00 + n * n % 20_000) for n in range(4_000))])
def test_a_value_that_the_database_refuses_is_no_outage(catalog: Catalog, handbook: Collection, name: str) -> None:
    """SQLite takes it; whoever waited for PostgreSQL to do so would wait for ever."""
    if catalog._engine.dialect.name == "sqlite":
        assert catalog.sources.register(handbook, name, "files").name == name
        return
    with pytest.raises(InvalidInputError, match="refuses a value"):
        catalog.sources.register(handbook, name, "files")
