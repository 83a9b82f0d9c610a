"""What every command needs: an open knowledge base, and output for people or for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from infra.settings import load_settings

if TYPE_CHECKING:
    from api.knowledge_base import KnowledgeBase
    from retrieval.plan import Plan

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
CollectionOption = Annotated[str, typer.Option("--collection", "-c", help="Name of the collection.")]
MetricsPort = Annotated[
    int | None,
    typer.Option("--metrics-port", min=1, max=65535, help="Serve Prometheus metrics there, to anybody who asks."),
]
MetricsHost = Annotated[
    str, typer.Option("--metrics-host", help="Address of the metrics; beyond loopback no key guards them.")
]
LOOPBACK = "127.0.0.1"

EXIT_INTERRUPTED = 130  # by Ctrl-C, as shells have it
NO_TERMINAL_WIDTH = 100_000  # columns: where nobody looks, nothing is cut
TELL_SECONDS = 10.0  # between two lines of progress where no terminal shows a bar

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else NO_TERMINAL_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def knowledge_base(**overrides: Any) -> Iterator[KnowledgeBase]:
    """The knowledge base of the settings, closed at the end."""
    from api.knowledge_base import KnowledgeBase  # a second, of which `kb stack` and a wrong call need nothing

    with KnowledgeBase.open(load_settings(**overrides)) as opened:
        yield opened


def table_of(*headers: str, whole: Mapping[str, int] | None = None) -> Table:
    """A table without lines; in a narrow terminal what does not fit goes on in the next line, nothing is cut.

    `whole`: header -> characters that its column never has less of.
    """
    widths = whole or {}
    columns = (Column(header, overflow="fold", min_width=widths.get(header)) for header in headers)
    return Table(*columns, box=None, pad_edge=False)


def plan_in(file: typer.FileText) -> Plan:
    """The plan that a JSON file holds. Raises `InvalidInputError`."""
    from retrieval.errors import InvalidInputError  # as above
    from retrieval.plan import Plan

    try:
        text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"plan file {file.name} cannot be read: {error}; expected JSON in UTF-8") from error
    return Plan.from_json(text)


def print_json(value: Any) -> None:
    """One JSON object as a line."""
    sys.stdout.write(orjson.dumps(value, default=str, option=orjson.OPT_SERIALIZE_NUMPY).decode() + "\n")


@contextmanager
def progress_bar(task: str, total: int | None = None) -> Iterator[Progress]:
    """A progress bar on standard error; nothing where that is no terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as progress:
        progress.add_task(task, total=total)
        yield progress


def advance(progress: Progress, by: int) -> None:
    """Move the one bar; where there is none, say now and then how far it is."""
    progress.advance(progress.task_ids[0], by)
    _tell(progress)


def reach(progress: Progress, done: int, total: int | None) -> None:
    """Set the one bar; where there is none, say now and then how far it is."""
    progress.update(progress.task_ids[0], completed=done, total=total)
    _tell(progress)


def _tell(progress: Progress) -> None:
    task = progress.tasks[0]
    if progress.disable and (task.elapsed or 0.0) - task.fields.get("told", 0.0) >= TELL_SECONDS:
        progress.update(task.id, told=task.elapsed)
        of = "so far" if task.total is None else f"of {task.total:,.0f}"
        err.print(f"{task.description}: {task.completed:,.0f} {of}", markup=False)
