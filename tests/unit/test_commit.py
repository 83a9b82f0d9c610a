"""The commit that artifacts name: of a checkout, of what was installed, or none."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from infra.commit import CHANGED, ROOT, _installed_from, commit_of, running_commit


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_a_checkout_names_its_commit_and_whether_it_was_changed(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    (checkout / "untracked.txt").write_text("a note")
    assert commit_of(checkout) == commit
    (checkout / "code.py").write_text("2\n")
    assert commit_of(checkout) == commit + CHANGED


def test_another_repository_around_it_is_not_its_checkout(checkout: Path) -> None:
    installed = checkout / "site-packages"
    installed.mkdir()
    assert commit_of(installed) is None


def test_without_git_or_a_first_commit_there_is_none(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path_factory.mktemp("empty")
    git(empty, "init", "-q")
    assert commit_of(empty) is None
    monkeypatch.setenv("PATH", str(empty))
    assert commit_of(checkout) is None


@pytest.mark.parametrize(
    ("noted", "commit"),
    [
        ({"url": "u", "vcs_info": {"vcs": "git", "commit_id": "0123abcd"}}, "0123abcd"),
        ({"url": "u", "dir_info": {"editable": True}}, None),
        (None, None),
    ],
)
def test_what_was_installed_from_a_repository_names_its_commit(
    noted: object, commit: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "autoglm_kb-9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: autoglm-kb\nVersion: 9\n")
    if noted is not None:
        (folder / "direct_url.json").write_text(json.dumps(noted))
    monkeypatch.syspath_prepend(tmp_path)
    assert _installed_from() == commit


def test_the_same_checkout_says_the_same() -> None:
    assert running_commit() == (commit_of(ROOT) or _installed_from())
