"""Errors of a disk that takes nothing more are told from others, and say what to do."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from retrieval.disk import refusal, remedy


def kernel(_: Path) -> None:
    with Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")


def sqlite_full(folder: Path) -> None:
    with sqlite3.connect(folder / "full.db") as connection:
        connection.execute("PRAGMA max_page_count=1")
        connection.execute("CREATE TABLE t (c)")


def sqlite_read_only(folder: Path) -> None:
    path = folder / "read-only.db"
    sqlite3.connect(path).execute("CREATE TABLE t (c)")
    sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute("INSERT INTO t VALUES (1)")


def sqlite_absent(folder: Path) -> None:
    sqlite3.connect(folder / "absent" / "catalog.db")


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (kernel, "free space on the disks of the data folder and of temporary files"),
        (sqlite_full, "free space on the data folder's disk"),
        (sqlite_read_only, "make the data folder writable"),
        (sqlite_absent, "make the data folder writable"),
    ],
)
def test_what_refuses_says_what_to_do(tmp_path: Path, act: Callable[[Path], None], told: str) -> None:
    with pytest.raises((OSError, sqlite3.Error)) as raised:
        act(tmp_path)
    assert told in (remedy(raised.value) or "")


def test_a_refused_file_is_an_outage_without_its_path() -> None:
    told = refusal(OSError(errno.EROFS, "Read-only file system", "/srv/secret/place"))
    assert told is not None and "Read-only file system; make the data folder writable" in str(told)
    assert "secret" not in str(told)


@pytest.mark.parametrize(
    "other",
    [
        None,
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        ValueError("An IO error occurred: 'Is a directory (os error 21)'"),
        sqlite3.OperationalError("database is locked"),
        psycopg.errors.DeadlockDetected("deadlock detected"),
    ],
)
def test_other_errors_are_none_of_a_disk(other: BaseException | None) -> None:
    assert remedy(other) is None and refusal(other) is None
