"""`kb bench`: the measurements of docs/measurements.md, on this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.commands.shared import err

_ROOT = Path(__file__).parents[2]
_RUNNER = _ROOT / "tests" / "benchmarks" / "run.py"


def bench(
    rows: Annotated[
        list[str] | None, typer.Argument(help="Which rows; default: all. An unknown one lists them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Each row as one JSON line.")] = False,
    tiny: Annotated[bool, typer.Option(help="Only see that everything runs; the numbers mean nothing.")] = False,
    quick: Annotated[bool, typer.Option(help="Measure index and reindex on a part of their data.")] = False,
    work: Annotated[Path | None, typer.Option(help="Folder that keeps what takes long to build.")] = None,
    peers: Annotated[str, typer.Option(help="Comma separated; default: all that are installed.")] = "",
) -> None:
    """Measure index throughput, search over HTTP, memory, freshness, console and growth; needs a source checkout."""
    if not _RUNNER.exists():
        err.print(f"[red]error:[/] {_RUNNER} does not exist: the measurements run from a source checkout only")
        raise typer.Exit(1)
    options = [*(rows or ()), *(["--json"] if as_json else ()), *(["--tiny"] if tiny else ())]
    options += ["--quick"] if quick else []
    options += ["--work", str(work.resolve())] if work else []
    options += ["--peers", peers] if peers else []
    command = [sys.executable, "-m", "tests.benchmarks.run", *options]
    raise typer.Exit(subprocess.run(command, cwd=_ROOT, check=False).returncode)  # noqa: S603
