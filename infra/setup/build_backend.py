"""Packaging as setuptools does it, after the console's pages were built (PEP 517 and 660).

Where they cannot be built, a warning says so and the package is made without them: `/console` then says what to run.
"""

from __future__ import annotations

from typing import Any

import console_build
from setuptools import build_meta
from setuptools.build_meta import (
    build_sdist,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

Settings = dict[str, Any] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """What building a wheel needs: Node too, where the machine has none that is new enough."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_node()]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """As for a wheel."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_node()]


def build_wheel(directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Name of the wheel written, with the pages in it."""
    _build_console()
    name: str = build_meta.build_wheel(directory, config_settings, metadata_directory)
    return name


def build_editable(directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Name of the wheel written, which leads to this folder; the pages are built in it."""
    _build_console()
    name: str = build_meta.build_editable(directory, config_settings, metadata_directory)
    return name


def _node() -> list[str]:
    return [] if console_build.find_node() else [f"{console_build.NODE_PACKAGE}>={console_build.MIN_NODE}"]


def _build_console() -> None:
    console_build.main()  # its warning is its last word; `pip -v` shows it
