"""What a process says again and again is written once a minute."""

from __future__ import annotations

import io
import logging

import pytest

from infra import repeats
from infra.repeats import MOST_LINES, RepeatCounter


class Log:
    """A handler whose clock stands until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        self.stream = io.StringIO()
        self.handler = RepeatCounter(self.stream)
        monkeypatch.setattr(repeats.time, "monotonic", lambda: self.now)

    def say(self, message: str, *args: object, level: int = logging.WARNING, error: Exception | None = None) -> None:
        info = (type(error), error, None) if error else None
        self.handler.handle(logging.LogRecord("api", level, __file__, 1, message, args, info))

    def lines(self) -> list[str]:
        """Those since the last call."""
        written = self.stream.getvalue().splitlines()
        self.stream.seek(0)
        self.stream.truncate()
        return written


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    return Log(monkeypatch)


def test_an_outage_is_told_once_a_minute_with_how_often_it_came(log: Log) -> None:
    for _ in range(130):
        log.say("the catalog does not answer: %s", "refused")
        log.now += 1.0
    said = "the catalog does not answer: refused"
    assert log.lines() == [said, f"{said} (59 more times)", f"{said} (60 more times)"]
    log.now += 60.0
    log.say("the catalog answers again", level=logging.INFO)
    assert log.lines() == [f"{said} (10 more times)", "the catalog answers again"]
    log.now += 60.0
    log.say("the catalog does not answer: %s", "refused")
    assert log.lines() == [said], "another outage is told at once"


def test_what_differs_and_what_only_informs_is_written_each_time(log: Log) -> None:
    log.say("job %d is lost", 1)
    log.say("job %d is lost", 2)
    log.say("job ran", level=logging.INFO)
    log.say("job ran", level=logging.INFO)
    log.say("job failed", error=ValueError("a"))
    log.say("job failed", error=ValueError("b"))
    log.say("job failed", error=ValueError("b"))
    told = [line for line in log.lines() if line.startswith("job")]
    assert told == ["job 1 is lost", "job 2 is lost", "job ran", "job ran", "job failed", "job failed"]


def test_the_last_count_is_written_at_the_end(log: Log) -> None:
    for _ in range(2):
        log.say("the disk is full")
    log.handler.close()
    assert log.lines() == ["the disk is full", "the disk is full (1 more time)"]


def test_no_more_lines_are_remembered_than_have_room(log: Log) -> None:
    for number in range(MOST_LINES + 5):
        log.say("job %d is lost", number)
    assert len(log.lines()) == MOST_LINES + 5 and len(log.handler._lines) == MOST_LINES
    log.now += 61.0
    log.say("job 1 is lost")
    assert len(log.handler._lines) == 1, "what was said a minute ago is forgotten"


def test_arguments_that_do_not_fit_fail_nobody(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log.say("job %d is lost", "x")
    log.say("job is lost")
    assert log.lines() == ["job is lost"]
