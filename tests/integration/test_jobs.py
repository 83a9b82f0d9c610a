"""Jobs outlive the process that runs them: real servers, killed, stopped, doubled and poisoned."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from counting_jobs import Diary, install_plugin
from kb_processes import Process, Server, end_all
from waiting import PATIENCE_SECONDS, eventually, job_ended

from api.jobs.defaults import DEFAULT_NAMES
from retrieval.catalog import Catalog, sqlite_url
from retrieval.catalog.jobs import MAX_ATTEMPTS

pytestmark = pytest.mark.slow

Start = Callable[[], Server]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install_plugin(tmp_path / "plugin")
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts servers over one data folder; none outlives the test."""
    started: list[Server] = []

    def begin() -> Server:
        started.append(Server(folder))
        started[-1].key = started[-1].key or started[0].key
        return started[-1]

    yield begin
    end_all(started)


def asked(server: Server, diary: Diary, steps: int) -> str:
    body = {"kind": "count", "arguments": {"log": str(diary.path), "steps": steps}}
    with server.client(server.key) as client:
        response = client.post("/v1/jobs", json=body)
    assert response.status_code == 202, response.text
    assert response.json()["state"] == "queued" and response.json()["arguments"] == body["arguments"]
    return str(response.headers["location"])


def seen(server: Server, path: str) -> dict[str, Any]:
    with server.client(server.key) as client:
        found: dict[str, Any] = client.get(path).json()
    return found


def ended(server: Server, path: str) -> dict[str, Any]:
    return job_ended(lambda: seen(server, path))


def test_a_killed_server_s_job_goes_on_and_ends_right(folder: Path, start: Start) -> None:
    server, diary = start(), Diary(folder / "diary")
    job = asked(server, diary, steps=40)
    eventually(lambda: seen(server, job), lambda job: job["done"] > 3)
    server.kill()
    after = start()
    result = ended(after, job)
    assert (result["state"], result["result"], result["attempts"]) == ("succeeded", {"steps": 40}, 2)
    assert result["done"] == result["total"] == 40
    assert diary.pids() == [server.process.pid, after.process.pid]
    assert diary.counted()["overlap"] == 0


def test_a_stopped_server_puts_its_job_back(folder: Path, start: Start) -> None:
    server, diary = start(), Diary(folder / "diary")
    job = asked(server, diary, steps=150)
    eventually(diary.counted, lambda counted: counted["step"] > 3)
    assert server.kill(signal.SIGTERM) == 0
    assert diary.counted()["step"] < 150  # it did not wait for the end of the work
    result = ended(start(), job)
    assert (result["state"], result["attempts"]) == ("succeeded", 1)
    assert diary.counted()["begin"] == 2 and diary.counted()["overlap"] == 0


def test_a_job_is_cancelled_and_tried_again(folder: Path, start: Start) -> None:
    server, diary = start(), Diary(folder / "diary")
    job = asked(server, diary, steps=60)
    eventually(diary.counted, lambda counted: counted["step"] > 3)
    with server.client(server.key) as client:
        assert client.post(f"{job}/cancel").json()["state"] == "cancelled"
        retried = client.post(f"{job}/retry")  # at once: it waits for the work to stop
        assert diary.counted()["step"] < 60
        assert (retried.status_code, retried.json()["state"]) == (202, "queued")
        assert client.post(f"{job}/retry").status_code == 409  # it is on its way already
        with client.stream("GET", f"{job}/events") as stream:
            names = [line for line in stream.iter_lines() if line.startswith("event:")]
    assert len(names) > 2 and set(names) == {"event: job"}
    assert ended(server, job)["state"] == "succeeded"
    assert diary.counted()["begin"] == 2 and diary.counted()["overlap"] == 0


def test_two_servers_share_the_work_and_take_over_from_each_other(folder: Path, start: Start) -> None:
    first, second = start(), start()
    diaries = [Diary(folder / f"diary-{number}") for number in range(8)]
    jobs = [asked(first, diary, steps=30) for diary in diaries]
    eventually(lambda: {pid for diary in diaries for pid in diary.pids()}, lambda pids: len(pids) == 2)
    first.kill()
    results = [ended(second, job) for job in jobs]
    assert {job["state"] for job in results} == {"succeeded"}
    assert [job["attempts"] for job in results] == [diary.counted()["begin"] for diary in diaries]
    assert max(job["attempts"] for job in results) == 2, "the kill hit no running job: the test proves too little"
    assert all(diary.counted()["overlap"] == 0 for diary in diaries)


def test_the_shell_runs_a_job_itself_where_nothing_serves(folder: Path) -> None:
    ran = shell(folder, "jobs", "run", "verify", "--json")
    assert ran["state"] == "succeeded" and ran["result"]["in_step"] is True
    queued = shell(folder, "jobs", "run", "verify", "-a", "repair=true", "--no-wait", "--json")
    assert queued["state"] == "queued" and queued["arguments"] == {"repair": True}
    assert shell(folder, "jobs", "cancel", queued["id"], "--json")["state"] == "cancelled"
    assert [job["id"] for job in shell(folder, "jobs", "list", "--json")["jobs"]] == [queued["id"], ran["id"]]
    assert shell(folder, "jobs", "retry", queued["id"], "--json")["state"] == "queued"
    failed = shell(folder, "jobs", "run", "evaluate", "-c", "absent", "-a", "eval_set=x", "--json", status=1)
    assert failed == {}  # refused at once: nothing was queued


def test_the_shell_keeps_schedules(folder: Path) -> None:
    made = shell(folder, "schedules", "add", "nightly", "--kind", "verify", "--every", "1d", "--at", "03:00", "--json")
    assert made["every_seconds"] == 86_400 and "T03:00:00" in made["next_at"]
    assert shell(folder, "schedules", "disable", "nightly", "--json")["enabled"] is False
    asked = shell(folder, "schedules", "run", "nightly", "--json")
    assert shell(folder, "jobs", "show", asked["job"], "--json")["schedule"] == "nightly"
    names = [one["name"] for one in shell(folder, "schedules", "list", "--json")["schedules"]]
    assert names == sorted([*DEFAULT_NAMES, "nightly"])
    shell(folder, "schedules", "delete", "verify-daily", status=1)


def shell(folder: Path, *command: str, status: int = 0) -> dict[str, Any]:
    process = Process(folder, *command)
    assert process.process.stdout is not None
    printed = process.process.stdout.read()
    process.process.wait(PATIENCE_SECONDS)
    assert process.kill() == status, process.log.read_text()
    found: dict[str, Any] = json.loads(printed) if printed else {}
    return found


def test_a_job_that_kills_the_server_stops_after_some_attempts(folder: Path, start: Start) -> None:
    start().kill()
    diary = Diary(folder / "diary")
    catalog = Catalog(sqlite_url(folder / "kb" / "catalog.db"))
    try:
        job = catalog.jobs.create("poison", "", {"log": str(diary.path)})
        for attempt in range(1, MAX_ATTEMPTS + 1):
            assert start().process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
            assert catalog.jobs.get(job.id).attempts == attempt
        server = start()
        result = ended(server, f"/v1/jobs/{job.id}")
        assert result["state"] == "failed" and f"{MAX_ATTEMPTS} times" in result["error"]
        assert diary.counted()["begin"] == MAX_ATTEMPTS
        with server.client(server.key) as client:
            assert client.get("/readyz").status_code in (200, 503)  # it lives
            assert 'kb_jobs{kind="poison",state="failed"} 1.0' in client.get("/metrics").text
    finally:
        catalog.close()
