"""The command `kb`: every command in one table, and one place where errors become messages and exit statuses."""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from api.commands import (
    artifacts,
    bench,
    celery,
    dead_letters,
    demo,
    evaluate,
    experiments,
    generations,
    ingest,
    jobs,
    keys,
    maintain,
    plans,
    readers,
    schedules,
    search,
    serve,
    sources,
    stack,
    tune,
    worker,
)
from api.commands.shared import err
from infra.logs import set_up_logging
from infra.registry import RegistryError
from infra.settings import SettingsError, load_settings
from infra.stack.errors import StackError
from ingest.errors import IngestError
from retrieval.errors import RetrievalError

EXIT_FAILURE = 1  # something was wrong; the message says what (2 is a wrong call, from the argument parser)
EXIT_INTERRUPTED = 130  # by Ctrl-C, as shells have it

app = typer.Typer(
    name="kb",
    help="A knowledge base that follows your data: ingest, search, ask. Settings come from KB_… variables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo.demo)
app.command()(ingest.ingest)
app.command()(search.search)
app.command()(search.ask)
app.command("eval")(evaluate.evaluate)
app.command()(tune.tune)
app.command()(maintain.collections)
app.command()(maintain.verify)
app.command("reindex")(generations.reindex_command)
app.command()(maintain.modules)
app.command()(serve.serve)
app.command()(worker.worker)
app.command()(bench.bench)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(keys.app, name="keys")
app.add_typer(plans.app, name="plans")
app.add_typer(readers.app, name="readers")
app.add_typer(experiments.app, name="experiments")
app.add_typer(artifacts.app, name="artifacts")
app.add_typer(sources.app, name="sources")
app.add_typer(generations.app, name="generations")
app.add_typer(jobs.app, name="jobs")
app.add_typer(schedules.app, name="schedules")
app.add_typer(celery.app, name="celery")
app.add_typer(stack.app, name="stack")


def main() -> None:
    """Run one command; errors of ours are one line, and exit status 1."""
    try:
        set_up_logging(load_settings())
        app()
    except (RetrievalError, IngestError, SettingsError, RegistryError, StackError) as error:
        err.print(f"[red]error:[/] {escape(str(error))}", markup=True)
        sys.exit(EXIT_FAILURE)
    except KeyboardInterrupt:
        err.print("interrupted; what was committed stays")
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
