"""The contract of `IndexView`: subclass `IndexViewContract` in a test file, say how to build yours, and pytest runs it.

    class TestMyView(IndexViewContract):
        def make_view(self, folder, *, read_only=False):
            return MyView(folder, read_only=read_only)

        def query(self, topic):
            return topic_text(topic)  # or topic_vector(topic)

Chunks of the suite belong to topics: a topic's query must find the topic's chunks before all others.
"""

# ruff: noqa: D102 - the name of a test is its docstring

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyroaring import BitMap64

from retrieval.contracts import IndexView, Scope
from retrieval.errors import ViewLockedError
from retrieval.filters import Bound, Compare, HasPart, PartOperator
from retrieval.types import EVERYONE, IndexedChunk, Principal, Vector, ViewBatch

DIM = 16
TOPICS = 8


def topic_text(topic: int) -> str:
    """Words that only this topic's chunks contain."""
    letter = "abcdefgh"[topic]
    return f"topic{letter} subject{letter}"


def topic_vector(topic: int) -> Vector:
    """(DIM,) unit vector, orthogonal to those of the other topics."""
    vector: Vector = np.eye(DIM, dtype=np.float32)[topic]
    return vector


def make_chunk(label: int, topic: int, *, is_embedded: bool = True) -> IndexedChunk:
    """A chunk of that topic; chunks of one topic are equal in text and vector."""
    vector = topic_vector(topic) if is_embedded else None
    return IndexedChunk(label, label, "", "", f"{topic_text(topic)} and filler", vector, (EVERYONE,), {"topic": topic})


def make_batch(seq: int, added: Iterable[tuple[int, int]] = (), removed: Sequence[int] = ()) -> ViewBatch:
    """A batch that adds these (label, topic) pairs and removes these labels."""
    return ViewBatch(seq, list(removed), [make_chunk(label, topic) for label, topic in added])


