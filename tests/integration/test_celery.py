"""Jobs on Celery over a real Redis: workers killed and stopped, a broker that is gone, a beat that is doubled."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from counting_jobs import Diary, install_plugin
from kb_processes import Process, Server, end_all
from redis_process import Redis
from waiting import PATIENCE_SECONDS, eventually

from api.jobs.celery_app import make_app
from infra.settings import Settings
from infra.stack.site import free_port
from retrieval.catalog import Catalog, sqlite_url
from retrieval.catalog.jobs import JobRecord, JobState
from retrieval.catalog.schedules import NewSchedule
from retrieval.catalog.schema import utc_now

pytestmark = [pytest.mark.slow, pytest.mark.server]

Run = Callable[..., Process]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install_plugin(tmp_path / "plugin")
    (tmp_path / "kb").mkdir()
    return tmp_path


@pytest.fixture
def redis() -> Iterator[Redis]:
    broker = Redis()
    yield broker
    broker.kill()


@pytest.fixture
def run(folder: Path, redis: Redis) -> Iterator[Run]:
    """Runs `kb …`, or a server, with the broker; none outlives the test."""
    started: list[Process] = []

    def begin(*command: str) -> Process:
        made = Process(folder, *command, KB_REDIS_URL=redis.url) if command else Server(folder, KB_REDIS_URL=redis.url)
        started.append(made)
        return made

    yield begin
    end_all(started)


@pytest.fixture
def catalog(folder: Path) -> Iterator[Catalog]:
    opened = Catalog(sqlite_url(folder / "kb" / "catalog.db"))
    yield opened
    opened.close()


def ask(run: Run, diary: Diary, steps: int) -> str:
    """The id of a counting job that a short command asked for."""
    command = ("jobs", "run", "count", "--no-wait", "--json", "-a", f"log={diary.path}", "-a", f"steps={steps}")
    process = run(*command)
    assert process.process.stdout is not None
    answer = process.process.stdout.read()
    assert process.process.wait() == 0, process.log.read_text()
    return answer.split('"id":"')[1][:32]


def ended(catalog: Catalog, job_id: str) -> JobRecord:
    return eventually(
        lambda: catalog.jobs.get(job_id), lambda job: job.state not in (JobState.QUEUED, JobState.RUNNING), seconds=90
    )


def test_a_worker_runs_what_a_server_is_asked_for(run: Run, folder: Path, catalog: Catalog) -> None:
    port, diary = free_port(), Diary(folder / "diary")
    server, worker = run(), run("celery", "worker", "--metrics-port", str(port), "--concurrency", "1")
    assert isinstance(server, Server)
    with server.client(server.key) as client:
        body = {"kind": "count", "arguments": {"log": str(diary.path), "steps": 5}}
        location = client.post("/v1/jobs", json=body).headers["location"]
        job = eventually(lambda: client.get(location).json(), lambda job: job["state"] == "succeeded")
    assert job["result"] == {"steps": 5} and job["done"] == 5
    assert diary.pids() == [worker.process.pid]
    counted = 'kb_job_seconds_count{kind="count",outcome="succeeded"} 1.0'
    eventually(lambda: httpx.get(f"http://127.0.0.1:{port}/metrics").text, lambda text: counted in text)


def test_a_killed_worker_s_job_is_taken_up_again(run: Run, folder: Path, catalog: Catalog) -> None:
    worker, diary = run("celery", "worker"), Diary(folder / "diary")
    run("celery", "beat")
    job_id = ask(run, diary, steps=60)
    eventually(diary.counted, lambda counted: counted["step"] > 3)
    worker.kill()
    second = run("celery", "worker")
    job = ended(catalog, job_id)
    assert (job.state, job.attempts, job.result) == (JobState.SUCCEEDED, 2, {"steps": 60})
    assert diary.pids() == [worker.process.pid, second.process.pid]
    assert diary.counted()["overlap"] == 0


def test_a_stopped_worker_puts_its_job_back(run: Run, folder: Path, catalog: Catalog) -> None:
    worker, diary = run("celery", "worker"), Diary(folder / "diary")
    job_id = ask(run, diary, steps=150)
    eventually(diary.counted, lambda counted: counted["step"] > 3)
    assert worker.kill(signal.SIGTERM) == 0, worker.log.read_text()
    assert diary.counted()["step"] < 150
    assert catalog.jobs.get(job_id).state is JobState.QUEUED
    run("celery", "worker"), run("celery", "beat")
    job = ended(catalog, job_id)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    assert diary.counted()["begin"] == 2 and diary.counted()["overlap"] == 0


def test_the_next_worker_runs_what_came_to_one_that_stops(
    run: Run, redis: Redis, folder: Path, catalog: Catalog
) -> None:
    """Neither a server nor beat runs, who would look for jobs that wait."""
    worker, early, late = run("celery", "worker"), Diary(folder / "early"), Diary(folder / "late")
    app = make_app(Settings(redis_url=redis.url))
    ended(catalog, ask(run, early, steps=1))
    job = catalog.jobs.create("count", "", {"log": str(late.path), "steps": 5})
    worker.process.send_signal(signal.SIGTERM)
    app.send_task("kb.run_job", (job.id,), ignore_result=True)
    catalog.jobs.mark_sent(job)
    assert worker.process.wait(PATIENCE_SECONDS) == 0, worker.log.read_text()
    app.close()
    assert catalog.jobs.get(job.id).state is JobState.QUEUED
    second = run("celery", "worker")
    assert ended(catalog, job.id).state is JobState.SUCCEEDED
    assert late.pids() == [second.process.pid] and late.counted()["overlap"] == 0


def test_nothing_is_lost_while_the_broker_is_gone(run: Run, redis: Redis, folder: Path, catalog: Catalog) -> None:
    server, worker, diary = run(), run("celery", "worker"), Diary(folder / "diary")
    assert isinstance(server, Server)
    redis.kill()
    with server.client(server.key) as client:
        answer = client.post("/v1/jobs", json={"kind": "count", "arguments": {"log": str(diary.path), "steps": 3}})
        assert answer.status_code == 202
    time.sleep(3)
    assert catalog.jobs.get(answer.json()["id"]).state is JobState.QUEUED
    redis.start()
    assert ended(catalog, answer.json()["id"]).state is JobState.SUCCEEDED
    assert diary.pids() == [worker.process.pid]


def test_two_beats_ask_for_a_due_schedule_once(run: Run, folder: Path, catalog: Catalog) -> None:
    diary = Diary(folder / "diary")
    arguments = {"log": str(diary.path), "steps": 2}
    due = utc_now() - timedelta(days=3)
    catalog.schedules.create(NewSchedule("daily", "count", "", arguments, 86_400, first_at=due))
    ports = (free_port(), free_port())
    run("celery", "worker", "--metrics-port", str(ports[0])), run("celery", "beat")
    run("celery", "beat", "--metrics-port", str(ports[1]))
    began = time.time()
    job = ended(catalog, eventually(lambda: catalog.schedules.get("daily").last_job, bool))
    assert (job.state, job.schedule) == (JobState.SUCCEEDED, "daily")
    time.sleep(12)  # more than another round of both
    assert [one.id for one in catalog.jobs.page()] == [job.id]
    assert catalog.schedules.get("daily").next_at > utc_now()
    assert diary.counted()["begin"] == 1
    for port, moment in zip(ports, ("schedules_last_look", "beat_last_tick"), strict=True):
        told = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        (at,) = re.findall(rf"^kb_{moment}_timestamp_seconds (\S+)$", told, re.MULTILINE)
        assert began < float(at) <= time.time(), moment


def test_the_application_is_found_by_celery_s_own_command(folder: Path, redis: Redis) -> None:
    command = [sys.executable, "-m", "celery", "-A", "api.jobs.celery_app", "report"]
    environment = os.environ | {"KB_REDIS_URL": redis.url, "KB_DATA_DIR": str(folder / "kb")}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "task_acks_late: True" in found.stdout
