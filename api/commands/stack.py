"""`kb stack`: the servers of the cluster on this machine, without Docker."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.commands.fetching import MEGABYTE, told
from api.commands.shared import AsJson, err, out, print_json
from infra.settings import load_settings

if TYPE_CHECKING:
    from infra.stack.progress import Progress
    from infra.stack.stack import Stack
    from infra.stack.status import Status

EXIT_NOT_READY = 3  # of `kb stack status` where a server does not answer

app = typer.Typer(help="The servers of the cluster on this machine: start, show, stop.", no_args_is_help=True)
FolderOption = Annotated[
    Path | None, typer.Option(help="Folder of their data, logs and ports; default: `stack` in the data folder.")
]
OnlyOption = Annotated[str, typer.Option(help="Only these servers and what they need, names with commas.")]


@app.command()
def up(
    folder: FolderOption = None,
    only: OnlyOption = "",
    secure: Annotated[
        bool | None, typer.Option("--secure/--no-secure", help="Ask for a password at Elasticsearch; remembered.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch, configure and start what does not run, wait until all answer, and say where they are."""
    with told() as progress:
        statuses = _stack(folder, progress).up(_names(only), secure=secure)
    _show(statuses, as_json)


@app.command()
def status(folder: FolderOption = None, as_json: AsJson = False) -> None:
    """Where the servers are and whether they answer; exit status 3 where one does not."""
    statuses = _stack(folder).status()
    _show(statuses, as_json)
    if not all(one.ready for one in statuses.values()):
        raise typer.Exit(EXIT_NOT_READY)


@app.command()
def down(
    folder: FolderOption = None,
    only: OnlyOption = "",
    purge: Annotated[bool, typer.Option(help="Remove the folder with all data too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before removing.")] = False,
) -> None:
    """Stop what was started, and nothing else; also after a crash."""
    with told() as progress:
        stack = _stack(folder, progress)
        if not purge:
            stopped = stack.down(_names(only))
            err.print(f"stopped: {', '.join(stopped)}" if stopped else f"nothing was running in {stack.folder}")
            return
    if only:
        raise typer.BadParameter("--purge removes the whole folder; leave --only out")
    if not yes:
        typer.confirm(f"Remove {stack.folder} with all data of its servers?", abort=True, err=True)
    stack.purge()
    err.print(f"removed {stack.folder}")


@app.command()
def env(
    folder: FolderOption = None,
    unset: Annotated[bool, typer.Option("--unset", help='The way back: eval "$(kb stack env --unset)".')] = False,
    as_json: AsJson = False,
) -> None:
    """The settings that point every command at these servers: `eval "$(kb stack env)"`."""
    from infra.stack.stack import VARIABLES

    if unset:
        for name in VARIABLES:
            out.print(f"unset {name}", markup=False)
        return
    stack = _stack(folder)
    variables = stack.env()
    if not variables:
        err.print(f"no server was ever started in {stack.folder}; run: kb stack up", markup=False)
        raise typer.Exit(EXIT_NOT_READY)
    if as_json:
        print_json(variables)
        return
    for name, value in variables.items():
        out.print(f"export {name}={shlex.quote(value)}", markup=False)


def _stack(folder: Path | None, progress: Progress | None = None) -> Stack:
    from infra.stack.stack import Stack  # the drivers of six servers: no other command waits for them

    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # a server that is starting: our own lines tell of it
    settings = load_settings()
    cache = Path(settings.cache_dir).expanduser() if settings.cache_dir else None
    return Stack(folder or settings.data_dir / "stack", cache=cache, progress=progress)


def _names(only: str) -> list[str]:
    from infra.stack.servers.table import SERVERS

    return [name.strip() for name in only.split(",") if name.strip()] or list(SERVERS)


def _show(statuses: dict[str, Status], as_json: bool) -> None:
    if as_json:
        print_json({"servers": {name: _described(one) for name, one in statuses.items()}})
        return
    for name, one in statuses.items():  # lines, not a table: an address must not be cut to the terminal's width
        state = f"ready, {one.pss // MEGABYTE} MB" if one.ready else "not ready"
        out.print(f"{name:<14} {state:<16} {one.url}".rstrip(), markup=False)
        if not one.ready:
            err.print(f"{name}: {one.reason}; its log is {one.log}", markup=False)


def _described(one: Status) -> dict[str, object]:
    return {
        "url": one.url,
        "ready": one.ready,
        "reason": one.reason,
        "pid": one.pid,
        "rss_mb": round(one.rss / MEGABYTE),
        "pss_mb": round(one.pss / MEGABYTE),
        "log": str(one.log),
    }
