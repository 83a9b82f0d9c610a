"""The command `kb`: every command in one table, and one place where errors become messages and exit statuses."""

from __future__ import annotations

import io
import sys
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape

from api.commands.lazy_commands import Entry, LazyGroup
from api.commands.shared import EXIT_INTERRUPTED, err
from infra.logs import set_up_logging
from infra.registry import RegistryError
from infra.settings import SettingsError, load_settings, mistyped_variables
from infra.stack.errors import StackError
from ingest.errors import IngestError
from retrieval.disk import refusal
from retrieval.errors import RetrievalError

EXIT_FAILURE = 1  # something was wrong; the message says what (2 is a wrong call, from the argument parser)
COMMANDS = {
    "demo": Entry(
        "api.commands.demo:demo",
        "Ingest a bilingual sample company, search it, ask it, change a row and find it again at once.",
    ),
    "ingest": Entry(
        "api.commands.ingest:ingest",
        "Bring documents into a collection. What did not change since the last time costs next to nothing.",
    ),
    "search": Entry("api.commands.search:search", "Find passages."),
    "ask": Entry(
        "api.commands.search:ask",
        "Answer a question from the documents, with citations, or say that they hold no answer.",
    ),
    "eval": Entry(
        "api.commands.evaluate:evaluate",
        "Score a collection on judged questions, and its answers on those whose right answers are known.",
    ),
    "tune": Entry(
        "api.commands.tune:tune",
        "Search for a better plan on judged questions, prove it on sealed ones, let it serve. Ctrl-C keeps the best.",
    ),
    "collections": Entry("api.commands.maintain:collections", "Every collection with its size."),
    "verify": Entry(
        "api.commands.maintain:verify",
        "Compare live databases, catalog, words and vectors; exit status 1 when they differ and were not repaired.",
    ),
    "reindex": Entry(
        "api.commands.generations:reindex_command",
        "Build a new generation of a collection beside the serving one, compare both, switch; searches go on.",
    ),
    "modules": Entry(
        "api.commands.maintain:modules",
        "Every exchangeable part: encoders, parsers, chunkers, rerankers, generators, sources, tasks.",
    ),
    "serve": Entry(
        "api.commands.serve:serve",
        "Serve the REST API until interrupted. Beyond loopback a key must exist; on loopback the first one is made.",
    ),
    "worker": Entry(
        "api.commands.worker:worker",
        "Apply the changes of live databases from Kafka until interrupted. Start as many as there is work for.",
    ),
    "bench": Entry(
        "api.commands.bench:bench",
        "Measure index throughput, search over HTTP, memory, freshness, console and growth; needs a source checkout.",
    ),
    "dead-letters": Entry(
        "api.commands.dead_letters:app",
        "What could not be ingested, and why: list, replay, drop.",
    ),
    "keys": Entry("api.commands.keys:app", "API keys: create, list, revoke."),
    "plans": Entry("api.commands.plans:app", "Plans: how a collection is searched."),
    "encoders": Entry("api.commands.encoders:app", "Encoders with a name: list, fetch."),
    "readers": Entry("api.commands.readers:app", "Readers: models that answer with words of a passage."),
    "experiments": Entry("api.commands.experiments:app", "Experiments: what the search core tried."),
    "artifacts": Entry("api.commands.artifacts:app", "Artifacts: plans and models that tuning left."),
    "sources": Entry("api.commands.sources:app", "Live databases: connect, watch, read again, remove."),
    "generations": Entry(
        "api.commands.generations:app",
        "Generations of a collection: list, activate, roll back, retire.",
    ),
    "jobs": Entry("api.commands.jobs:app", "Long work: start, list, show, cancel, retry."),
    "schedules": Entry(
        "api.commands.schedules:app",
        "Work done again and again: list, add, enable, disable, run, delete.",
    ),
    "celery": Entry("api.commands.celery:app", "Jobs on Celery: worker and beat."),
    "stack": Entry("api.commands.stack:app", "The servers of the cluster on this machine: start, show, stop."),
}


class Commands(LazyGroup):
    """Those of the table."""

    entries = COMMANDS

    def invoke(self, ctx: Any) -> Any:
        """Run one; the parser would end without a word at Ctrl-C."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _say_interrupted()
            raise typer.Exit(EXIT_INTERRUPTED) from None


def _say_interrupted() -> None:
    err.print("interrupted; what was committed stays")


app = typer.Typer(
    name="kb",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"autoglm-kb {version('autoglm-kb')}")
        raise typer.Exit


@app.callback()
def kb(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A knowledge base that follows your data: ingest, search, ask. Settings come from KB_… variables."""


def main() -> None:
    """Run one command; errors of ours are one line, and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of few letters shows ? for the others
    for name, setting in mistyped_variables():
        err.print(f"[yellow]warning:[/] {name} is not a setting; did you mean {setting}?", markup=True)
    try:
        set_up_logging(load_settings())
        app()
    except (RetrievalError, IngestError, SettingsError, RegistryError, StackError) as error:
        _say_failed(error)
    except OSError as error:
        if (refused := refusal(error)) is None:
            raise
        _say_failed(refused)
    except KeyboardInterrupt:
        _say_interrupted()
        sys.exit(EXIT_INTERRUPTED)


def _say_failed(error: Exception) -> NoReturn:
    err.print(f"[red]error:[/] {escape(str(error))}", markup=True)
    sys.exit(EXIT_FAILURE)


if __name__ == "__main__":
    main()
