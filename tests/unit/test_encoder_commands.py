"""`kb encoders`: what is listed, and what is said where nothing can be fetched."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from retrieval.encoder.pretrained import PRETRAINED


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))  # without Maven
    monkeypatch.setenv("KB_DATA_DIR", str(tmp_path / "data"))
    return CliRunner()


def test_encoders_are_listed_with_what_is_here(runner: CliRunner) -> None:
    listed = json.loads(runner.invoke(app, ["encoders", "list", "--json"]).stdout)["encoders"]
    here = {one["name"]: one["here"] for one in listed}
    assert here["all-MiniLM-L6-v2"] and here["hash"]
    assert not any(here[name] for name in PRETRAINED)
    assert [one["name"] for one in listed if one["used"]] == ["all-MiniLM-L6-v2"]


def test_a_name_that_cannot_be_fetched_is_answered_with_those_that_can(runner: CliRunner) -> None:
    done = runner.invoke(app, ["encoders", "fetch", "bge"])
    assert done.exit_code == 1
    assert all(name in str(done.exception) + done.output for name in PRETRAINED)


def test_without_maven_the_other_way_is_told(runner: CliRunner) -> None:
    done = runner.invoke(app, ["encoders", "fetch", "bge-small-zh-v1.5"])
    assert done.exit_code == 1
    assert "kb encoders fetch bge-small-zh-v1.5 --to FOLDER" in str(done.exception) + done.output


def test_an_existing_folder_is_not_written_over(runner: CliRunner, tmp_path: Path) -> None:
    done = runner.invoke(app, ["encoders", "fetch", "bge-small-zh-v1.5", "--to", str(tmp_path)])
    assert done.exit_code == 1
    assert "exists already" in str(done.exception) + done.output


def test_the_console_offers_the_same_encoders() -> None:
    pages = Path(__file__).parents[2] / "api" / "console" / "src" / "pages"
    listed = re.search(r"ENCODERS = \[(.*?)\]", (pages / "tuning" / "wishes.ts").read_text(encoding="utf-8"))
    assert listed is not None
    assert re.findall(r'"([^"]+)"', listed[1]) == list(PRETRAINED)
