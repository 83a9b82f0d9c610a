"""Finding the Java that runs Kafka, Kafka Connect and Elasticsearch."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infra.stack.errors import MissingProgramError

OLDEST = 17  # Kafka 4 and Elasticsearch 8
OLDEST_FOR_ELASTICSEARCH_9 = 21
MODULES_FOR_ELASTICSEARCH_9 = frozenset({"jdk.jlink", "jdk.incubator.vector"})  # a full JDK has them, a JRE may not
INSTALLED = Path("/usr/lib/jvm")  # where Debian's packages and most others put them


@dataclass(frozen=True, slots=True)
class Java:
    """One Java: its home, its major version, and whether Elasticsearch 9 runs on it."""

    home: Path
    version: int
    modules: frozenset[str]

    @property
    def program(self) -> str:
        """The path of the launcher."""
        return str(self.home / "bin" / "java")

    @property
    def runs_elasticsearch_9(self) -> bool:
        """Whether it is new and whole enough."""
        return self.version >= OLDEST_FOR_ELASTICSEARCH_9 and self.modules >= MODULES_FOR_ELASTICSEARCH_9


def find_java(homes: Iterable[Path] | None = None) -> Java:
    """The first Java that runs Elasticsearch 9, else the newest from 17 on. Raises `MissingProgramError`."""
    found = [java for home in (candidate_homes() if homes is None else homes) if (java := inspect(home))]
    fitting = [java for java in found if java.runs_elasticsearch_9]
    if fitting:
        return fitting[0]
    usable = [java for java in found if java.version >= OLDEST]
    if usable:
        return max(usable, key=lambda java: java.version)
    seen = ", ".join(f"{java.version} in {java.home}" for java in found) or "none"
    raise MissingProgramError(
        f"Java {OLDEST} or newer runs Kafka and Elasticsearch; found {seen} (looked at JAVA_HOME, PATH, {INSTALLED}); "
        "install it with: sudo infra/setup/debian.sh servers, or set JAVA_HOME to a JDK 21 or newer"
    )


def candidate_homes() -> list[Path]:
    """Where a Java may be: JAVA_HOME, the one on the PATH, the installed ones with the newest first."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    if program := shutil.which("java"):
        homes.append(Path(program).resolve().parent.parent)
    if INSTALLED.is_dir():
        installed = [java for home in sorted(INSTALLED.iterdir()) if (java := inspect(home))]
        homes += [java.home for java in sorted(installed, key=lambda java: -java.version)]
    return homes


def inspect(home: Path) -> Java | None:
    """What the file `release` of a Java says; None where there is none, or no launcher."""
    release = home / "release"
    if not release.is_file() or not (home / "bin" / "java").is_file():
        return None
    facts = dict(re.findall(r'^(\w+)="?(.*?)"?$', release.read_text(encoding="utf-8"), re.MULTILINE))
    version = re.match(r"(\d+)", facts.get("JAVA_VERSION", ""))
    if version is None:
        return None
    return Java(home.resolve(), int(version[1]), frozenset(facts.get("MODULES", "").split()))
