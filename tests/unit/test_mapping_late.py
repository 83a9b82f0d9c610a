"""Rows that come late, twice, in halves or in part: never shown older than before, nor half known."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.changes import RowChange, RowEvent, Truncation
from ingest.positions import placed
from ingest.row_mapper import RowMapper
from ingest.rows import MemoryRows
from ingest.table_mapping import parse_mapping
from retrieval.types import Deletion, SourcePosition

NOTES = {
    "tables": {
        "s.notes": {
            "title": "title",
            "body": "{body}\n{author.name}",
            "include": {"author": {"table": "s.authors", "on": {"id": "author_id"}}},
        }
    }
}


class World:
    """Documents by key, as served after each call of `apply`; every call begins with a new mapper."""

    def __init__(self) -> None:
        self.rows = MemoryRows()
        self.texts: dict[str, str] = {}

    def apply(self, *events: RowEvent, in_order: bool = False) -> list[str]:
        """The keys of the documents that were written or deleted."""
        mapper = RowMapper(parse_mapping(NOTES), self.rows, in_order=in_order)
        changes = mapper.apply(events)
        for change in changes:
            if isinstance(change, Deletion):
                self.texts.pop(change.key, None)
            else:
                self.texts[change.key] = change.text
        self.rows.write(mapper.drain())
        return [change.key for change in changes]

    @property
    def kinds(self) -> list[str]:
        return [notice.kind for notice in self.rows.notices]


def note(pk: int, at: int | None, body: str | None = None, **more: Any) -> RowChange:
    """A write of a note; without a body, that was not sent."""
    row: dict[str, Any] = {"id": pk, "title": f"note {pk}", "author_id": 1} | ({} if body is None else {"body": body})
    unavailable = frozenset({"body"} if body is None else ())
    return RowChange("s.notes", str(pk), row, at and SourcePosition((at,)), unavailable=unavailable, **more)


def gone(pk: int, at: int, **more: Any) -> RowChange:
    return RowChange("s.notes", str(pk), None, SourcePosition((at,)), **more)


def author(at: int, name: str = "Li") -> RowChange:
    return RowChange("s.authors", "1", {"id": 1, "name": name}, SourcePosition((at,)))


def test_what_a_truncation_emptied_stays_gone_however_late_it_arrives() -> None:
    world = World()
    world.apply(note(1, 1, "old"))
    world.apply(Truncation("s.notes", SourcePosition((5,))))
    assert world.texts == {}
    world.apply(note(1, 3, "late"), note(2, 4, "later"))
    assert world.texts == {}, "another partition was slower than the truncation"
    world.apply(note(2, 6, "new"))
    assert world.texts == {"s.notes/2": "new"}
    world.apply(Truncation("s.notes", SourcePosition((5,))), note(1, 3, "late"))
    assert world.texts == {"s.notes/2": "new"}, "sent again"


def test_a_truncated_joined_table_leaves_its_parents() -> None:
    world = World()
    world.apply(note(1, 1, "b"), author(2))
    assert world.texts["s.notes/1"] == "b\nLi"
    world.apply(Truncation("s.authors", SourcePosition((5,))))
    world.apply(author(4, "late"))
    assert world.texts["s.notes/1"] == "b"


def test_a_row_whose_large_value_is_not_known_waits_and_says_so() -> None:
    world = World()
    world.apply(note(1, 5))
    assert world.texts == {} and world.kinds == ["rows_incomplete"]
    world.apply(author(6))
    assert world.texts == {}
    world.apply(note(1, 7, "told"))
    assert world.texts == {"s.notes/1": "told\nLi"}


def test_a_value_not_known_is_found_in_older_changes_newest_first() -> None:
    world = World()
    world.apply(note(1, 9))
    world.apply(note(1, 3, "three"))
    assert world.texts == {"s.notes/1": "three"}
    world.apply(note(1, 6, "six"))
    world.apply(note(1, 4, "four"))
    assert world.texts == {"s.notes/1": "six"}
    world.apply(note(1, 10))
    assert world.texts == {"s.notes/1": "six"}, "an update that leaves it alone keeps it"


@pytest.mark.parametrize("together", [True, False])
def test_a_change_set_aside_brings_its_large_value_though_a_later_one_came_without(together: bool) -> None:
    world = World()
    world.apply(note(1, 2, "old"))
    for events in [(note(1, 6), note(1, 7))] if together else [(note(1, 6),), (note(1, 7),)]:
        world.apply(*events)
    assert world.texts == {"s.notes/1": "old"} and world.kinds == []
    world.apply(note(1, 4, "new"))
    assert world.texts == {"s.notes/1": "new"}
    world.apply(note(1, 3, "older"), note(1, 2, "old"))
    assert world.texts == {"s.notes/1": "new"}
    world.apply(note(1, 5, "newest"))
    assert world.texts == {"s.notes/1": "newest"}
    world.apply(gone(1, 8, moved="2"), note(2, 8, moved="1"))
    assert world.texts == {"s.notes/2": "newest"}, "known, so that it moves along"
    world.apply(note(2, 6, "of another row that had the key"))
    assert world.texts == {"s.notes/2": "newest"}


def test_a_row_that_moves_takes_nothing_from_one_that_had_its_key() -> None:
    world = World()
    world.apply(note(1, 1, "one"), note(2, 2, "two"))
    world.apply(NEW_HALF)  # before the event by which row 2 was emptied or moved on
    assert world.texts == {"s.notes/1": "one", "s.notes/2": "one"}
    world.apply(OLD_HALF)
    assert world.texts == {"s.notes/2": "one"}
    world.apply(note(3, 6, "three"))
    world.apply(note(3, 8, moved="1"))
    assert world.texts == {"s.notes/2": "one"}, "what moved is not known, so it is not shown"


def test_a_joined_row_that_waits_is_not_shown() -> None:
    world = World()
    world.apply(note(1, 1, "b"))
    world.apply(RowChange("s.authors", "1", {"id": 1}, SourcePosition((2,)), unavailable=frozenset({"name"})))
    assert world.texts == {"s.notes/1": "b"}
    world.apply(author(3))
    assert world.texts == {"s.notes/1": "b\nLi"}


OLD_HALF, NEW_HALF = gone(1, 5, moved="2"), note(2, 5, moved="1")


@pytest.mark.parametrize("halves", [(OLD_HALF, NEW_HALF), (NEW_HALF, OLD_HALF)])
@pytest.mark.parametrize("together", [True, False])
def test_a_row_that_changes_its_key_keeps_large_values_in_whatever_order(
    halves: tuple[RowChange, RowChange], together: bool
) -> None:
    world = World()
    world.apply(note(1, 1, "large"))
    for events in [halves] if together else [(half,) for half in halves]:
        world.apply(*events)
        assert "s.notes/2" not in world.texts or world.texts["s.notes/2"] == "large"
    assert world.texts == {"s.notes/2": "large"}
    world.apply(*reversed(halves), *halves)
    assert world.texts == {"s.notes/2": "large"}
    world.apply(note(1, 6, "another"), note(2, 7))
    assert world.texts == {"s.notes/1": "another", "s.notes/2": "large"}


def test_the_new_half_that_comes_first_takes_what_the_old_half_knew_last() -> None:
    world = World()
    world.apply(note(1, 1, "first"))
    world.apply(NEW_HALF)
    world.apply(note(1, 4, "last"), OLD_HALF)
    assert world.texts == {"s.notes/2": "last"}


def test_a_key_used_again_is_a_new_row() -> None:
    world = World()
    world.apply(note(1, 1, "one"), gone(1, 2), note(1, 3, "three"))
    assert world.texts == {"s.notes/1": "three"}
    world.apply(note(1, 1, "one"), gone(1, 2))
    assert world.texts == {"s.notes/1": "three"}
    world.apply(gone(1, 4), note(1, 3, "three"), note(1, 5))
    assert world.texts == {}, "the new row's value was not sent, and the deleted one's is not its own"


def test_the_first_transaction_comes_after_the_snapshot_wherever_it_began() -> None:
    snapshot, first, second = SourcePosition((100, 0)), SourcePosition((0, 90)), SourcePosition((110, 95))
    decided = placed(first, snapshot)
    assert decided == SourcePosition((100, 90)) and snapshot < decided < second
    assert placed(SourcePosition((0, 92)), decided) == SourcePosition((100, 92))
    assert placed(first, None) == SourcePosition((90, 90))
    late = placed(first, second)
    assert late is not None and late < second


def test_a_row_that_is_read_again_counts_wherever_it_stands_if_it_comes_in_order() -> None:
    world = World()
    world.apply(note(1, 5, "five"), Truncation("s.authors", SourcePosition((4,))), in_order=True)
    world.apply(note(1, 3, "read again", supersedes=True), note(1, 4, "late"), in_order=True)
    assert world.texts == {"s.notes/1": "read again"}
    world.apply(note(1, 3, "replayed", supersedes=True))
    assert world.texts == {"s.notes/1": "read again"}
    world.apply(gone(1, 6), note(1, 3, "read before it went", supersedes=True), in_order=True)
    assert world.texts == {}
    world.apply(Truncation("s.notes", SourcePosition((7,))), note(1, 8, "eight"), in_order=True)
    world.apply(note(1, 3, "read again", supersedes=True), in_order=True)
    assert world.texts == {"s.notes/1": "read again"}, "the table was emptied before"


def test_a_row_that_is_read_again_and_older_is_no_news_but_has_its_document_rendered_anew() -> None:
    world = World()
    world.apply(note(1, 5, "five"), note(2, 3, "three"), gone(3, 6), in_order=True)
    rendered = world.apply(*(note(key, 4, "read", again=True) for key in (1, 2, 3)), in_order=True)
    assert world.texts == {"s.notes/1": "five", "s.notes/2": "read"}
    assert rendered == ["s.notes/1", "s.notes/2"], "a mapping that is newer than the row shows"


def test_a_row_that_is_known_to_come_is_newer_than_what_was_read_under_its_key() -> None:
    world = World()
    moves = RowChange("s.notes", "1", None, SourcePosition((5,)), moved="2")
    world.apply(note(1, 3, "moves"), moves, in_order=True)
    world.apply(note(2, 4, "had that key before", supersedes=True), in_order=True)
    assert world.texts == {}
    world.apply(note(2, 5, "moved"), in_order=True)
    assert world.texts == {"s.notes/2": "moved"}
