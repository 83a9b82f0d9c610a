"""The time a parser may take is its own, not that of whatever else the machine does."""

from __future__ import annotations

import time

import pytest

from ingest.errors import ParseError
from ingest.parsers.limits import Deadline


def test_work_ends_and_waiting_does_not() -> None:
    deadline = Deadline("scan.pdf", 0.02)
    time.sleep(0.05)
    deadline.check()
    with pytest.raises(ParseError, match=r"scan\.pdf takes more than 0 s of processor time"):
        while True:
            deadline.check()
