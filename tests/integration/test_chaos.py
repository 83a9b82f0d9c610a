"""300 random changes of two live databases while a worker, Connect and Elasticsearch are killed in turn."""

from __future__ import annotations

from pathlib import Path

import pytest
from soak.chaos import SERVERS, Options, run
from soak.faults import SMALL
from stack import StackOf

pytestmark = [pytest.mark.soak, pytest.mark.server, pytest.mark.data, pytest.mark.timeout(600)]


def test_nothing_is_lost_and_nothing_is_stale(own_stack_of: StackOf, tmp_path: Path, data_dir_public: Path) -> None:
    options = Options(300, per_second=20.0, pause=8.0, faults=SMALL)
    report = run(own_stack_of(*SERVERS), tmp_path, data_dir_public, options)
    assert report["failures"] == []
    assert report["committed"] >= 300
    assert [told["fault"] for told in report["faults"]][:3] == ["kill worker 1", "kill connect", "kill elasticsearch"]
    assert report["judged_beyond_it"] > 20, "a search that no fault excuses"
