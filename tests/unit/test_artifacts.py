from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.plan import DEFAULT_PLAN
from search_core.artifact.artifacts import load_artifact, write_artifact
from search_core.errors import ArtifactError


def test_what_was_written_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    written = write_artifact(tmp_path, DEFAULT_PLAN, {"seed": 3}, "# A card\n")
    loaded = load_artifact(tmp_path)
    assert loaded == written
    assert (loaded.plan, loaded.manifest["seed"]) == (DEFAULT_PLAN, 3)


def test_the_digest_is_of_what_serves(tmp_path: Path) -> None:
    one = write_artifact(tmp_path / "one", DEFAULT_PLAN, {"seconds": 1}, "one\n")
    assert write_artifact(tmp_path / "two", DEFAULT_PLAN, {"seconds": 2}, "two\n").digest == one.digest


@pytest.mark.parametrize("name", ["model.safetensors", "plan.json", "README.md"])
def test_an_alteration_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write_artifact(tmp_path, DEFAULT_PLAN, {}, "card\n")
    with (tmp_path / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(ArtifactError, match=name):
        load_artifact(tmp_path)


def test_what_is_missing_or_added_is_found(tmp_path: Path) -> None:
    write_artifact(tmp_path, DEFAULT_PLAN, {}, "card\n")
    (tmp_path / "extra.bin").write_bytes(b"?")
    with pytest.raises(ArtifactError, match="extra.bin"):
        load_artifact(tmp_path)
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_artifact(tmp_path / "nowhere")


def test_what_is_no_text_or_no_plain_file_is_named(tmp_path: Path) -> None:
    write_artifact(tmp_path, DEFAULT_PLAN, {}, "card\n")
    whole = (tmp_path / "manifest.json").read_bytes()
    (tmp_path / "manifest.json").write_bytes(b"\xff" + whole)
    with pytest.raises(ArtifactError, match="manifest.json is no text"):
        load_artifact(tmp_path)
    (tmp_path / "manifest.json").write_bytes(whole)
    (tmp_path / "link").symlink_to(tmp_path.parent)
    with pytest.raises(ArtifactError, match="link is no plain file"):
        load_artifact(tmp_path)


def test_an_altered_manifest_is_found(tmp_path: Path) -> None:
    write_artifact(tmp_path, DEFAULT_PLAN, {"metric": 0.5}, "card\n")
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace("0.5", "0.9"))
    with pytest.raises(ArtifactError, match="manifest.json is not what was written"):
        load_artifact(tmp_path)


@pytest.mark.parametrize("name", ["model.pt", "model.pkl", "pytorch_model.bin"])
def test_nothing_that_may_run_code_is_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    with pytest.raises(ArtifactError, match=f"{name} may run code"):
        write_artifact(tmp_path, DEFAULT_PLAN, {}, "card\n")
