"""That the measurements run, as a developer starts them. What they measure is not judged here.

Only `promotion` judges itself: it fails where a search failed, was mixed, or missed a change.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ALWAYS = ("freshness", "growth", "promotion")  # a few seconds each; the others with the soak tests
ROWS = [*ALWAYS, *(pytest.param(row, marks=pytest.mark.soak) for row in ("index", "http", "memory", "ocr"))]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("row", ROWS)
def test_a_tiny_measurement_says_how_to_repeat_it(
    row: str, tmp_path: Path, repository: Path, data_dir_public: Path
) -> None:
    command = [sys.executable, "-m", "api.cli", "bench", row, "--tiny", "--json", "--work", str(tmp_path)]
    environment = os.environ | {"KB_TEST_DATA_DIR": str(data_dir_public)}
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["row"] == row
    assert row in measured["command"]
    assert measured.keys() >= {"commit", "machine", "seed", "data_sha256", "load_before"}


@pytest.mark.slow
@pytest.mark.data
def test_an_unknown_row_is_refused_by_name(repository: Path) -> None:
    command = [sys.executable, "-m", "api.cli", "bench", "warp"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "row 'warp' is unknown" in done.stderr
