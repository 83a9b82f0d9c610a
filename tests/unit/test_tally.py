"""What a process counted of rollouts reaches the catalog once, whatever fails and whoever hands it over."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from api.rollout.tally import Sums, Tally
from retrieval.catalog.rollouts import RolloutRecord, Stage


def rollout(number: int) -> RolloutRecord:
    at = datetime.now(UTC)
    return RolloutRecord(number, 1, 2, None, Stage.CANARY, 0.5, {}, None, "", "test", at, at, None)


def counted(*numbers: int) -> Tally:
    tally = Tally()
    for number in numbers:
        tally.add(rollout(number), {("serving", "searches"): 1.0})
    return tally


def test_what_cannot_be_told_stays_and_the_rest_is_not_told_twice() -> None:
    told: list[int] = []

    def tell(number: int, stage: Stage, sums: Sums) -> None:
        if number == 2 and 2 not in failed:
            failed.append(2)
            raise OSError("the catalog is away")
        told.append(number)

    failed: list[int] = []
    tally = counted(1, 2, 3)
    with pytest.raises(OSError):
        tally.hand_over(tell)
    tally.hand_over(tell)
    tally.hand_over(tell)
    assert sorted(told) == [1, 2, 3]


def test_who_returns_knows_that_all_before_is_told() -> None:
    """Another thread is in the middle of telling: the second waits for it, though nothing is left to tell."""
    tally, told = counted(1), threading.Event()
    begun, go_on = threading.Event(), threading.Event()

    def slowly(*_: object) -> None:
        begun.set()
        go_on.wait(10)
        told.set()

    def never(*_: object) -> None:
        raise AssertionError("told twice")

    first = threading.Thread(target=tally.hand_over, args=(slowly,))
    first.start()
    begun.wait(10)
    second = threading.Thread(target=tally.hand_over, args=(never,))
    second.start()
    second.join(0.1)
    assert second.is_alive() and not told.is_set()
    go_on.set()
    first.join(10)
    second.join(10)
    assert told.is_set() and not second.is_alive()
