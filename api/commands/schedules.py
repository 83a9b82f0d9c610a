"""`kb schedules`: work done again and again; list, add, change, run, delete."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from api.commands.jobs import Arguments, OptionalCollection, parsed
from api.commands.shared import AsJson, knowledge_base, out, print_json, table_of
from api.jobs.asking import checked
from api.jobs.defaults import DEFAULT_NAMES, make_default_schedules
from api.jobs.presentation import schedule_json
from api.wire.jobs import MAX_EVERY_SECONDS
from retrieval.catalog.schedules import NewSchedule, ScheduleRecord
from retrieval.errors import ConflictError, InvalidInputError

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

Name = Annotated[str, typer.Argument(help="Name of the schedule.")]

app = typer.Typer(help="Work done again and again: list, add, enable, disable, run, delete.", no_args_is_help=True)


@app.command("list")
def list_schedules(as_json: AsJson = False) -> None:
    """Every schedule by name."""
    with knowledge_base() as kb:
        make_default_schedules(kb)
        found = kb.catalog.schedules.all()
    if as_json:
        print_json({"schedules": [schedule_json(one) for one in found]})
        return
    table = table_of("name", "kind", "collection", "every", "enabled", "next", "last job")
    for one in found:
        next_at = f"{one.next_at:%Y-%m-%d %H:%M:%S}Z" if one.enabled else ""
        enabled, every = "yes" if one.enabled else "no", interval(one.every_seconds)
        table.add_row(one.name, one.kind, one.collection or "all", every, enabled, next_at, one.last_job)
    out.print(table)


@app.command()
def add(
    name: Name,
    kind: Annotated[str, typer.Option(help="What to do; `kb modules` lists the tasks there are.")],
    every: Annotated[str, typer.Option(help="How often: a number and s, m, h or d.")] = "1d",
    at: Annotated[str, typer.Option(help="First time of day, HH:MM in UTC; default: one interval from now.")] = "",
    collection: OptionalCollection = "",
    argument: Arguments = None,
    as_json: AsJson = False,
) -> None:
    """Make a schedule."""
    with knowledge_base() as kb:
        arguments = checked(kb, kind, collection, parsed(argument or []))
        first_at = next_at(at, datetime.now(UTC)) if at else None
        new = NewSchedule(name, kind, collection, arguments, seconds(every), first_at=first_at)
        _print(kb.catalog.schedules.create(new), as_json)


@app.command()
def enable(name: Name, as_json: AsJson = False) -> None:
    """Let a schedule ask for jobs."""
    with knowledge_base() as kb:
        _print(kb.catalog.schedules.change(name, enabled=True), as_json)


@app.command()
def disable(name: Name, as_json: AsJson = False) -> None:
    """Keep a schedule from asking for jobs."""
    with knowledge_base() as kb:
        _print(kb.catalog.schedules.change(name, enabled=False), as_json)


@app.command()
def run(name: Name, as_json: AsJson = False) -> None:
    """Queue its job now, whatever the time; a running server or worker does it."""
    with knowledge_base() as kb:
        job_id = kb.catalog.schedules.run(name)
    if as_json:
        print_json({"job": job_id})
    else:
        out.print(f"job {job_id} is queued")


@app.command()
def delete(name: Name) -> None:
    """Forget a schedule; its jobs stay."""
    if name in DEFAULT_NAMES:
        raise ConflictError(f"schedule {name!r} is built in; use `kb schedules disable {name}`")
    with knowledge_base() as kb:
        kb.catalog.schedules.delete(name)
    out.print(f"schedule {name} is deleted")


def seconds(every: str) -> int:
    """The seconds of `90s`, `15m`, `6h` or `1d`. Raises `InvalidInputError`."""
    found = re.fullmatch(r"([1-9]\d{0,8})([smhd])", every)
    if found is None:
        raise InvalidInputError(f"interval {every!r} is not a number with s, m, h or d, such as 15m or 1d")
    length = int(found[1]) * _SECONDS[found[2]]
    if length > MAX_EVERY_SECONDS:
        raise InvalidInputError(f"interval {every!r} is longer than a year; expected at most 366d")
    return length


def interval(length: int) -> str:
    """The inverse of `seconds`, in the largest unit that divides it."""
    unit = max((name for name in _SECONDS if length % _SECONDS[name] == 0), key=lambda name: _SECONDS[name])
    return f"{length // _SECONDS[unit]}{unit}"


def next_at(at: str, now: datetime) -> datetime:
    """The first moment after `now` at HH:MM of the day in UTC. Raises `InvalidInputError`."""
    try:
        time = datetime.strptime(at, "%H:%M")
    except ValueError:
        raise InvalidInputError(f"time {at!r} is not HH:MM, such as 03:00") from None
    today = now.replace(hour=time.hour, minute=time.minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


def _print(schedule: ScheduleRecord, as_json: bool) -> None:
    if as_json:
        print_json(schedule_json(schedule))
        return
    every = interval(schedule.every_seconds)
    when = f"next {schedule.next_at:%Y-%m-%d %H:%M:%S}Z" if schedule.enabled else "disabled"
    out.print(f"{schedule.name}: {schedule.kind} of {schedule.collection or 'all collections'} every {every}, {when}")
