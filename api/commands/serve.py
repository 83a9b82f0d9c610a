"""`kb serve`: the REST API."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.commands.shared import AsJson, knowledge_base, out, print_json
from api.knowledge_base import KnowledgeBase
from infra.garbage import spare_what_is_loaded

if TYPE_CHECKING:
    from api.server import Prepared


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: setting host.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = None,
    with_worker: Annotated[
        bool, typer.Option("--worker", help="Apply the changes of live databases in this process too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Serve the REST API until interrupted. Beyond loopback a key must exist; on loopback the first one is made."""
    from api.server import prepare  # the web framework takes a second to load; other commands need none of it

    given: dict[str, Any] = {"host": host, "port": port}
    with knowledge_base(**{name: value for name, value in given.items() if value is not None}) as kb:
        prepared = prepare(kb, kb.settings)
        beside = _worker(kb, prepared) if with_worker else nullcontext()
        if as_json:
            print_json({"url": prepared.url, "first_key": prepared.first_key})
            sys.stdout.flush()  # a program waits for it on the other end of a pipe
        else:
            if prepared.first_key:
                out.print(f"first admin key, shown only now: [bold]{prepared.first_key}[/]", soft_wrap=True)
            out.print(f"serving on {prepared.url}; Ctrl-C stops", soft_wrap=True)
            out.print(f"console at {prepared.url}/console, API description at {prepared.url}/openapi.json")
            if not prepared.first_key:
                out.print("log in with a key; another one: kb keys create --scope admin")
        with beside:
            prepared.run()


def _worker(kb: KnowledgeBase, prepared: Prepared) -> AbstractContextManager[None]:
    """A worker in a thread, counted in /metrics. Raises `SettingsError` where no broker is named."""
    from api.telemetry.worker_metrics import WorkerMetrics
    from api.worker import open_worker, worker_thread

    spare_what_is_loaded()
    return worker_thread(open_worker(kb, WorkerMetrics(prepared.metrics.registry), prepared.traces))
