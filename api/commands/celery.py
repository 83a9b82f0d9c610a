"""`kb celery worker` and `kb celery beat`: the processes that run jobs where a broker is configured."""

from __future__ import annotations

import typer

from infra.settings import load_settings

_REST = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(help="Jobs on Celery: worker and beat.", no_args_is_help=True)


@app.command(context_settings=_REST, add_help_option=False)
def worker(context: typer.Context) -> None:
    """Run jobs until stopped; what follows goes to Celery, such as --concurrency 4."""
    _celery("worker", context.args)


@app.command(context_settings=_REST, add_help_option=False)
def beat(context: typer.Context) -> None:
    """Let schedules come due until stopped; what follows goes to Celery. Several at once do no harm."""
    _celery("beat", context.args)


def _celery(command: str, arguments: list[str]) -> None:
    from api.jobs.celery_app import make_app

    make_app(load_settings()).start([command, *arguments])
