"""Files with passwords in a folder that Kafka Connect reads too, so that its configuration holds a reference only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.errors import SourceError

_REFERENCE = re.compile(r"\$\{[^}]*:[^}]*\}")  # as Kafka's ConfigTransformer finds them
MODE = 0o640  # the group is the folder's: Kafka Connect's


class ConnectSecrets:
    """The shared folder; without one, passwords go into the connectors' configuration themselves."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder).absolute() if folder else None

    def put(self, name: str, password: str) -> str:
        """What to write into the configuration: a reference to the file, or the password. Raises `SourceError`."""
        if self._folder is None:
            if _REFERENCE.search(password):
                raise SourceError(
                    "the password contains ${…}, which Kafka Connect would take for a reference of its own; "
                    "set connect_secrets_dir (KB_CONNECT_SECRETS_DIR), or change the password"
                )
            return password
        path = self._path(name)
        with self._told():
            _write(path, password)
        return f"${{directory:{self._folder}:{path.name}}}"

    def remove(self, name: str) -> None:
        """Forget a password. Raises `SourceError`."""
        if self._folder is not None:
            with self._told():
                self._path(name).unlink(missing_ok=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What is wrong with the folder is for an operator to mend, and keeps a source from being made or removed."""
        try:
            yield
        except OSError as error:
            raise SourceError(
                f"the folder of passwords {self._folder} (KB_CONNECT_SECRETS_DIR) cannot be written: {error.strerror}; "
                "it must be there, for this server to write and for Kafka Connect to read"
            ) from error

    def _path(self, name: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{name}.password"


def _write(path: Path, password: str) -> None:
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password)
    partial.chmod(MODE)  # whatever the umask took away
    partial.replace(path)
