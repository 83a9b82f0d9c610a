"""Fetched programs: whole and of the pinned digest, or not there; a second time nothing is fetched."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from infra.stack.artifacts import Artifact, Versions, digest_of_folder, load_versions
from infra.stack.cache import Cache, default_cache_folder
from infra.stack.errors import FetchError, MissingProgramError
from infra.stack.maven import pom_of, size_of
from infra.stack.progress import Silent

# Stands in for the program `mvn`: counts its calls, fails while a file says so, else puts the offered files down.
MVN = """\
#!/bin/sh
echo "$*" >> {folder}/calls
for word; do case "$word" in
  -DoutputDirectory=*) target=${{word#*=}} ;;
  -Dmaven.repo.local=*) repository=${{word#*=}} ;;
esac; done
mkdir -p "$repository"; echo half > "$repository/half.part"
if [ -e {folder}/broken ]; then echo "no route to the repository"; exit 1; fi
cp {folder}/offered/* "$target"
"""


class World:
    """A `mvn` on the PATH, the files it offers, and a cache to fetch them into."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.offered = folder / "offered"
        self.offered.mkdir()
        program = folder / "mvn"
        program.write_text(MVN.format(folder=folder))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def get(self, artifact: Artifact) -> Path:
        return Cache(self.folder / "cache", Versions("1", {artifact.name: artifact}), Silent()).get([artifact.name])[
            artifact.name
        ]

    @property
    def calls(self) -> int:
        calls = self.folder / "calls"
        return len(calls.read_text().splitlines()) if calls.exists() else 0


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def archive_of(path: Path, keep: dict[str, str] | None = None) -> Artifact:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Artifact("thing", "1.0", "archive", ("group:thing:1.0:zip",), digest, keep or {})


def zip_in(world: World, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(world.offered / "thing.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return world.offered / "thing.zip"


def test_an_archive_is_unpacked_to_what_is_kept_and_fetched_once(world: World) -> None:
    files = {"outer/es/lib/a.jar": "a", "outer/es/bin/run": "#!/bin/sh", "outer/bin/start": "s", "outer/web/big": "no"}
    artifact = archive_of(zip_in(world, files), {"outer/es/": "", "outer/bin/start": "bin/start"})
    home = world.get(artifact)
    assert {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()} == {
        "lib/a.jar",
        "bin/run",
        "bin/start",
    }
    assert home.joinpath("bin/start").stat().st_mode & stat.S_IXOTH
    (world.folder / "broken").touch()  # whoever asks the network now fails
    assert world.get(artifact) == home
    assert world.calls == 1
    assert sorted(path.name for path in home.parent.iterdir() if path.is_dir()) == ["partial", "thing-1.0"]
    assert list(home.parent.joinpath("partial").iterdir()) == []


def test_other_bytes_are_refused_and_thrown_away(world: World) -> None:
    artifact = archive_of(zip_in(world, {"a": "1"}))
    zip_in(world, {"a": "2"})
    with pytest.raises(FetchError, match=f"SHA-256 [0-9a-f]{{64}}, expected {artifact.sha256}"):
        world.get(artifact)
    assert not (world.folder / "cache" / artifact.folder).exists()
    zip_in(world, {"a": "1"})
    mended = archive_of(world.offered / "thing.zip")
    assert (world.get(mended) / "a").read_text() == "1"


def test_an_interrupted_fetch_is_told_and_goes_on(world: World) -> None:
    artifact = archive_of(zip_in(world, {"a": "1"}))
    (world.folder / "broken").touch()
    with pytest.raises(FetchError, match="no route to the repository"):
        world.get(artifact)
    assert (world.folder / "cache/maven/half.part").exists()  # Maven goes on from what came in
    leftover = world.folder / "cache/partial/thing-1.0/whole"
    leftover.mkdir(parents=True)  # as a killed process leaves it
    (leftover / "half a file").touch()
    (world.folder / "broken").unlink()
    assert [path.name for path in world.get(artifact).iterdir()] == ["a"]


def test_jars_are_checked_as_one_list(world: World) -> None:
    for name in ("b.jar", "a.jar"):
        (world.offered / name).write_text(name)
    lines = "".join(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in ("a.jar", "b.jar"))
    digest = hashlib.sha256(lines.encode()).hexdigest()
    assert digest_of_folder(world.offered) == digest
    home = world.get(Artifact("jars", "1", "jars", ("g:a:1",), digest))
    assert sorted(path.name for path in home.iterdir()) == ["a.jar", "b.jar"]


def test_a_tar_that_leaves_its_folder_is_refused(world: World) -> None:
    with tarfile.open(world.offered / "thing.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("../outside")
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"x"))
    with pytest.raises(tarfile.OutsideDestinationError):
        world.get(archive_of(world.offered / "thing.tar.gz"))
    assert not (world.folder / "cache" / "thing-1.0").exists()


def test_without_maven_the_remedy_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = archive_of(zip_in(world, {"a": "1"}))
    monkeypatch.setenv("PATH", str(world.folder / "nowhere"))
    with pytest.raises(MissingProgramError, match=r"infra/setup/debian\.sh servers"):
        world.get(artifact)


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "autoglm-kb"


def test_sizes_of_what_comes_and_goes(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a").write_bytes(b"12345")
    assert size_of(tmp_path) == 5
    assert size_of(tmp_path / "absent") == 0


def test_every_artifact_is_pinned_and_names_no_repository() -> None:
    versions = load_versions()
    for name, artifact in versions.artifacts.items():
        assert re.fullmatch(r"[0-9a-f]{64}", artifact.sha256), name
        assert all(re.fullmatch(r"[\w.-]+(:[\w.-]+){2,4}", line) for line in artifact.coordinates), name
    assert "repository" not in pom_of(versions.artifacts["kafka"])
    assert pom_of(versions.artifacts["kafka"]).count("<dependency>") == len(versions.artifacts["kafka"].coordinates)
