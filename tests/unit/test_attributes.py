"""Bitmaps of rights and metadata agree with the plain-Python oracle, whatever happened before."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

import filter_strategies
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import ViewError, ViewLockedError
from retrieval.filters import Filter, matches, parse_filter
from retrieval.types import OPERATOR, IndexedChunk, Principal, ViewBatch
from retrieval.views.attributes import AttributeView

GROUPS = ["everyone", "staff", "board"]
FIELDS = ["a", "b"]
TEXTS = ["x", "y", "2024-01-01", *filter_strategies.HOSTILE_TEXTS]
SCALARS = st.one_of(st.integers(-2, 2), st.sampled_from(TEXTS), st.sampled_from([-0.5, 1.0, True, False]))
VALUES = st.one_of(st.none(), SCALARS, st.lists(SCALARS, max_size=3))
METADATA = st.dictionaries(st.sampled_from(FIELDS), VALUES)
LIMITS = st.one_of(st.integers(-2, 2), st.sampled_from(["x", "y", 0.5]))
CONDITIONS = filter_strategies.conditions(FIELDS, SCALARS, LIMITS)
ADDITIONS = st.lists(
    st.tuples(st.integers(1, 12), st.lists(st.sampled_from(GROUPS), unique=True).map(tuple), METADATA), max_size=5
)
HISTORY = st.lists(st.tuples(st.lists(st.integers(1, 12), max_size=3), ADDITIONS, st.booleans()), max_size=6)
PRINCIPALS = filter_strategies.principals(GROUPS)

Model = dict[int, tuple[tuple[str, ...], dict[str, Any]]]


def chunk(label: int, groups: tuple[str, ...] = ("everyone",), metadata: dict[str, Any] | None = None) -> IndexedChunk:
    return IndexedChunk(label, label // 3, "", "", "", None, groups, metadata or {})


def expected(model: Model, principal: Principal, condition: Filter | None) -> set[int]:
    return {
        label
        for label, (groups, metadata) in model.items()
        if (principal.sees_all or principal.groups & set(groups))
        and (condition is None or matches(condition, metadata))
    }


@settings(max_examples=200)
@given(HISTORY, st.lists(st.tuples(PRINCIPALS, st.none() | CONDITIONS), min_size=1, max_size=4))
def test_bitmaps_agree_with_the_oracle(history: list[Any], questions: list[tuple[Principal, Filter | None]]) -> None:
    check_history(history, questions, None)


@settings(max_examples=15)
@given(HISTORY, st.lists(st.tuples(PRINCIPALS, st.none() | CONDITIONS), min_size=1, max_size=2))
def test_they_agree_after_restarts(history: list[Any], questions: list[tuple[Principal, Filter | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_history(history, questions, Path(folder))


def seen(view: AttributeView, principal: Principal, condition: Filter | None = None) -> set[int]:
    answer = view.allowed(principal, condition)
    return set(view.labels() if answer is None else answer)


def check_history(history: list[Any], questions: list[tuple[Principal, Filter | None]], folder: Path | None) -> None:
    view, model = AttributeView(folder), Model()
    for seq, (removed, added, reopens) in enumerate(history, start=1):
        view.apply(ViewBatch(seq, removed, [chunk(*addition) for addition in added]))
        model = {label: kept for label, kept in model.items() if label not in removed}
        model |= {label: (groups, metadata) for label, groups, metadata in added}
        if folder and reopens:
            view.save()
            view.close()
            view = AttributeView(folder)
        for principal, condition in questions:
            assert seen(view, principal, condition) == expected(model, principal, condition)
        assert set(view.labels()) == set(model)
    for document in range(5):
        assert view.labels_of(document) == sorted(label for label in model if label // 3 == document)
        assert view.passages_of([document, 999]) == [view.labels_of(document), []]
    view.close()


def test_an_added_label_overwrites_rights_and_metadata() -> None:
    view = AttributeView(None)
    view.apply(ViewBatch(1, [], [chunk(1, ("staff",), {"a": 1})]))
    view.apply(ViewBatch(2, [], [chunk(1, ("board",), {"a": 2})]))
    assert seen(view, Principal("p", frozenset({"staff"}))) == set()
    assert seen(view, Principal("p", frozenset({"board"})), parse_filter({"a": 2})) == {1}
    assert (view.document_of(1), view.document_of(9), view.seq, len(view)) == (0, None, 2, 1)


def test_the_chunks_of_a_key_stay_those_of_their_moment() -> None:
    view = AttributeView(None)
    view.apply(ViewBatch(1, [], [chunk(label, (), {"_key": "guide"}) for label in (1, 2)]))
    before = view.labels_of_key("guide")
    view.apply(ViewBatch(2, [2], [chunk(3, (), {"_key": "guide"})]))
    assert (set(before), set(view.labels_of_key("guide")), set(view.labels_of_key("other"))) == ({1, 2}, {1, 3}, set())


def test_only_those_who_see_all_get_no_restriction() -> None:
    view = AttributeView(None)
    view.apply(ViewBatch(1, [], [chunk(1), chunk(2, ())]))
    assert view.allowed(OPERATOR) is None
    assert set(view.allowed(Principal("p")) or ()) == {1}
    view.apply(ViewBatch(2, [2], []))
    assert view.allowed(Principal("p")) is None
    assert view.allowed(Principal("p", frozenset())) is not None


def test_the_answer_is_the_callers_own() -> None:
    view = AttributeView(None)
    view.apply(ViewBatch(1, [], [chunk(1, metadata={"a": 1})]))
    for condition in (None, {"a": {"$exists": True}}, {}, {"a": 1}):
        parsed = None if condition is None else parse_filter(condition)
        for principal in (Principal("p"), OPERATOR):
            answer = view.allowed(principal, parsed)
            if answer is not None:
                answer.clear()
    assert seen(view, Principal("p"), parse_filter({"a": 1})) == {1}
    assert len(view) == 1


def test_a_folder_has_one_writer_and_readers_beside_it(tmp_path: Path) -> None:
    writer = AttributeView(tmp_path)
    writer.apply(ViewBatch(1, [], [chunk(1)]))
    writer.save()
    with pytest.raises(ViewLockedError):
        AttributeView(tmp_path)
    reader = AttributeView(tmp_path, read_only=True)
    reader.apply(ViewBatch(2, [], [chunk(2)]))
    reader.save()
    assert (len(reader), len(writer)) == (2, 1)
    writer.close()
    assert len(AttributeView(tmp_path, read_only=True)) == 1


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    view = AttributeView(tmp_path)
    view.apply(ViewBatch(1, [], [chunk(1)]))
    view.save()
    view.close()
    (tmp_path / "rows.json").write_text("[[1,")
    with pytest.raises(ViewError, match="rebuilt"):
        AttributeView(tmp_path)


def test_questions_are_answered_while_batches_are_applied() -> None:
    view = AttributeView(None)
    view.apply(ViewBatch(1, [], [chunk(label, metadata={"a": 0}) for label in range(100)]))
    failures: list[BaseException] = []
    stop = threading.Event()

    def ask() -> None:
        try:
            while not stop.is_set():
                answer = view.allowed(Principal("p"), parse_filter({"a": {"$lte": 0}}))
                assert answer is None or set(range(50)) <= set(answer)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for seq in range(2, 200):
        view.apply(ViewBatch(seq, [seq % 50 + 50], [chunk(100 + seq, metadata={"a": seq % 7, "b": seq})]))
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
