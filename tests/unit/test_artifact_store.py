"""What may be pruned: models that an experiment still offers, or may be making, stay."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieval.catalog import Catalog, sqlite_url
from retrieval.catalog.experiments import ExperimentState
from retrieval.learned.files import ARTIFACTS
from search_core.artifact.artifact_store import list_artifacts, prunable, remove, verified
from search_core.artifact.artifacts import RUNS
from search_core.log.run_lock import run_lock
from search_core.proof.reasons import NOT_EMBEDDED, Reason, ReasonCode, not_asked, to_fields

DAY = 24 * 3600.0


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(sqlite_url(tmp_path / "c.db"))
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("reason", "stays"),
    [
        (NOT_EMBEDDED, True),
        ("it was not to be promoted; `kb reindex --encoder {model}`, then `kb plans promote 1` does it", True),
        ("p = 0.4 is no proof", False),
    ],
)
def test_an_encoder_that_is_offered_stays(catalog: Catalog, tmp_path: Path, reason: str, stays: bool) -> None:
    model = tmp_path / ARTIFACTS / "encoder-a"
    model.mkdir(parents=True)
    record = catalog.experiments.create(catalog.collections.create("c", "hash", "fp"), {})
    result = {"model": str(model), "reasons": [reason.format(model=model)]}
    catalog.experiments.finish(record.id, ExperimentState.FINISHED, result)
    os.utime(model, (time.time() - 2 * DAY,) * 2)
    assert [one.name for one in prunable(catalog, tmp_path, 0)] == ([] if stays else ["encoder-a"])


@pytest.mark.parametrize(
    ("reason", "stays"),
    [
        (NOT_EMBEDDED, True),
        (not_asked(1, "c", "encoder-a"), True),
        (Reason(ReasonCode.NOT_STEP_BY_STEP, "see `kb reindex --encoder` with the model of this run"), True),
        (Reason(ReasonCode.CHANCE, "a gain of encoder-a may be chance"), False),
    ],
)
def test_an_encoder_is_offered_by_the_code_of_the_reason(
    catalog: Catalog, tmp_path: Path, reason: Reason, stays: bool
) -> None:
    (tmp_path / ARTIFACTS / "encoder-a").mkdir(parents=True)
    record = catalog.experiments.create(catalog.collections.create("c", "hash", "fp"), {})
    result = {"model": f"{ARTIFACTS}/encoder-a"} | to_fields([reason])
    catalog.experiments.finish(record.id, ExperimentState.FINISHED, result)
    os.utime(tmp_path / ARTIFACTS / "encoder-a", (time.time() - 2 * DAY,) * 2)
    assert [one.name for one in prunable(catalog, tmp_path, 0)] == ([] if stays else ["encoder-a"])


@pytest.mark.parametrize("data_dir", [".kb", "/srv/before"])
def test_what_embeds_a_generation_stays_however_the_data_folder_was_addressed(
    catalog: Catalog, tmp_path: Path, data_dir: str
) -> None:
    """Paths of earlier versions are of the working directory, or of where the folder was before it moved."""
    record = catalog.experiments.create(
        catalog.collections.create("c", f"{data_dir}/{ARTIFACTS}/encoder-a", "fp"), {"seed": 0}
    )
    other = catalog.collections.create("o", f"{data_dir}/{RUNS}/{record.id}/artifact/encoder", "fp")
    (tmp_path / RUNS / record.id / "artifact" / "encoder").mkdir(parents=True)
    catalog.experiments.finish(record.id, ExperimentState.FINISHED, {"reasons": []})
    for name in ("encoder-a", "encoder-b"):
        (tmp_path / ARTIFACTS / name).mkdir(parents=True)
        os.utime(tmp_path / ARTIFACTS / name, (time.time() - 2 * DAY,) * 2)
    assert [one.name for one in prunable(catalog, tmp_path, 0)] == ["encoder-b"]
    catalog.collections.drop(other.name)
    assert [one.name for one in prunable(catalog, tmp_path, 0)] == [record.id, "encoder-b"]


def test_what_a_run_has_so_far_stays(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = catalog.experiments.create(catalog.collections.create("c", "hash", "fp"), {})
    for name, age in (("encoder-before", 2 * DAY), ("encoder-during", 0)):
        (tmp_path / ARTIFACTS / name).mkdir(parents=True)
        os.utime(tmp_path / ARTIFACTS / name, (time.time() - age,) * 2)
    (tmp_path / RUNS / record.id / "trainings").mkdir(parents=True)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3 * DAY)  # a run that takes days

    def names() -> list[str]:
        return [one.name for one in prunable(catalog, tmp_path, 0)]

    with run_lock(tmp_path / RUNS / record.id):
        assert names() == ["encoder-before"]
    assert names() == ["encoder-before", "encoder-during"], "killed: its state says still that it runs"
    ended: tuple[tuple[ExperimentState, dict[str, Any] | None], ...] = (
        (ExperimentState.STOPPED, None),
        (ExperimentState.FAILED, {"error": "no space"}),
    )
    for state, result in ended:
        catalog.experiments.finish(record.id, state, result)
        assert record.id not in names()
    catalog.experiments.finish(record.id, ExperimentState.FINISHED, {"reasons": []})
    assert names() == [record.id, "encoder-before", "encoder-during"]


def test_what_a_deleted_collection_left_may_go(catalog: Catalog, tmp_path: Path) -> None:
    catalog.collections.create("kept", "hash", "fp")
    record = catalog.experiments.create(catalog.collections.create("c", "hash", "fp"), {})
    folder = tmp_path / RUNS / record.id
    catalog.collections.drop("c")
    with run_lock(folder):
        (folder / "artifact").mkdir()
        assert [one.needed for one in list_artifacts(catalog, tmp_path)] == ["it runs"]
    assert [one.needed for one in list_artifacts(catalog, tmp_path)] == ["it is less than a day old"]
    os.utime(folder, (time.time() - 2 * DAY,) * 2)
    (tmp_path / RUNS / "notes").mkdir()  # nobody's business
    [left] = prunable(catalog, tmp_path, 10)
    assert (left.name, left.collection) == (record.id, "")
    remove(left)
    assert not folder.exists()


def test_a_model_that_is_being_written_is_nobodys_to_list(catalog: Catalog, tmp_path: Path) -> None:
    for name in (".part-adapter-x-1", "adapter-x"):
        (tmp_path / ARTIFACTS / name).mkdir(parents=True)
    assert [one.name for one in list_artifacts(catalog, tmp_path)] == ["adapter-x"]
    os.utime(tmp_path / ARTIFACTS / ".part-adapter-x-1", (time.time() - 2 * DAY,) * 2)
    assert [one.name for one in prunable(catalog, tmp_path, 0)] == [".part-adapter-x-1"], "left by who was killed"


def test_a_model_whose_description_is_no_description_is_named(catalog: Catalog, tmp_path: Path) -> None:
    folder = tmp_path / ARTIFACTS / "adapter-x"
    folder.mkdir(parents=True)
    (folder / "adapter.json").write_text("[]")
    [model] = list_artifacts(catalog, tmp_path)
    assert "adapter.json cannot be read" in (verified(model).trouble or "")
