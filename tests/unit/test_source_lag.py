"""How old what is known of a source is at the most: the oldest of the partitions that have unread events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from api.sources.known_until import LastRead, true_until

LATE, CURRENT, NEW = (("kb.public.faqs", number) for number in range(3))
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
TOLD = {LATE: NOON - timedelta(hours=5), CURRENT: NOON}


def test_a_current_partition_does_not_hide_a_late_one() -> None:
    assert true_until({LATE, CURRENT}, TOLD) == true_until({LATE}, TOLD) == TOLD[LATE]
    assert true_until({CURRENT}, TOLD) == NOON


def test_a_partition_of_which_nothing_was_read_is_as_old_as_the_oldest() -> None:
    assert true_until({NEW}, TOLD) == true_until({NEW, CURRENT}, TOLD) == TOLD[LATE]


def test_where_everything_is_read_the_newest_event_counts() -> None:
    assert true_until((), TOLD) == NOON
    assert true_until((), {}) is None
    assert true_until({NEW}, {}) is None


def test_a_partition_that_was_quiet_is_as_old_as_the_last_look_that_saw_it_read() -> None:
    seen, looked = LastRead(), NOON + timedelta(hours=1)
    assert seen.later(1, TOLD) == TOLD
    seen.note(1, {LATE, CURRENT}, {LATE}, looked)
    assert seen.later(1, TOLD) == TOLD | {CURRENT: looked}
    seen.note(1, {LATE, CURRENT, NEW}, {CURRENT}, looked + timedelta(seconds=15))
    known = seen.later(1, TOLD)
    assert true_until({CURRENT}, known) == looked, "the event came since"
    assert true_until({LATE, NEW}, known) == looked + timedelta(seconds=15)
    assert seen.later(2, TOLD) == TOLD, "of another source"
    seen.note(1, {LATE}, {LATE}, looked)
    assert seen.later(1, {}).keys() == {LATE}, "what is gone is forgotten"
