"""`kb jobs`: start, list, look at, cancel and retry long work."""

from __future__ import annotations

import threading
import time
from typing import Annotated, Any

import orjson
import typer

from api.commands.shared import AsJson, err, knowledge_base, out, print_json, progress_bar, reach, table_of
from api.jobs.asking import checked, tried_again
from api.jobs.attempt import Attempt
from api.jobs.heart import Heart
from api.jobs.identity import this_process
from api.jobs.kinds import kinds
from api.jobs.opening import uses_celery
from api.jobs.presentation import job_json
from api.jobs.tasks import without_caller
from api.knowledge_base import KnowledgeBase
from retrieval.catalog.jobs import OPEN_STATES, JobFilter, JobRecord, JobState
from retrieval.errors import InvalidInputError

PICKUP_SECONDS = 3.0  # a running server, whose views the work is about, takes a job within one; then it is done here
LOOK_SECONDS = 0.2

JobId = Annotated[str, typer.Argument(help="The id, as `kb jobs list` shows it.")]
OptionalCollection = Annotated[str, typer.Option("--collection", "-c", help="Name of the collection; default: all.")]
Arguments = Annotated[
    list[str] | None, typer.Option("--argument", "-a", help="What the kind may be told, NAME=VALUE; repeat for more.")
]

app = typer.Typer(help="Long work: start, list, show, cancel, retry.", no_args_is_help=True)


@app.command("list")
def list_jobs(
    state: Annotated[JobState | None, typer.Option(help="Only in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Jobs, newest first."""
    with knowledge_base() as kb:
        found = kb.catalog.jobs.page(limit, wanted=JobFilter(None if state is None else state.value, kind))
    if as_json:
        print_json({"jobs": [job_json(job) for job in found]})
        return
    table = table_of("id", "kind", "collection", "state", "progress", "attempts", "created")
    for job in found:
        progress = f"{job.done:,}" if job.total is None else f"{job.done:,}/{job.total:,}"
        created = f"{job.created_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(job.id, job.kind, job.collection or "all", job.state, progress, str(job.attempts), created)
    out.print(table)


@app.command()
def show(job_id: JobId, as_json: AsJson = False) -> None:
    """One job with its result or error."""
    with knowledge_base() as kb:
        _print(kb.catalog.jobs.get(job_id), as_json)


@app.command()
def cancel(job_id: JobId, as_json: AsJson = False) -> None:
    """Stop a job that has not ended; what it has done stays."""
    with knowledge_base() as kb:
        kb.catalog.jobs.cancel(job_id)
        _print(kb.catalog.jobs.get(job_id), as_json)


@app.command()
def retry(job_id: JobId, as_json: AsJson = False) -> None:
    """Queue a failed or cancelled job again; a running server or worker takes it."""
    with knowledge_base() as kb:
        _print(tried_again(kb.catalog.jobs, job_id), as_json)


@app.command()
def run(
    kind: Annotated[str, typer.Argument(help="What to do; `kb modules` lists the tasks there are.")],
    collection: OptionalCollection = "",
    argument: Arguments = None,
    wait: Annotated[bool, typer.Option(help="Wait for its end; else a running server or worker does it.")] = True,
    as_json: AsJson = False,
) -> None:
    """Start a job: a running server or worker does it, else this process; exit status 1 unless it succeeds."""
    with knowledge_base() as kb:
        arguments = checked(kb, kind, collection, parsed(argument or []))
        job = kb.catalog.jobs.create(kind, collection, arguments)
        if uses_celery(kb.settings):
            _tell_broker(kb)
        if wait:
            job = _followed(kb, job)
    _print(job, as_json)
    if wait and job.state is not JobState.SUCCEEDED:
        raise typer.Exit(1)


def parsed(arguments: list[str]) -> dict[str, Any]:
    """NAME=VALUE pairs; a value that is JSON is what it says, anything else is text. Raises `InvalidInputError`."""
    found: dict[str, Any] = {}
    for pair in arguments:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidInputError(f"argument {pair!r} is no NAME=VALUE, such as repair=true")
        try:
            found[name] = orjson.loads(value)
        except orjson.JSONDecodeError:
            found[name] = value
    return found


def _tell_broker(kb: KnowledgeBase) -> None:
    from api.jobs.celery_app import make_app
    from api.jobs.sending import send_unsent

    with make_app(kb.settings) as celery:
        send_unsent(kb, celery)


def _followed(kb: KnowledgeBase, job: JobRecord) -> JobRecord:
    """The job once it has ended, wherever that was. Ctrl-C cancels it."""
    stopping, here = threading.Event(), None
    patience = float("inf") if uses_celery(kb.settings) else time.monotonic() + PICKUP_SECONDS
    try:
        with progress_bar(job.kind) as progress:
            while job.state.value in OPEN_STATES:
                if here is None and job.state is JobState.QUEUED and time.monotonic() > patience:
                    here = _begin(kb, job, stopping)
                time.sleep(LOOK_SECONDS)
                job = kb.catalog.jobs.get(job.id)
                reach(progress, job.done, job.total)
    except KeyboardInterrupt:
        kb.catalog.jobs.cancel(job.id)
        err.print(f"job {job.id} is cancelled")
        raise
    finally:
        stopping.set()
        if here is not None:
            here.join()
    return job


def _begin(kb: KnowledgeBase, job: JobRecord, stopping: threading.Event) -> threading.Thread | None:
    """The thread in which this process does the job; None when a server was faster."""
    claimed = kb.catalog.jobs.claim(this_process(), kinds(), job.id)
    if claimed is None:
        return None

    def work() -> None:
        attempt, heart = Attempt(kb, claimed, stopping.is_set), Heart()
        try:
            with heart.watching(attempt):
                attempt.run()
        finally:
            heart.close()

    thread = threading.Thread(target=work, name="job")
    thread.start()
    return thread


def _print(job: JobRecord, as_json: bool) -> None:
    if as_json:
        print_json(job_json(job))
        return
    out.print(f"{job.id}  {job.kind} of {job.collection or 'all collections'}: [bold]{job.state}[/]")
    if arguments := without_caller(job.arguments):
        out.print(f"arguments: {orjson.dumps(arguments).decode()}", markup=False)
    if job.error:
        out.print(f"error: {job.error}", markup=False)
    if job.result is not None:
        out.print(f"result: {orjson.dumps(job.result).decode()}", markup=False)
