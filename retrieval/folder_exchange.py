"""A folder takes the place of another: whoever is killed in the midst leaves one of both for the next start."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

ASIDE = ".former-"  # before the name of a folder that is being exchanged; no model's name begins with a dot


def put_in_place(folder: Path, target: Path) -> None:
    """`folder`, on the same file system, becomes `target`; an old one is gone. Raises `OSError`.

    A full folder cannot be replaced in one step: the old one is put aside, where `bring_back` finds it after a kill.
    """
    aside = target.with_name(f"{ASIDE}{target.name}")
    _end_exchange(aside, target)
    try:
        try:
            _exchange(folder, target, aside)
        except OSError:  # perhaps a process that starts in this moment brought the old one back
            _exchange(folder, target, aside)
    finally:
        _end_exchange(aside, target)


def bring_back(parent: Path) -> None:
    """At start: end the exchanges of processes that were killed; a folder put aside for none is there again."""
    for aside in parent.glob(f"{ASIDE}*"):
        try:
            _end_exchange(aside, parent / aside.name.removeprefix(ASIDE))
        except OSError as error:
            logger.warning("%s is the folder that was there before, and cannot be renamed: %s", aside, error)


def _exchange(folder: Path, target: Path, aside: Path) -> None:
    if target.exists():
        os.replace(target, aside)
    os.replace(folder, target)


def _end_exchange(aside: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(aside, ignore_errors=True)
        return
    with suppress(FileNotFoundError):  # it was never put aside, or another process was faster
        os.replace(aside, target)
