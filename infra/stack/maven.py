"""Fetching through Maven: the user's own settings and mirrors apply; no address is written here."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from xml.sax.saxutils import escape

from infra.stack.artifacts import Artifact
from infra.stack.errors import FetchError, MissingProgramError
from infra.stack.progress import Progress

POLL_SECONDS = 0.5
SHOWN_LINES = 8  # of what Maven says; its first error is the cause of the others
POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>autoglm-kb</groupId><artifactId>{name}</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""
DEPENDENCY = "    <dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


class Maven:
    """The command `mvn` with a local repository of its own, which can be thrown away afterwards."""

    def __init__(self, repository: Path, plugin_version: str, progress: Progress) -> None:
        self._repository = repository
        self._plugin = f"org.apache.maven.plugins:maven-dependency-plugin:{plugin_version}"
        self._progress = progress

    def fetch(self, artifact: Artifact, target: Path) -> Path:
        """`target`, with the artifact's file or files in it. Raises `FetchError`, `MissingProgramError`."""
        target.mkdir(parents=True)
        self._progress.step(artifact.name, f"fetching version {artifact.version}")
        if artifact.kind == "jars":
            pom = target.parent / "pom.xml"
            pom.write_text(pom_of(artifact), encoding="utf-8")
            call = ["-f", str(pom), f"{self._plugin}:copy-dependencies", "-DincludeScope=runtime"]
        else:
            call = [f"{self._plugin}:copy", f"-Dartifact={artifact.coordinates[0]}"]
        self._run(artifact, [*call, f"-DoutputDirectory={target}"], target)
        return target

    def _run(self, artifact: Artifact, call: list[str], target: Path) -> None:
        program = shutil.which("mvn")
        if program is None:
            raise MissingProgramError(
                f"{artifact.name} is fetched with Maven, and `mvn` is not on the PATH; "
                "install it with: sudo infra/setup/debian.sh servers"
            )
        command = [program, "--batch-mode", "--quiet", f"-Dmaven.repo.local={self._repository}", *call]
        log = target.parent / "maven.log"
        with log.open("wb") as sink:
            running = subprocess.Popen(  # noqa: S603 - Maven with pinned coordinates
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=target.parent
            )
        try:
            self._watch(running, artifact)
        finally:
            if running.poll() is None:
                running.terminate()
                running.wait()
        if running.returncode:
            said = "\n".join(log.read_text(errors="replace").strip().splitlines()[:SHOWN_LINES])
            raise FetchError(
                f"{artifact.name} {artifact.version} could not be fetched ({program} ended with {running.returncode}); "
                f"check the network and Maven's settings.xml, then run the command again: it goes on.\n{said}"
            )

    def _watch(self, running: subprocess.Popen[bytes], artifact: Artifact) -> None:
        before = size_of(self._repository)
        while running.poll() is None:
            time.sleep(POLL_SECONDS)
            self._progress.fetched(artifact.name, max(0, size_of(self._repository) - before))


def pom_of(artifact: Artifact) -> str:
    """A project whose dependencies are the artifact's coordinates."""
    parts = (tuple(escape(part) for part in line.split(":")) for line in artifact.coordinates)
    return POM.format(name=artifact.name, dependencies="\n".join(DEPENDENCY.format(*part) for part in parts))


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder, while they come and go."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # a part file was renamed meanwhile
            continue
    return total
