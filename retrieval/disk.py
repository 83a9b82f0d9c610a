"""A disk that takes nothing more: the one place that knows how the kernel, SQLite, PostgreSQL and tantivy say so."""

from __future__ import annotations

import errno
import os
import re
import sqlite3

from retrieval.errors import OutageError

_FULL = "free space on the data folder's disk; nothing was lost, the write can be repeated"
_READ_ONLY = "make the data folder writable for this user, and its disk too"
_BROKEN = (
    "the data folder's disk is full, read-only or broken, see the kernel's log (`dmesg`); repeat when it is mended"
)
_FULL_OF_FILES = (  # a model that a library unpacks, and a long upload, are put aside as temporary files
    "free space on the disks of the data folder and of temporary files (TMPDIR); nothing was lost, repeat it then"
)
_BY_ERRNO = {errno.ENOSPC: _FULL_OF_FILES, errno.EDQUOT: _FULL_OF_FILES, errno.EROFS: _READ_ONLY}
_BY_SQLITE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _READ_ONLY,
    sqlite3.SQLITE_IOERR: _BROKEN,  # a full disk too, where the file of shared memory has no room
}
_BY_POSTGRES = {  # SQLSTATE
    "53100": "free space on the disk of the catalog's database server; nothing was lost, the write can be repeated",
    "25006": "the catalog's database is read-only, as a standby is and what a provider protects from a full disk; let "
    "KB_CATALOG_URL name one that takes writes, or free its disk, then repeat",
}
_PRIMARY_CODE = 0xFF  # the part of SQLite's extended codes that says of which kind an error is
_RUST_ERRNO = re.compile(r"\(os error (\d+)\)")  # tantivy raises ValueError with the words of Rust's std::io::Error


def remedy(error: BaseException | None) -> str | None:
    """What to do where the error says that a disk refuses; None where it says something else."""
    if isinstance(error, sqlite3.Error):
        return _BY_SQLITE.get(_sqlite_kind(error))
    return _BY_ERRNO.get(_errno_of(error)) or _BY_POSTGRES.get(getattr(error, "sqlstate", None) or "")


def is_open_for_reading_alone(error: BaseException | None) -> bool:
    """Whether SQLite refused a write: what cannot be written to when it is opened is read-only until it is closed."""
    return isinstance(error, sqlite3.Error) and _sqlite_kind(error) == sqlite3.SQLITE_READONLY


def refusal(error: BaseException | None) -> OutageError | None:
    """What to raise for a file that a disk does not take, without the server's paths; None for any other error."""
    advice = _BY_ERRNO.get(_errno_of(error))
    return (
        None if advice is None else OutageError(f"a file cannot be written: {os.strerror(_errno_of(error))}; {advice}")
    )


def _sqlite_kind(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE  # not of errors that Python's module raises itself


def _errno_of(error: BaseException | None) -> int:
    """The kernel's number for what happened; 0 where the error comes from elsewhere."""
    if isinstance(error, OSError):
        return error.errno or 0
    told = _RUST_ERRNO.search(str(error)) if isinstance(error, ValueError) else None
    return int(told[1]) if told else 0
