"""What a process keeps of the words that the server does not have yet, and how far searches of both together see."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.elastic import recent_words
from retrieval.elastic.recent_words import RecentWords
from retrieval.sparse.overlay import Statistics
from retrieval.testing.views import make_batch


class Place:
    """How far the server is."""

    def __init__(self, seq: int) -> None:
        self.seq = seq


@pytest.fixture
def server() -> Place:
    return Place(10)


@pytest.fixture
def recent(server: Place) -> RecentWords:
    """After operation 10, as the server is."""
    words = RecentWords(Analyzer(), lambda: server.seq)
    words.begin_at(10)
    return words


def found(recent: RecentWords) -> set[int]:
    """The chunks of topic 0 that are kept."""
    terms = {"topica": 1}
    return set(recent.search(terms, lambda: Statistics(100, 5.0, dict.fromkeys(terms, 3))).scores)


def state(recent: RecentWords) -> tuple[BitMap64, BitMap64]:
    return recent.changes()


def labels(*of: int) -> BitMap64:
    return BitMap64(of)


def test_a_change_is_found_until_the_server_has_it(recent: RecentWords, server: Place) -> None:
    recent.apply(make_batch(11, [(1, 0), (2, 1)], [7]))
    assert (recent.seq, recent.reached, found(recent)) == (11, 11, {1})
    assert state(recent) == (labels(1, 2, 7), labels(1, 2))
    server.seq = 11
    assert (recent.reached, found(recent), state(recent)) == (11, set(), (labels(), labels()))


def test_what_changed_again_stays_until_the_last_change_is_written(recent: RecentWords, server: Place) -> None:
    recent.apply(make_batch(11, [(1, 1), (2, 0)]))
    recent.apply(make_batch(12, [(1, 0)], [2]))
    server.seq = 11
    assert (found(recent), state(recent)) == ({1}, (labels(1, 2), labels(1)))
    server.seq = 12
    assert state(recent) == (labels(), labels())


def test_a_replay_changes_nothing(recent: RecentWords) -> None:
    batches = [make_batch(11, [(1, 0)]), make_batch(12, [(2, 0)], [1])]
    for batch in [*batches, *batches]:
        recent.apply(batch)
    assert (recent.seq, found(recent), state(recent)) == (12, {2}, (labels(1, 2), labels(2)))


def test_what_the_server_has_already_is_not_kept(recent: RecentWords, server: Place) -> None:
    server.seq = 20
    recent.apply(make_batch(15, [(1, 0)]))
    assert (recent.seq, recent.reached, state(recent)) == (15, 20, (labels(), labels()))


def test_statistics_are_asked_for_only_where_a_word_is_kept(recent: RecentWords) -> None:
    recent.apply(make_batch(11, [(1, 0)], [5]))

    def refuse() -> Statistics:
        raise AssertionError("nothing kept holds the word")

    assert recent.search({"absent": 1}, refuse).touched == labels(1, 5)


def test_too_much_at_once_is_left_to_the_server(
    recent: RecentWords, server: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_words, "MAX_PENDING", 5)
    monkeypatch.setattr(recent_words, "PRESSING", 3)

    def chunks(of: Iterable[int]) -> list[tuple[int, int]]:
        return [(label, 0) for label in of]

    recent.apply(make_batch(11, chunks(range(3))))
    assert not recent.is_pressing
    recent.apply(make_batch(12, chunks(range(10, 14))))
    assert (recent.seq, recent.reached, recent.is_pressing) == (12, 11, True)
    recent.apply(make_batch(13, chunks([20])))  # there is room again, but searches see 12 only with the server
    assert (recent.seq, recent.reached, found(recent)) == (13, 11, {0, 1, 2, 20})
    server.seq = 11
    assert (recent.reached, found(recent), recent.is_pressing) == (11, {20}, True)
    server.seq = 12
    assert (recent.reached, found(recent), recent.is_pressing) == (13, {20}, False)


def test_what_changes_again_and_again_fills_the_room_too(recent: RecentWords, server: Place) -> None:
    for seq in range(11, 11 + 3 * recent_words.MAX_PENDING):
        recent.apply(make_batch(seq, [(1, 0)]))
    assert (recent.reached, recent.is_pressing) == (10 + recent_words.MAX_PENDING, True)
    server.seq = recent.seq
    assert (recent.reached, recent.is_pressing, state(recent)) == (recent.seq, False, (labels(), labels()))


def test_a_server_that_lost_its_last_seconds_is_waited_for(recent: RecentWords, server: Place) -> None:
    recent.apply(make_batch(11, [(1, 0)]))
    server.seq = 11
    assert recent.reached == 11
    recent.apply(make_batch(12, [(2, 0)]))
    server.seq = 9
    assert (recent.reached, recent.is_pressing) == (9, True)
    server.seq = 11
    assert (recent.reached, recent.is_pressing, found(recent)) == (12, False, {2})


def test_beginning_anew_keeps_nothing(recent: RecentWords, server: Place) -> None:
    recent.apply(make_batch(11, [(1, 0)]))
    recent.begin_at(30)
    assert (recent.seq, recent.reached, state(recent)) == (30, 10, (labels(), labels()))
    server.seq = 31
    assert recent.reached == 31
