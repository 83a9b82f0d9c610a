"""Which commit of this software runs, for whatever is to be traced back to its code."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTION = "autoglm-kb"
GIT_SECONDS = 10.0  # that git may take; it needs a few hundredths
CHANGED = "+changes"  # after the commit of a checkout that is not as committed


@cache
def running_commit() -> str | None:
    """Of the checkout that this runs from, else of the repository it was installed from; None where neither is known.

    Asked once in a process.
    """
    return commit_of(ROOT) or _installed_from()


def commit_of(folder: Path) -> str | None:
    """The commit of a checkout, followed by `CHANGED` where tracked files differ from it; None where it is none."""
    if not (folder / ".git").exists():  # a folder inside of another repository is not this software's checkout
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD").strip()
        changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):  # without git, or it does not trust the folder
        return None
    return commit + CHANGED if changes else commit


def _git(folder: Path, *words: str) -> str:
    where = (f"--git-dir={folder / '.git'}", f"--work-tree={folder}")  # before what the environment says
    done = subprocess.run(  # noqa: S603 - fixed questions about the folder of this software
        ["git", "--no-optional-locks", *where, *words],  # noqa: S607 - whichever git there is
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=GIT_SECONDS,
    )
    return done.stdout


def _installed_from() -> str | None:
    """What the installer noted (PEP 610)."""
    try:
        noted = json.loads(metadata.distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
        commit = noted["vcs_info"]["commit_id"]
    except (metadata.PackageNotFoundError, ValueError, TypeError, KeyError):
        return None
    return str(commit)
