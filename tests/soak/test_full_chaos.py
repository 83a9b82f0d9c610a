"""10,000 random changes while every server and process is killed, frozen, and Elasticsearch away for two minutes."""

from __future__ import annotations

from pathlib import Path

import pytest
from soak.chaos import FULL_FAULTS, SERVERS, Options, run
from stack import StackOf

pytestmark = [pytest.mark.soak, pytest.mark.server, pytest.mark.data, pytest.mark.timeout(3_600)]


def test_nothing_is_lost_and_nothing_is_stale(own_stack_of: StackOf, tmp_path: Path, data_dir_public: Path) -> None:
    report = run(own_stack_of(*SERVERS), tmp_path, data_dir_public, Options(10_000, faults=FULL_FAULTS))
    assert report["failures"] == []
    assert report["committed"] >= 10_000
    assert len(report["faults"]) >= len(FULL_FAULTS)
    assert report["judged_beyond_it"] > 500, "searches that no fault excuses"