class IndexViewContract(ABC):
    """What every index view does, whatever it is made of."""

    histories = 3  # random ones; fewer where every batch of them asks a server

    @abstractmethod
    def make_view(self, folder: Path | None, *, read_only: bool = False) -> IndexView:
        """The view under test, kept where the folder says, or nowhere; its vectors have `DIM` dimensions."""

    @abstractmethod
    def query(self, topic: int) -> Any:
        """A query that the topic's chunks answer best."""

    def found(self, view: IndexView, topic: int, k: int = 100, allowed: Iterable[int] | None = None) -> list[int]:
        """Labels of that topic among the best k; chunks of other topics may follow them."""
        ranking = view.search(self.query(topic), k, None if allowed is None else BitMap64(allowed))
        return [int(label) for label, score in zip(ranking.labels, ranking.scores, strict=True) if score > 1e-3]

    def test_an_empty_view_finds_nothing(self) -> None:
        view = self.make_view(None)
        assert (len(view), view.seq, list(view.labels())) == (0, 0, [])
        assert len(view.search(self.query(0), 10)) == 0
        view.close()

    def test_what_was_added_is_found(self) -> None:
        view = self.make_view(None)
        view.apply(make_batch(7, [(1, 0), (2, 1), (3, 0)]))
        assert (len(view), view.seq, list(view.labels())) == (3, 7, [1, 2, 3])
        assert self.found(view, 0) == [1, 3]
        assert self.found(view, 1) == [2]
        view.close()

    def test_what_was_removed_is_not_found(self) -> None:
        view = self.make_view(None)
        view.apply(make_batch(1, [(1, 0), (2, 0)]))
        view.apply(make_batch(2, [], [1, 99]))
        assert (len(view), self.found(view, 0), list(view.labels())) == (1, [2], [2])
        view.close()

    def test_an_update_replaces_in_one_batch(self) -> None:
        view = self.make_view(None)
        view.apply(make_batch(1, [(1, 0), (2, 1)]))
        view.apply(make_batch(2, [(3, 0)], [1]))
        assert self.found(view, 0) == [3]
        view.close()

    def test_applying_a_batch_twice_is_harmless(self) -> None:
        view = self.make_view(None)
        for batch in (make_batch(1, [(1, 0), (2, 0)]), make_batch(2, [(3, 1)], [1])):
            view.apply(batch)
            view.apply(batch)
        assert (self.found(view, 0), self.found(view, 1), len(view)) == ([2], [3], 2)
        view.close()

    def test_replaying_an_older_range_is_harmless(self) -> None:
        view = self.make_view(None)
        batches = [make_batch(1, [(1, 0), (2, 0)]), make_batch(2, [(3, 0)], [1]), make_batch(3, [(4, 0)], [2])]
        for batch in batches + batches[1:] + batches:
            view.apply(batch)
        assert (self.found(view, 0), len(view), view.seq) == ([3, 4], 2, 3)
        view.close()

    def test_a_held_label_needs_no_vector_again(self) -> None:
        view = self.make_view(None)
        view.apply(make_batch(1, [(1, 0)]))
        view.apply(ViewBatch(2, [], [make_chunk(1, 0, is_embedded=False)]))
        assert self.found(view, 0) == [1]
        view.close()

    def test_equal_scores_come_by_rising_label(self) -> None:
        view = self.make_view(None)
        labels = list(range(1, 60))
        for seq, start in enumerate(range(0, len(labels), 10), start=1):
            part = labels[start : start + 10]
            view.apply(make_batch(seq, [(label, 0) for label in reversed(part)]))
        assert self.found(view, 0, 100) == labels
        assert self.found(view, 0, 7) == labels[:7]
        view.close()

    def test_only_allowed_chunks_are_found(self) -> None:
        view = self.make_view(None)
        view.apply(make_batch(1, [(label, label % TOPICS) for label in range(200)]))
        expected = [label for label in range(0, 200, 3) if label % TOPICS == 5]
        assert self.found(view, 5, 100, range(0, 200, 3)) == expected
        assert self.found(view, 5, 2, range(0, 200, 3)) == expected[:2]
        assert self.found(view, 5, 10, []) == []
        assert self.found(view, 5, 10, [5, 10**12]) == [5]
        view.close()

    def test_a_scope_says_the_same_as_labels(self) -> None:
        view = self.make_view(None)
        rows = [replace(make_chunk(label, 0), groups=("staff",) if label % 2 else ("board",)) for label in range(40)]
        view.apply(ViewBatch(1, [], [replace(row, metadata={"n": row.label}) for row in rows]))
        scope = Scope(Principal("anna", frozenset({"staff"})), Compare("n", Bound.GTE, 20))
        expected = list(range(21, 40, 2))
        assert view.search(self.query(0), 100, BitMap64(expected), scope).labels.tolist() == expected
        assert view.search(self.query(0), 3, BitMap64(expected), scope).labels.tolist() == expected[:3]
        view.close()

    def test_a_scope_takes_parts_of_texts_for_no_patterns(self) -> None:
        view = self.make_view(None)
        files = {label: f"{'a*' if label < 9 else 'A?'}\\{label}.册" for label in range(20)}
        rows = [replace(make_chunk(label, 0), metadata={"file": file}) for label, file in files.items()]
        view.apply(ViewBatch(1, [], rows))
        anywhere, begins, ends = PartOperator
        for operator, part in ((anywhere, "*"), (anywhere, "\\1"), (anywhere, "a?"), (begins, "A?"), (ends, "5.册")):
            condition = HasPart("file", operator, part)
            expected = [label for label, file in files.items() if condition.holds(file)]
            scope = Scope(Principal("anna"), condition)
            assert view.search(self.query(0), 100, BitMap64(expected), scope).labels.tolist() == expected
        view.close()

    def test_a_snapshot_gives_the_same_answers(self, tmp_path: Path) -> None:
        view = self.make_view(tmp_path)
        view.apply(make_batch(1, [(label, label % TOPICS) for label in range(50)]))
        view.apply(make_batch(2, [(60, 0)], [0, 8]))
        before = [self.found(view, topic) for topic in range(TOPICS)]
        view.save()
        view.close()
        again = self.make_view(tmp_path)
        assert (again.seq, len(again)) == (2, 49)
        assert [self.found(again, topic) for topic in range(TOPICS)] == before
        again.close()

    def test_what_is_held_as_it_came_does_not_differ(self, tmp_path: Path) -> None:
        view = self.make_view(tmp_path)
        view.apply(make_batch(1, [(label, label % TOPICS) for label in range(50)]))
        view.apply(make_batch(2, [(60, 0)], [0, 8]))
        rows = [make_chunk(label, label % TOPICS) for label in (*range(50), 99)]
        assert not view.differing([*rows, make_chunk(60, 0)])
        view.save()
        view.close()
        again = self.make_view(tmp_path)
        assert not again.differing([*rows, make_chunk(60, 0)])
        again.close()

    def test_a_replay_after_a_stop_without_saving_loses_and_doubles_nothing(self, tmp_path: Path) -> None:
        batches = [make_batch(1, [(1, 0), (2, 1)]), make_batch(2, [(3, 0)], [1]), make_batch(3, [(4, 1)], [2])]
        view = self.make_view(tmp_path)
        view.apply(batches[0])
        view.save()
        view.apply(batches[1])
        view.apply(batches[2])
        view.close()
        again = self.make_view(tmp_path)
        assert 1 <= again.seq <= 3
        for batch in batches[again.seq :]:
            again.apply(batch)
        assert (self.found(again, 0), self.found(again, 1), len(again)) == ([3], [4], 2)
        again.close()

    def test_random_histories_end_like_a_dict(self, tmp_path: Path) -> None:
        for seed in range(self.histories):
            self._random_history(tmp_path / str(seed), np.random.default_rng(seed))

    def test_searches_go_on_while_batches_are_applied(self) -> None:
        view = self.make_view(None)
        view.apply(make_batch(1, [(label, 0) for label in range(10)]))
        stop, failures = threading.Event(), list[BaseException]()

        def search() -> None:
            while not stop.is_set():
                try:
                    assert self.found(view, 0, 200)[:10] == list(range(10))
                except BaseException as error:
                    failures.append(error)
                    return

        threads = [threading.Thread(target=search) for _ in range(4)]
        for thread in threads:
            thread.start()
        for seq in range(2, 40):
            first = seq * 10
            view.apply(make_batch(seq, [(first + i, 1 + i % 7) for i in range(10)], range(first - 10, first - 5)))
        stop.set()
        for thread in threads:
            thread.join()
        assert not failures, failures[0]
        view.close()

    def _random_history(self, folder: Path, choose: np.random.Generator) -> None:
        view, model, label = self.make_view(folder), dict[int, int](), 0
        for seq in range(1, 41):
            removed = sorted(model)[:: int(choose.integers(4, 9))][: int(choose.integers(4))]
            added = [(label + i, int(choose.integers(TOPICS))) for i in range(choose.integers(6))]
            label += len(added)
            model = {known: topic for known, topic in model.items() if known not in removed} | dict(added)
            view.apply(make_batch(seq, added, removed))
            if choose.random() < 0.15:
                view.save()
                view.close()
                view = self.make_view(folder)
            assert sorted(view.labels()) == sorted(model)
        for topic in range(TOPICS):
            assert self.found(view, topic) == sorted(known for known, its in model.items() if its == topic)
        view.close()


class FolderViewContract(IndexViewContract):
    """What a view kept in a folder of this machine does besides."""

    def test_a_folder_has_one_writer(self, tmp_path: Path) -> None:
        view = self.make_view(tmp_path)
        with pytest.raises(ViewLockedError, match="read_only"):
            self.make_view(tmp_path)
        view.close()
        self.make_view(tmp_path).close()

    def test_a_reader_follows_privately_beside_the_writer(self, tmp_path: Path) -> None:
        writer = self.make_view(tmp_path)
        writer.apply(make_batch(1, [(1, 0), (2, 1)]))
        writer.save()
        reader = self.make_view(tmp_path, read_only=True)
        assert (reader.seq, self.found(reader, 0)) == (1, [1])
        reader.apply(make_batch(2, [(3, 0)], [1]))
        reader.save()
        writer.apply(make_batch(2, [(4, 0)]))
        assert (self.found(reader, 0), self.found(writer, 0)) == ([3], [1, 4])
        reader.close()
        writer.save()
        writer.close()
        again = self.make_view(tmp_path)
        assert self.found(again, 0) == [1, 4]
        again.close()
