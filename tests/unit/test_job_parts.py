"""The small parts of jobs: names of processes, intervals, arguments, and what a task may be told."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from api.commands.jobs import parsed
from api.commands.schedules import interval, next_at, seconds
from api.jobs.asking import checked_arguments, task_of
from api.jobs.celery_app import make_app
from api.jobs.identity import is_gone, this_process
from api.jobs.kinds import TASKS
from api.jobs.opening import uses_celery
from api.jobs.tasks import caller_of, with_caller, without_caller
from api.wire.jobs import MAX_EVERY_SECONDS
from infra.settings import Settings, SettingsError
from retrieval.errors import InvalidInputError
from retrieval.types import OPERATOR, Principal

SAY_NAME = "from api.jobs.identity import this_process; print(this_process())"


def test_a_living_process_is_not_gone_and_a_dead_one_is() -> None:
    dead = subprocess.run([sys.executable, "-c", SAY_NAME], capture_output=True, text=True, check=True).stdout.strip()
    assert dead.partition(":")[0] == this_process().partition(":")[0]
    assert is_gone(f"{dead}/claim")
    assert not is_gone(f"{this_process()}/claim")


def test_a_later_process_with_the_same_number_is_another() -> None:
    host, pid, _ = this_process().split(":")
    assert int(pid) == os.getpid()
    assert is_gone(f"{host}:{pid}:00000000/claim")


@pytest.mark.parametrize("runner", ["", "elsewhere.1:1:abcd/claim", "nonsense", "a:b:c"])
def test_nothing_is_said_of_processes_elsewhere(runner: str) -> None:
    assert not is_gone(runner)


def test_a_forked_child_has_a_name_of_its_own() -> None:
    script = (
        "import os; from api.jobs.identity import this_process; a = this_process(); pid = os.fork();"
        "pid and os.waitpid(pid, 0); print(this_process(), flush=True)"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert len(set(printed)) == 2 and len({name.split(":")[2] for name in printed}) == 2


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("15m", 900), ("6h", 21_600), ("1d", 86_400)])
def test_intervals(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["90s", "15m", "36h", "1d", "366d"])
def test_intervals_are_shown_as_they_are_written(text: str) -> None:
    assert interval(seconds(text)) == text


@pytest.mark.parametrize("text", ["", "0d", "1", "1w", "-1h", "1.5h"])
def test_wrong_intervals_name_the_right_ones(text: str) -> None:
    with pytest.raises(InvalidInputError, match="15m or 1d"):
        seconds(text)


def test_an_interval_of_more_than_a_year_is_refused() -> None:
    assert seconds("366d") == MAX_EVERY_SECONDS
    for text in ("367d", "999999999d"):
        with pytest.raises(InvalidInputError, match=f"'{text}' is longer than a year"):
            seconds(text)


def test_the_next_time_of_day_is_ahead() -> None:
    now = datetime(2026, 3, 31, 14, 30, 5, tzinfo=UTC)
    assert next_at("15:00", now) == datetime(2026, 3, 31, 15, 0, tzinfo=UTC)
    assert next_at("14:30", now) == datetime(2026, 4, 1, 14, 30, tzinfo=UTC)
    with pytest.raises(InvalidInputError, match="HH:MM"):
        next_at("25:00", now)


def test_arguments_of_the_shell_are_json_where_they_can_be() -> None:
    given = ["repair=true", "days=3", "name=plain", "equals=a=b", 'tables=["a.b"]']
    assert parsed(given) == {"repair": True, "days": 3, "name": "plain", "equals": "a=b", "tables": ["a.b"]}
    with pytest.raises(InvalidInputError, match="NAME=VALUE"):
        parsed(["repair"])


def test_every_task_says_what_it_does_and_takes_what_it_stores() -> None:
    for entry in TASKS:
        assert entry.summary, entry.name
        required = [name for name, field in task_of(entry.name).arguments.model_fields.items() if field.is_required()]
        if not required:
            stored = checked_arguments(task_of(entry.name), entry.name, {})
            assert checked_arguments(task_of(entry.name), entry.name, stored) == stored
    with pytest.raises(InvalidInputError, match="known: compaction"):
        task_of("unheard-of")


def test_a_caller_s_rights_travel_with_the_job() -> None:
    caller = Principal("key:1", frozenset({"hr", "everyone"}))
    stored = with_caller({"eval_set": "x"}, caller)
    assert caller_of(stored) == caller and without_caller(stored) == {"eval_set": "x"}
    assert caller_of({}) == OPERATOR


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, False),
        ({"redis_url": "redis://r"}, True),
        ({"broker_url": "amqp://r"}, True),
        ({"jobs": "embedded", "redis_url": "redis://r"}, False),
        ({"jobs": "celery"}, True),
    ],
)
def test_where_jobs_run(settings: dict[str, str], expected: bool) -> None:
    assert uses_celery(Settings(**settings)) is expected  # type: ignore[arg-type]


def test_celery_without_a_broker_names_the_remedy() -> None:
    with pytest.raises(SettingsError, match="KB_JOBS=embedded"):
        make_app(Settings(jobs="celery"))


def test_a_broker_of_its_own_wins_over_redis() -> None:
    app = make_app(Settings(broker_url="amqp://rabbit:5672//", redis_url="redis://r"))
    assert app.conf.broker_url.startswith("amqp://rabbit") and app.conf.broker_transport_options == {}
    assert {"kb.run_job", "kb.tick"} <= set(app.tasks)
    assert app.conf.task_acks_late and app.conf.task_reject_on_worker_lost and app.conf.worker_prefetch_multiplier == 1


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("verify", {"repairs": True}, "repairs: there is no such field; expected repair"),
        ("compaction", {"days": 1}, "days: there is no such field; expected operations_days, standby_days, versions_d"),
        ("snapshot", {"repair": True}, "repair: there is no such field"),
        ("verify", dict.fromkeys(map(str, range(101)), 1), "arguments: it has 101 fields; expected at most 100"),
        ("compaction", {"operations_days": 0}, "operations_days: Input should be greater than or equal to 1"),
    ],
)
def test_an_argument_that_does_not_fit_is_told_what_does(kind: str, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInputError) as told:
        checked_arguments(task_of(kind), kind, arguments)
    assert str(told.value).startswith(f"a job of kind {kind!r} cannot take these arguments: {words}")
