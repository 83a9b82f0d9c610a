"""A lookout goes on whatever it finds, says so in the log of who looks, and ends when it is told to."""

from __future__ import annotations

import threading

import pytest

from api.lookout import Lookout
from retrieval.errors import OutageError


class Counting(Lookout):
    """Fails at its first look for a known reason, at its second for an unknown one."""

    def __init__(self) -> None:
        super().__init__("counting", 0.001, "nothing is counted")
        self.looks = 0
        self.has_gone_on = threading.Event()

    def look(self) -> None:
        self.looks += 1
        if self.looks == 1:
            raise OutageError("the catalog does not answer")
        if self.looks == 2:
            raise ZeroDivisionError
        self.has_gone_on.set()


def test_it_goes_on_after_any_failure_until_it_is_stopped(caplog: pytest.LogCaptureFixture) -> None:
    counting = Counting()
    for _ in range(2):  # it may be started again
        counting.has_gone_on.clear()
        counting.start()
        assert counting.has_gone_on.wait(10.0)
        counting.stop()
        looks = counting.looks
        assert "counting" not in [thread.name for thread in threading.enumerate()] and counting.looks == looks
    known, unknown = caplog.records
    assert known.getMessage() == "nothing is counted: the catalog does not answer; tried again in 0.001 s"
    assert known.name == __name__ and known.levelname == "WARNING"
    assert unknown.levelname == "ERROR" and unknown.exc_info is not None


def test_one_that_was_never_started_stops() -> None:
    counting = Counting()
    counting.stop()
    assert counting.looks == 0
