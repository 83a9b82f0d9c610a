"""How old what is known of a source is at the most: the oldest of the partitions that have unread events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from api.sources.status import true_until

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
