"""`kb worker`: apply the changes of live databases."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Annotated, Any

import typer

from api.commands.shared import LOOPBACK, AsJson, MetricsHost, MetricsPort, knowledge_base, out, print_json
from infra.garbage import spare_what_is_loaded
from infra.tracing import open_traces
from infra.wording import counted
from ingest.kafka.worker import Worker


def worker(
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", "--once", help="End when all that Kafka holds by now is applied.")
    ] = False,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = LOOPBACK,
    as_json: AsJson = False,
) -> None:
    """Apply the changes of live databases from Kafka until interrupted. Start as many as there is work for."""
    from api.telemetry.metrics_port import served
    from api.telemetry.worker_metrics import WorkerMetrics
    from api.worker import open_worker

    metrics = WorkerMetrics()
    with knowledge_base() as kb:
        kb.warm_up()
        spare_what_is_loaded()
        traces = open_traces(kb.settings, "kb-worker")
        found = open_worker(kb, metrics, traces)
        began = time.perf_counter()
        shown = served(metrics.registry, metrics_port, metrics_host)
        with _ended_by_signals(found), shown, nullcontext() if traces is None else closing(traces):
            if not as_json:
                servers = kb.settings.kafka_bootstrap_servers
                out.print(f"applying changes from Kafka at {servers}, group {kb.settings.worker_group}; Ctrl-C stops")
            found.run(until_caught_up=until_caught_up)
        _tell(metrics.totals(), time.perf_counter() - began, as_json)


def _tell(totals: dict[str, Any], seconds: float, as_json: bool) -> None:
    if as_json:
        print_json({**totals, "seconds": round(seconds, 3)})
        return
    changes = ", ".join(f"{count:,} {outcome}" for outcome, count in totals["changes"].items()) or "no change"
    out.print(
        f"{counted(totals['events'], 'event', grouped=True)} in {seconds:.1f} s: {changes}; "
        f"{counted(totals['dead_letters'], 'dead letter', grouped=True)}"
    )


@contextmanager
def _ended_by_signals(found: Worker) -> Iterator[None]:
    """SIGTERM and SIGINT let the worker commit what it holds and leave the group; a second one ends it at once."""
    ending = (signal.SIGTERM, signal.SIGINT)
    before = {one: signal.getsignal(one) for one in ending}

    def stop(_number: int, _frame: object) -> None:
        found.stop()
        for one, handler in before.items():
            signal.signal(one, handler)

    for one in ending:
        signal.signal(one, stop)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
