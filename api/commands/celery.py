"""`kb celery worker` and `kb celery beat`: the processes that run jobs where a broker is configured."""

from __future__ import annotations

import typer

from api.commands.shared import LOOPBACK, MetricsHost, MetricsPort
from infra.settings import load_settings

_REST = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(help="Jobs on Celery: worker and beat.", no_args_is_help=True)


@app.command(context_settings=_REST, add_help_option=False)
def worker(context: typer.Context, metrics_port: MetricsPort = None, metrics_host: MetricsHost = LOOPBACK) -> None:
    """Run jobs until stopped; what follows goes to Celery, such as --concurrency 4."""
    from api.jobs.celery_app import make_app
    from api.telemetry.job_metrics import JobMetrics
    from api.telemetry.metrics_port import served

    metrics = JobMetrics()
    with served(metrics.registry, metrics_port, metrics_host):
        make_app(load_settings(), metrics).start(["worker", *context.args])


@app.command(context_settings=_REST, add_help_option=False)
def beat(context: typer.Context, metrics_port: MetricsPort = None, metrics_host: MetricsHost = LOOPBACK) -> None:
    """Let schedules come due until stopped; what follows goes to Celery. Several at once do no harm."""
    from api.jobs.celery_app import make_app, tell_of_ticks
    from api.telemetry.beat_metrics import BeatMetrics
    from api.telemetry.metrics_port import served

    metrics = BeatMetrics()
    tell_of_ticks(metrics.ticked)
    with served(metrics.registry, metrics_port, metrics_host):
        make_app(load_settings()).start(["beat", *context.args])
