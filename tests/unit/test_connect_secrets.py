"""Passwords at rest: what is stored does not tell them, and only the right key does."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.jobs.uploads import About, keep
from infra.secrets import KEY_FILE, SecretBox
from infra.settings import Settings, SettingsError, load_settings
from retrieval.catalog import Collection, CollectionSettings
from retrieval.catalog.schema import utc_now
from retrieval.errors import OutageError

PASSWORD = "pä$$:word@/密"


def settings(folder: Path, key: str = "") -> Settings:
    return load_settings(data_dir=folder, secret_key=key)


def test_a_secret_comes_back_and_is_not_readable_at_rest(tmp_path: Path) -> None:
    box = SecretBox.of(settings(tmp_path))
    stored = box.encrypt(PASSWORD)
    assert PASSWORD.encode() not in stored
    assert box.decrypt(stored, "it") == PASSWORD
    assert box.encrypt(PASSWORD) != stored, "equal passwords must not be recognisable"


def test_the_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    stored = SecretBox.of(settings(tmp_path)).encrypt(PASSWORD)
    path = tmp_path / KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [KEY_FILE]
    assert SecretBox.of(settings(tmp_path)).decrypt(stored, "it") == PASSWORD


@contextmanager
def no_room() -> Iterator[None]:
    """No file may grow, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_left_without_halves(tmp_path: Path) -> None:
    """Neither of a key file nor of an upload."""
    full = settings(tmp_path)
    docs = Collection(1, "docs", CollectionSettings(), "hash", "fp", 1, 1, 0, None, utc_now())
    with no_room(), pytest.raises(SettingsError, match="set KB_SECRET_KEY"):
        SecretBox.of(full)
    with no_room(), pytest.raises(OutageError, match="free the disk"):
        keep(full, docs, [("a.txt", b"text")], About("", {}, None))
    assert [path.name for path in tmp_path.rglob("*")] == ["uploads"]
    SecretBox.of(full)
    assert (tmp_path / KEY_FILE).stat().st_size > 0


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    SecretBox.of(settings(tmp_path))
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        SecretBox.of(settings(tmp_path))


def test_another_key_says_what_to_set(tmp_path: Path) -> None:
    stored = SecretBox.of(settings(tmp_path, "a" * 32)).encrypt(PASSWORD)
    with pytest.raises(SettingsError, match=r"password of source 'shop'.*KB_SECRET_KEY") as refused:
        SecretBox.of(settings(tmp_path, "b" * 32)).decrypt(stored, "password of source 'shop'")
    assert PASSWORD not in str(refused.value)


def test_a_new_key_in_front_reads_what_the_old_one_wrote(tmp_path: Path) -> None:
    stored = SecretBox.of(settings(tmp_path, "a" * 32)).encrypt(PASSWORD)
    both = SecretBox.of(settings(tmp_path, f"{'b' * 32},{'a' * 32}"))
    assert both.decrypt(stored, "it") == PASSWORD
    assert SecretBox.of(settings(tmp_path, "b" * 32)).decrypt(both.encrypt(PASSWORD), "it") == PASSWORD


def test_a_short_key_is_refused_without_repeating_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="7 characters") as refused:
        SecretBox.of(settings(tmp_path, "letmein"))
    assert "letmein" not in str(refused.value)


def test_no_two_processes_get_different_keys(tmp_path: Path) -> None:
    import threading

    boxes: list[SecretBox] = []
    threads = [threading.Thread(target=lambda: boxes.append(SecretBox.of(settings(tmp_path)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = [box.encrypt(PASSWORD) for box in boxes]
    assert len(stored) == 8
    assert all(boxes[0].decrypt(one, "it") == PASSWORD for one in stored)
