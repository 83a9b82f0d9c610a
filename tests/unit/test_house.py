"""The house rules that a machine can check cheaply, over every tracked file."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from infra.settings import Settings, load_settings
from infra.settings_docs import generated_files

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("infra", "retrieval", "ingest", "search_core", "api")
MAX_LINES = 400  # past this a second noun hides inside the file
# Addresses that tie a file to one machine or one package mirror; this file spells them so as not to match itself.
FORBIDDEN = re.compile(
    r"/(?:home|Users)/\w+/|/root/|/work/|(?:pypi|pythonhosted|npmjs|maven)\.(?:org|com)|(?:index-url|find-links)[= ]"
)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
BLOCKS_OF_BARS = ("table_open", "fence", "code_block")  # where a line may begin with a bar
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    return [path for name in listed.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()]


def modules() -> list[Path]:
    return [path for path in tracked("*.py") if path.relative_to(REPOSITORY).parts[0] in PACKAGES]


def named(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def test_every_module_says_what_it_is_for() -> None:
    silent = [named(path) for path in modules() if not ast.get_docstring(ast.parse(path.read_bytes()))]
    assert silent == []


def test_no_file_hides_a_second_noun() -> None:
    lengths = {named(path): len(path.read_bytes().splitlines()) for path in tracked("*.py")}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_library_code_raises_and_logs_but_does_not_print() -> None:
    printing = [
        named(path)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def test_no_import_reads_the_environment_or_sets_up_logging() -> None:
    """Only statements at module level count: what a function does is its caller's wish."""
    calls = re.compile(r"^(?:os\.environ|os\.getenv|logging\.basicConfig|load_settings|torch\.)")
    offenders = [
        f"{named(path)}:{statement.lineno}"
        for path in modules()
        for statement in ast.parse(path.read_bytes()).body
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr)
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute | ast.Name) and calls.match(ast.unparse(node))
    ]
    assert offenders == []


def test_no_file_names_a_machine_or_a_package_mirror() -> None:
    found = []
    for path in tracked():
        if path != Path(__file__).resolve() and b"\0" not in (data := path.read_bytes())[:8192]:
            lines = data.decode("utf-8", errors="replace").splitlines()
            found += [f"{named(path)}:{n}: {line[:80]}" for n, line in enumerate(lines, 1) if FORBIDDEN.search(line)]
    assert found == []


def test_links_between_pages_resolve() -> None:
    broken = []
    for page in tracked("*.md"):
        if "infra/sample/documents" in named(page) or "tests/" in named(page):
            continue
        for target in (one or other for one, other in LINK.findall(page.read_text(encoding="utf-8"))):
            if not target.startswith(("http:", "https:", "mailto:")) and not resolves(page, target):
                broken.append(f"{named(page)} -> {target}")
    assert broken == []


def resolves(page: Path, target: str) -> bool:
    """Whether the file exists and, where the link names a heading, the heading too."""
    name, _, anchor = target.partition("#")
    file = (page.parent / name) if name else page
    if not file.exists():
        return False
    return not anchor or anchor in {slug(title) for title in HEADING.findall(file.read_text(encoding="utf-8"))}


def slug(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


def test_tables_of_pages_are_shown_as_tables() -> None:
    """A rule line with fewer cells than the head makes the whole table running text, on any page of GitHub."""
    reader = MarkdownIt("commonmark").enable("table")
    broken = []
    for page in tracked("*.md"):
        text = page.read_text(encoding="utf-8")
        blocks = [token.map for token in reader.parse(text) if token.type in BLOCKS_OF_BARS and token.map]
        inside = {number for first, end in blocks for number in range(first, end)}
        lines = enumerate(text.splitlines())
        broken += [f"{named(page)}:{n + 1}" for n, line in lines if line.lstrip().startswith("|") and n not in inside]
    assert broken == []


def test_pages_name_files_that_exist() -> None:
    for page in (REPOSITORY / "docs").glob("*.md"):
        for name in re.findall(rf"`((?:{'|'.join(PACKAGES)}|tests)/[\w/.]+)`", page.read_text(encoding="utf-8")):
            assert (REPOSITORY / name).exists(), f"{named(page)} names {name}, which does not exist"


@pytest.mark.parametrize(("path", "text"), generated_files(REPOSITORY).items(), ids=lambda value: str(value)[-16:])
def test_generated_pages_are_up_to_date(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, f"run `make docs`: {named(path)} differs from the settings table"


def test_the_example_uncommented_gives_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = load_settings()
    lines = re.findall(r"^# (KB_\w+)=(.*)$", (REPOSITORY / "infra/env.example").read_text("utf-8"), re.MULTILINE)
    for name, value in lines:
        if name != "KB_CONFIG":
            monkeypatch.setenv(name, value)
    assert len(lines) == len(Settings.model_fields) + 1
    assert load_settings() == defaults


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    pinned = {plain(line.split("==")[0]) for line in (REPOSITORY / "constraints.txt").read_text("utf-8").splitlines()}
    missing = {plain(re.split(r"[\[<>=!~; ]", line)[0]) for line in asked} - pinned - {plain(project["name"])}
    assert missing == set()


def plain(package: str) -> str:
    """A package name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def test_make_help_lists_every_verb() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    for verb in ("install", "demo", "check", "unit", "test", "bench", "serve", "docs", "clean"):
        assert re.search(rf"^{verb}:.*## ", makefile, re.MULTILINE), f"make {verb} has no line in `make help`"


def test_continuous_integration_runs_the_same_script() -> None:
    assert "run: .ci/run" in (REPOSITORY / ".github/workflows/test.yml").read_text("utf-8")
    assert "make test" in (REPOSITORY / ".ci/run").read_text("utf-8")
